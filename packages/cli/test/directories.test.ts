import { assert, describe, it } from "@effect/vitest"
import { Outcome } from "@vm-sentinel/core/Outcome"
import * as Ownership from "@vm-sentinel/core/Ownership"
import { parse } from "@vm-sentinel/core/Sentinel"
import { Effect, Result, Schema } from "effect"
import * as FS from "node:fs"
import * as Actors from "../src/demo/Actors.ts"
import { Explanation } from "../src/explain/Explanation.ts"
import * as Platform from "../src/Platform.ts"
import * as Cli from "./support/Cli.ts"
import * as Roots from "./support/Roots.ts"

const timeout = 30_000
const strict = { onExcessProperty: "error" } as const
const sentinelAt = (path: string) => Result.getOrThrow(parse(FS.readFileSync(path)))

describe.concurrent("write", { timeout }, () => {
  it.live("records a process in v3", () =>
    Effect.gen(function* () {
      const vm = Roots.directory(yield* Roots.scratch, "vm")
      const { code, stderr, stdout } = yield* Cli.run(["write", vm, "--pid", `${process.pid}`])
      assert.deepStrictEqual([code, stderr], [0, ""])
      const sentinel = sentinelAt(`${vm}/.vm-sentinel`)
      assert.strictEqual(sentinel._tag, "V3")
      assert.strictEqual(sentinel.pid, process.pid)
      assert.match(
        stdout,
        new RegExp(`^${vm}/\\.vm-sentinel: v3, process ${process.pid} \\(.*\\), role owner, nonce \\w+\\n$`)
      )
      assert.strictEqual(FS.statSync(`${vm}/.vm-sentinel`).mode & 0o777, 0o600)
    })
  )

  it.live("scenario 76: takes nobody for the owner who wasn't named: a wrapper as its parent would end at once", () =>
    Effect.gen(function* () {
      const vm = Roots.directory(yield* Roots.scratch, "vm")
      const wrapped = yield* Cli.shell('"$NODE" "$BIN" write "$1"; exit $?', [vm])
      assert.deepStrictEqual([wrapped.code, wrapped.stdout], [2, ""])
      assert.include(wrapped.stderr, '--pid "$$"')
      assert.deepStrictEqual(FS.readdirSync(vm), ["console.log"])
    })
  )

  it.live('records the shell that calls as "$$", through the launcher too', () =>
    Effect.gen(function* () {
      const vm = Roots.directory(yield* Roots.scratch, "vm")
      const script = '"$1" write "$2" --pid "$$" >/dev/null && echo "$$"'
      const { code, stdout } = yield* Cli.execute("sh", ["-c", script, "sh", Cli.launcher, vm])
      assert.strictEqual(code, 0)
      assert.strictEqual(sentinelAt(`${vm}/.vm-sentinel`).pid, Number(stdout))
    })
  )

  it.live("takes a PID, a format, a role and a name; brood-box's is v2 to the byte", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      const vm = Roots.directory(root, "vm")
      const { pid } = yield* Actors.start
      const exe = FS.readlinkSync(`/proc/${pid}/exe`)
      yield* Effect.all(
        [
          Cli.run(["write", "vm", "--pid", `${pid}`, "--role", "helper", "--format", "v1"], { cwd: root }),
          Cli.inProcess(["write", vm, "--pid", `${pid}`, "--sentinel-name", ".bbox-sentinel"])
        ],
        { concurrency: 2 }
      )
      assert.strictEqual(FS.readFileSync(`${vm}/.vm-sentinel.helper`, "utf8"), `${pid}`)
      assert.strictEqual(FS.readFileSync(`${vm}/.bbox-sentinel`, "utf8"), `${pid}\n${exe}`)
      const refused = yield* Cli.inProcess([
        "write",
        vm,
        "--pid",
        `${pid}`,
        "--sentinel-name",
        ".bbox-sentinel",
        "--role",
        "x",
        "--format",
        "v3"
      ])
      assert.strictEqual(refused.code, 1)
      assert.match(refused.stderr, /^vm-sentinel: [^\n]+\n$/)
    })
  )

  it.live("refuses a process that is gone or a zombie, a directory that isn't there, and one that is owned", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      const vm = Roots.directory(root, "vm")
      const owned = Roots.directory(root, "owned")
      const owner = yield* Roots.alive(owned)
      const gone = yield* Roots.dead(Roots.directory(root, "gone"))
      const zombie = yield* Effect.provide(Actors.startUnreaped, Platform.layer)
      yield* zombie.crash
      const results = yield* Effect.forEach(
        [
          ["write", vm, "--pid", `${gone.pid}`],
          ["write", vm, "--pid", `${zombie.pid}`],
          ["write", `${root}/none`, "--pid", `${process.pid}`],
          ["write", owned, "--pid", `${process.pid}`]
        ],
        (args) => Cli.inProcess(args)
      )
      for (const { code, stderr, stdout } of results) {
        assert.deepStrictEqual([code, stdout], [1, ""])
        assert.match(stderr, /^vm-sentinel: [^\n]+\n$/)
      }
      assert.include(results[0]?.stderr, `process ${gone.pid}: not found`)
      assert.include(results[1]?.stderr, `process ${zombie.pid}: not found`)
      assert.include(results[2]?.stderr, `${root}/none: not found`)
      assert.include(results[3]?.stderr, `${owned}: already owned by process ${owner.pid}: alive, matches`)
      assert.deepStrictEqual(FS.readdirSync(vm), ["console.log"])
    })
  )

  it.live("replaces a sentinel whose owner is gone", () =>
    Effect.gen(function* () {
      const vm = Roots.directory(yield* Roots.scratch, "vm")
      yield* Roots.dead(vm)
      const { code } = yield* Cli.inProcess(["write", vm, "--pid", `${process.pid}`])
      assert.deepStrictEqual([code, sentinelAt(`${vm}/.vm-sentinel`).pid], [0, process.pid])
    })
  )
})

describe.concurrent("a DIR that is a symbolic link or a file", { timeout }, () => {
  it.live("is refused in true words by each command, and nothing changes", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      yield* Roots.dead(Roots.directory(root, "vm"))
      FS.symlinkSync("vm", `${root}/link`)
      Roots.file(`${root}/file`, "")
      const before = Roots.snapshot(root)
      for (const path of [`${root}/link`, `${root}/file`]) {
        for (const args of [
          ["run", path, "--", "true"],
          ["write", path, "--pid", `${process.pid}`],
          ["explain", path],
          ["reclaim", path]
        ]) {
          const { code, stderr } = yield* Cli.inProcess(args)
          assert.strictEqual(code, 1)
          const said = /^vm-sentinel: (\S+): not a directory \(\w+\); give the directory itself: a symbolic link/.exec(
            stderr
          )
          assert.strictEqual(said?.[1], path, stderr)
        }
      }
      assert.deepStrictEqual(Roots.snapshot(root), before)
    })
  )
})

describe("create", { timeout }, () => {
  /** Sets a default ACL (`struct posix_acl_xattr_header`), which gives group 107 everything made in the directory. */
  const setDefaultAcl = `
import os, struct, sys
entries = [(1, 7, -1), (4, 7, -1), (8, 7, 107), (16, 7, -1), (32, 5, -1)]
value = struct.pack('<I', 2) + b''.join(struct.pack('<HHi', *entry) for entry in entries)
os.setxattr(sys.argv[1], 'system.posix_acl_default', value)`

  it.live(
    "scenario 93: makes a directory that is its owner's alone under a default ACL, and mkdir's is warned of",
    ({ skip }) =>
      Effect.gen(function* () {
        const root = yield* Roots.scratch
        const { code } = yield* Cli.execute("sh", ["-c", 'python3 -c "$0" "$1"', setDefaultAcl, root])
        if (code !== 0) skip("needs python3, and a file system with ACLs")
        const { file } = yield* Effect.provide(Ownership.create(`${root}/vm`), Platform.layer)
        assert.strictEqual(FS.statSync(`${root}/vm`).mode & 0o777, 0o700)
        assert.isUndefined(file.distrust)
        FS.mkdirSync(`${root}/made`)
        const { stderr } = yield* Cli.inProcess(["write", `${root}/made`, "--pid", `${process.pid}`])
        assert.match(stderr, /made: no sweep will believe its sentinel.* writable by group \d+; `chmod go-w` it\n$/)
      })
  )
})

describe.concurrent("reclaim", { timeout }, () => {
  const decode = Schema.decodeUnknownSync(Outcome, strict)

  it.live("removes a dead directory and keeps a live one", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      const dead = Roots.directory(root, "dead")
      const alive = Roots.directory(root, "alive")
      yield* Roots.dead(dead)
      yield* Roots.alive(alive)
      const [removed, kept] = yield* Effect.all(
        [Cli.run(["reclaim", dead, "--json"]), Cli.inProcess(["reclaim", alive, "--assume-dead", "wrong"])],
        { concurrency: 2 }
      )
      assert.include(decode(JSON.parse(removed.stdout)), { action: "removed", reason: "pid-dead", path: dead })
      assert.deepStrictEqual([removed.code, kept.code, removed.stderr, kept.stderr], [0, 4, "", ""])
      assert.match(kept.stdout, /\nalive +alive +matches +\d+ +\d+s +kept\n$/)
      assert.deepStrictEqual(FS.readdirSync(root), ["alive"])
    })
  )

  it.live("fails with what a sweep would keep, and removes it on an operator's word", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      const vm = Roots.directory(root, "vm")
      Roots.file(`${vm}/.vm-sentinel`, "hello")
      const refused = yield* Cli.inProcess(["reclaim", vm])
      assert.deepStrictEqual([refused.code, refused.stdout], [4, ""])
      assert.match(refused.stderr, /^vm-sentinel: \S+\/vm\/\.vm-sentinel: malformed sentinel: [^\n]+\n$/)
      const forced = yield* Cli.run(["reclaim", vm, "--assume-dead", "the host was scrapped", "--json"])
      assert.strictEqual(forced.code, 0, forced.stderr)
      assert.match(forced.stderr, /^timestamp=\S+ level=WARN .*operatorReason="the host was scrapped"\n$/)
      const outcome = decode(JSON.parse(forced.stdout))
      assert.include(outcome, { action: "removed", verdict: "dead", reason: "assumed-dead" })
      assert.strictEqual(outcome.evidence["assumption"]?.observed, "the host was scrapped")
      assert.deepStrictEqual(FS.readdirSync(root), [])
    })
  )

  it.live("never takes what has no sentinel", () =>
    Effect.gen(function* () {
      const vm = Roots.directory(yield* Roots.scratch, "vm")
      const [kept, missing] = yield* Effect.all(
        [Cli.inProcess(["reclaim", vm, "--assume-dead", "I want it gone"]), Cli.run(["reclaim", `${vm}-2`])],
        { concurrency: 2 }
      )
      assert.deepStrictEqual([kept.code, missing.code], [4, 1])
      assert.match(kept.stdout, /\nvm +- +no-sentinel +kept\n$/)
      assert.deepStrictEqual(FS.readdirSync(vm), ["console.log"])
    })
  )
})

describe.concurrent("explain", { timeout }, () => {
  const decode = Schema.decodeUnknownSync(Explanation, strict)

  it.live("shows every comparison of every sentinel, writes nothing, and in JSON shortens nothing", () =>
    Effect.gen(function* () {
      const vm = Roots.directory(yield* Roots.scratch, "vm")
      const first = yield* Roots.dead(vm)
      const second = yield* Roots.dead(vm, { role: "helper", format: "v2" })
      const before = Roots.snapshot(vm)
      const [table, json] = yield* Effect.all([Cli.run(["explain", vm]), Cli.inProcess(["explain", vm, "--json"])], {
        concurrency: 2
      })
      assert.deepStrictEqual(Roots.snapshot(vm), before)
      assert.deepStrictEqual([table.code, table.stderr, json.code, json.stderr], [0, "", 0, ""])
      const explanation = decode(JSON.parse(json.stdout))
      assert.include(explanation, { path: vm, verdict: "dead", reason: "pid-dead", decisive: ".vm-sentinel" })
      const [owner, helper] = explanation.sentinels
      assert.include(owner, {
        entry: ".vm-sentinel",
        format: "v3",
        pid: first.pid,
        role: "owner",
        decidedBy: "process"
      })
      assert.include(helper, { entry: ".vm-sentinel.helper", format: "v2", pid: second.pid, verdict: "dead" })
      assert.strictEqual(owner?.evidence["bootId"]?.recorded?.length, 36)
      assert.include(table.stdout, `→  process       ${first.pid}`)
      assert.notInclude(table.stdout, owner?.evidence["bootId"]?.recorded ?? "")
      for (const line of table.stdout.split("\n")) assert.isAtMost(line.length, Math.max(100, vm.length + 40))
    })
  )

  it.live("explains what has no readable sentinel, and fails where there is no directory", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      const vm = Roots.directory(root, "vm")
      Roots.file(`${vm}/.bbox-sentinel`, `${process.pid}`)
      const plain = Roots.directory(root, "plain")
      const [other, none, missing] = yield* Effect.all([
        Cli.inProcess(["explain", vm, "--json"]),
        Cli.inProcess(["explain", plain]),
        Cli.run(["explain", `${root}/none`])
      ])
      assert.deepInclude(decode(JSON.parse(other.stdout)), {
        verdict: "unknown",
        reason: "other-owner",
        sentinels: [],
        foreign: [".bbox-sentinel"]
      })
      assert.include(none.stdout, "not judged, no-sentinel")
      assert.deepStrictEqual([other.code, none.code, missing.code, missing.stdout], [0, 0, 1, ""])
      assert.include(missing.stderr, `${root}/none: not found`)
    })
  )

  it.live("finds by its name what a sweep has moved, and shows the owners after a living one", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      const vm = Roots.directory(root, "vm")
      yield* Roots.alive(vm)
      const gone = yield* Roots.dead(vm, { role: "helper" })
      const lies = `${root}/.vm-sentinel-reap.00000000.claimed=vm`
      FS.renameSync(vm, lies)
      const [table, json] = yield* Effect.all([
        Cli.inProcess(["explain", vm]),
        Cli.inProcess(["explain", vm, "--json"])
      ])
      const explanation = decode(JSON.parse(json.stdout))
      assert.include(explanation, { path: lies, asked: vm, stage: "claimed", verdict: "alive" })
      const [, helper] = explanation.sentinels
      assert.include(helper, { entry: ".vm-sentinel.helper", pid: gone.pid, verdict: "dead", reason: "pid-dead" })
      assert.include(table.stdout, `${vm}: alive, matches\n  It lies in ${lies} now.\n`)
    })
  )
})
