import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as FS from "node:fs"
import * as Path from "node:path"
import { Failure } from "../src/Failure.ts"
import { version } from "../src/Version.ts"
import * as Cli from "./support/Cli.ts"
import * as Roots from "./support/Roots.ts"

const timeout = 30_000

/** A root with one directory of each kind. */
const mixed = Effect.gen(function* () {
  const root = yield* Roots.scratch
  yield* Roots.alive(Roots.directory(root, "alive"))
  yield* Roots.dead(Roots.directory(root, "dead"))
  yield* Roots.dead(Roots.directory(root, "legacy"), { format: "v2" })
  Roots.file(`${Roots.directory(root, "malformed")}/.vm-sentinel`, "hello\n")
  Roots.file(`${Roots.directory(root, "oversized")}/.vm-sentinel`, "7".repeat(5000))
  Roots.directory(root, "plain")
  Roots.file(`${root}/notes.txt`, "not a directory\n")
  return root
})

const judged = {
  alive: "kept: alive, matches",
  dead: "removed: dead, pid-dead",
  legacy: "removed: dead, pid-dead",
  malformed: "kept: unknown, malformed-sentinel",
  oversized: "kept: unknown, oversized-sentinel",
  plain: "kept: none, no-sentinel"
}

describe.concurrent("list and sweep", { timeout }, () => {
  it.live("judge without a write, then remove what is dead, and say so in JSON", () =>
    Effect.gen(function* () {
      const root = yield* mixed
      const before = Roots.snapshot(root)

      const [list, dry] = yield* Effect.all(
        [Cli.run(["list", root, "--json"]), Cli.run(["sweep", "--dry-run", "--json", root])],
        { concurrency: 2 }
      )
      assert.deepStrictEqual(Roots.snapshot(root), before)
      assert.strictEqual(list.code, 0)
      assert.strictEqual(list.stderr, "")
      const listed = Cli.report(list.stdout)
      const would = { ...judged, dead: "would-remove: dead, pid-dead", legacy: "would-remove: dead, pid-dead" }
      assert.deepStrictEqual(Cli.actions(listed), would)
      assert.deepStrictEqual(Cli.actions(Cli.report(dry.stdout)), would)
      assert.include(listed.summary, { root, dryRun: true, scanned: 6, removed: 2, kept: 4, failed: 0, unknown: 2 })

      const sweep = yield* Cli.run(["sweep", root, "--json"])
      assert.strictEqual(sweep.code, 0)
      const swept = Cli.report(sweep.stdout)
      assert.deepStrictEqual(Cli.actions(swept), judged)
      assert.include(swept.summary, { root, dryRun: false, scanned: 6, removed: 2, kept: 4, failed: 0, unknown: 2 })
      assert.deepStrictEqual(FS.readdirSync(root).sort(), ["alive", "malformed", "notes.txt", "oversized", "plain"])
      for (const name of ["alive", "malformed", "oversized", "plain"]) {
        assert.strictEqual(FS.readFileSync(`${root}/${name}/console.log`, "utf8"), `${name}\n`)
      }
    })
  )

  it.live("a flag takes no ROOT for its value, whatever the ROOT is called", () =>
    Effect.gen(function* () {
      const names = ["0", "1", "no", "true"]
      const parent = yield* Roots.scratch
      const roots = names.map((name) => Roots.directory(parent, name))
      for (const root of roots) yield* Roots.dead(Roots.directory(root, "dead"))
      const before = Roots.snapshot(parent)
      const dry = yield* Cli.run(["sweep", "--json", "--dry-run", ...names], { cwd: parent })
      assert.deepStrictEqual(Roots.snapshot(parent), before)
      assert.deepStrictEqual([dry.code, dry.stdout.match(/"action":"would-remove"/g)?.length], [0, 4])
      const off = yield* Cli.run(["sweep", "--json", "--dry-run=no", ...names], { cwd: parent })
      assert.deepStrictEqual([off.code, off.stdout.match(/"action":"removed"/g)?.length], [0, 4])
    })
  )

  it.live("JSON lines have these keys", () =>
    Effect.gen(function* () {
      const root = yield* mixed
      const { stdout } = yield* Cli.inProcess(["list", root, "--json", "--sizes"])
      // Outcomes start with their name, so sorted lines are sorted by name. The summary sorts last.
      const lines = stdout
        .trimEnd()
        .split("\n")
        .toSorted()
        .map((line): unknown => JSON.parse(line))
      const keys = lines.map((line) => Object.keys(line ?? {}).join(" "))
      const outcome = "_tag name path action verdict reason"
      assert.deepStrictEqual(keys, [
        `${outcome} pid since bytes evidence root`,
        `${outcome} pid since bytes evidence root`,
        `${outcome} pid since bytes evidence root`,
        `${outcome} since bytes evidence error root`,
        `${outcome} since bytes evidence error root`,
        `${outcome} bytes evidence root`,
        "_tag root dryRun scanned removed kept failed unknown bytesFreed bytesKept durationMs"
      ])
    })
  )

  it.live("obey their options", () =>
    Effect.gen(function* () {
      const root = yield* mixed
      yield* Roots.dead(Roots.directory(root, "other"), { sentinelName: ".my-sentinel" })
      const run = (...args: ReadonlyArray<string>) => Cli.inProcess(["list", root, "--json", ...args])
      const [skip, keep, names, strict] = yield* Effect.all(
        [
          run("--skip", "alive", "--skip", "malformed"),
          run("--legacy", "keep"),
          run("--sentinel-name", ".my-sentinel", "--sentinel-name", ".other"),
          Cli.run(["list", root, "--json", "--strict"])
        ],
        { concurrency: 2 }
      )
      assert.include(Cli.actions(Cli.report(skip.stdout)), {
        alive: "kept: none, skipped",
        malformed: "kept: none, skipped"
      })
      assert.include(Cli.actions(Cli.report(keep.stdout)), { legacy: "kept: unknown, legacy-kept" })
      // The default name isn't read now, so its sentinels count as records of other owners.
      assert.include(Cli.actions(Cli.report(names.stdout)), {
        other: "would-remove: dead, pid-dead",
        alive: "kept: unknown, other-owner",
        legacy: "kept: unknown, other-owner"
      })
      assert.deepStrictEqual([skip.code, keep.code, names.code, strict.code], [0, 0, 0, 3])
      assert.strictEqual(Cli.report(strict.stdout).summary.unknown, 2)
    })
  )

  it.live("judge by what an operator knows better, and say so in the summary and in the evidence", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      yield* Roots.dead(Roots.directory(root, "vm"))
      // `mv` between two file systems makes such a copy.
      FS.cpSync(`${root}/vm`, `${root}/moved`, { recursive: true, preserveTimestamps: true })
      FS.rmSync(`${root}/vm`, { recursive: true })
      const options = ["--lock", "inherited", "--shared", "trust", "--assume-moved", "rsync to the new disk"]
      const [plain, human, reclaim] = yield* Effect.all([
        Cli.inProcess(["sweep", root, "--json"]),
        Cli.inProcess(["list", root, ...options]),
        Cli.inProcess(["reclaim", `${root}/moved`])
      ])
      const kept = Cli.report(plain.stdout)
      assert.deepStrictEqual(Cli.actions(kept), { moved: "kept: unknown, other-directory" })
      assert.doesNotHaveAnyKeys(kept.summary, ["lock", "shared", "assumeMoved"])
      assert.match(reclaim.stdout, /\nmoved +unknown +other-directory +\d+ +\d+s +kept\n$/)
      assert.match(human.stdout, /1 would be removed.*; on your word .* \(rsync to the new disk\)\n$/)

      const explained = yield* Cli.inProcess(["explain", `${root}/moved`, "--assume-moved", "rsync to the new disk"])
      assert.match(explained.stdout, /: dead, pid-dead\n/)
      assert.match(explained.stdout, / moved +other-directory +rsync to the new disk +not-applicable\n/)

      const swept = Cli.report((yield* Cli.run(["sweep", root, "--json", ...options])).stdout)
      assert.deepStrictEqual(Cli.actions(swept), { moved: "removed: dead, pid-dead" })
      assert.deepInclude(swept.summary, { lock: "inherited", shared: "trust", assumeMoved: "rsync to the new disk" })
      assert.deepStrictEqual(swept.outcomes[0]?.evidence["moved"], {
        recorded: "other-directory",
        observed: "rsync to the new disk",
        result: "not-applicable"
      })
    })
  )

  it.live("keep a directory with an owner inside, and say where", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      const outer = Roots.directory(root, "outer")
      FS.mkdirSync(`${outer}/disks`, { mode: 0o700 })
      const inner = Roots.directory(`${outer}/disks`, "inner")
      yield* Roots.dead(outer)
      yield* Roots.alive(inner)
      const json = yield* Cli.inProcess(["sweep", root, "--json", "--strict"])
      const { outcomes, summary } = Cli.report(json.stdout)
      assert.deepInclude(outcomes[0], { verdict: "dead", reason: "owner-inside", action: "kept" })
      assert.notProperty(outcomes[0], "error")
      assert.deepStrictEqual(outcomes[0]?.evidence["below"], {
        recorded: "disks/inner",
        observed: "alive, matches",
        result: "not-applicable"
      })
      assert.deepInclude(summary, { removed: 0, kept: 1, unknown: 0, failed: 0 })
      assert.strictEqual(json.code, 0)
      const [table, explained] = yield* Effect.all([Cli.inProcess(["list", root]), Cli.inProcess(["explain", outer])])
      assert.include(table.stdout, `\n  ${outer}: an owner inside, disks/inner: alive, matches\n`)
      assert.match(
        explained.stdout,
        /: dead, owner-inside\n[^]*The directory itself:[^]* → +below +disks\/inner +alive, matches/
      )
      assert.strictEqual(FS.readFileSync(`${inner}/console.log`, "utf8"), "inner\n")
    })
  )

  it.live("show a person a table, and escape names", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      const names = ["a\nb", "c\u001b[31md", "größe-漢字", "back\\slash"]
      for (const name of names) Roots.directory(root, name)
      const actor = yield* Roots.alive(Roots.directory(root, "vm"))
      const [table, json] = yield* Effect.all([Cli.run(["list", root]), Cli.inProcess(["list", root, "--json"])], {
        concurrency: 2
      })
      assert.strictEqual(
        table.stdout
          .replaceAll(` ${actor.pid} `, " <PID> ")
          .replaceAll(/ \d+s /g, " <AGE> ")
          .replaceAll(/ +/g, " "),
        [
          "NAME VERDICT REASON PID AGE ACTION",
          "a\\nb - no-sentinel kept",
          "back\\\\slash - no-sentinel kept",
          "c\\e[31md - no-sentinel kept",
          "größe-漢字 - no-sentinel kept",
          "vm alive matches <PID> <AGE> kept",
          "",
          "5 scanned: 0 would be removed, 5 kept",
          ""
        ].join("\n")
      )
      assert.notInclude(json.stdout, "\u001b")
      const { outcomes } = Cli.report(json.stdout)
      assert.deepStrictEqual(outcomes.map(({ name }) => name).sort(), [...names, "vm"].sort())
    })
  )

  it.live("colour a terminal's table, and neither a pipe's nor a NO_COLOR one's", ({ skip }) =>
    Effect.gen(function* () {
      const terminal = `script -qec '"$NODE" "$BIN" list "$ROOT"' /dev/null`
      const root = yield* Roots.scratch
      Roots.directory(root, "vm")
      const env = { NODE: process.execPath, BIN: Cli.bin, ROOT: root, TERM: "xterm" }
      const hasScript = yield* Cli.execute("sh", ["-c", "script --version"])
      if (!hasScript.stdout.includes("util-linux")) skip("needs util-linux's script(1)")
      const [colored, plain, piped] = yield* Effect.all(
        [
          Cli.execute("sh", ["-c", terminal], { env }),
          Cli.execute("sh", ["-c", terminal], { env: { ...env, NO_COLOR: "1" } }),
          Cli.execute("sh", ["-c", `"$NODE" "$BIN" list "$ROOT"`], { env })
        ],
        { concurrency: 2 }
      )
      assert.include(colored.stdout, "\u001b[1mNAME\u001b[0m")
      assert.notInclude(plain.stdout, "\u001b[")
      assert.notInclude(piped.stdout, "\u001b[")
    })
  )

  it.live("resolve a relative root against the caller's directory", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      FS.mkdirSync(`${root}/vms`, { mode: 0o700 })
      Roots.directory(`${root}/vms`, "a")
      const { code, stdout } = yield* Cli.run(["list", "vms", "--json"], { cwd: root })
      const { outcomes, summary } = Cli.report(stdout)
      assert.deepStrictEqual([code, summary.root, outcomes[0]?.path], [0, `${root}/vms`, `${root}/vms/a`])
    })
  )

  it.live("name a PID only where the kernel was asked about it: a lock has none", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      yield* Roots.alive(Roots.directory(root, "alive"))
      const held = Roots.directory(root, "held")
      const child = yield* Cli.start(["run", held, "--", "sh", "-c", "echo ready; exec sleep 1000"])
      yield* Effect.callback<void>((resume) => {
        child.stdout.once("data", () => resume(Effect.void))
      })
      const list = yield* Cli.inProcess(["list", root, "--json"])
      const { outcomes } = Cli.report(list.stdout)
      const byName = Object.fromEntries(outcomes.map((outcome) => [outcome.name, outcome]))
      assert.deepInclude(byName["held"], { verdict: "alive", reason: "lock-held" })
      assert.notProperty(byName["held"], "pid")
      assert.property(byName["alive"], "pid")
      yield* Effect.sync(() => child.kill("SIGTERM"))
    })
  )

  it.live("log each removal with its reason on request, on stderr", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      yield* Roots.dead(Roots.directory(root, "vm"))
      const { code, stderr, stdout } = yield* Cli.run(["sweep", root, "--json", "--log-level", "info"])
      assert.strictEqual(code, 0)
      assert.match(stderr, /^timestamp=\S+ level=INFO .*path=\S+\/vm .*reason=pid-dead .*\n$/)
      assert.strictEqual(Cli.report(stdout).summary.removed, 1)
    })
  )

  it.live("escape in a log what a terminal would act on", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      yield* Roots.dead(Roots.directory(root, "vm\u009b31m\u202e\u007f"))
      const { stderr } = yield* Cli.run(["sweep", root, "--json", "--log-level", "info"])
      assert.include(stderr, String.raw`/vm\x9b31m\u{202e}\x7f`)
      assert.notMatch(stderr, /[\u007f-\u009f\u202e]/)
    })
  )
})

describe.concurrent("roots", { timeout }, () => {
  it.live("that are missing end with 1, or with --if-exists with an empty summary", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      const missing = `${root}/none`
      const [plain, tolerant] = yield* Effect.all(
        [Cli.run(["sweep", missing, "--json"]), Cli.inProcess(["sweep", missing, "--json", "--if-exists", "--strict"])],
        { concurrency: 2 }
      )
      assert.strictEqual(plain.code, 1)
      assert.match(plain.stdout, /^\{"_tag":"Failure","error":\{"_tag":"NotFound",.*\}\}\n$/)
      assert.match(plain.stderr, /^vm-sentinel: \S+\/none: not found .*\n$/)
      assert.deepStrictEqual([tolerant.code, tolerant.stderr], [0, ""])
      assert.include(Cli.report(tolerant.stdout).summary, { root: missing, scanned: 0, removed: 0 })
    })
  )

  it.live("that must not be swept are refused: /, home, a link, a file, an empty path", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      const home = `${root}/home`
      FS.mkdirSync(home, { mode: 0o700 })
      Roots.file(`${Roots.directory(home, "vm")}/.vm-sentinel`, "2147483647")
      FS.symlinkSync("home", `${root}/link`)
      const before = Roots.snapshot(root)
      const others = ["/", `${root}/link`, `${home}/vm/.vm-sentinel`, ""]
      const results = [
        yield* Cli.run(["sweep", home], { env: { HOME: home } }),
        ...(yield* Effect.forEach(others, (path) => Cli.inProcess(["sweep", path, "--dry-run"])))
      ]
      for (const { code, stderr, stdout } of results) {
        assert.deepStrictEqual([code, stdout], [1, ""])
        assert.match(stderr, /^vm-sentinel: .*refused as a root.*\n$/)
      }
      assert.deepStrictEqual(Roots.snapshot(root), before)
    })
  )
})

describe.concurrent("failures", { timeout }, () => {
  const decode = Schema.decodeUnknownSync(Failure, { onExcessProperty: "error" })

  it.live("are a line with their tag where JSON is asked for, whatever fails", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      const vm = Roots.directory(root, "vm")
      Roots.file(`${vm}/.vm-sentinel`, "hello")
      const cases: ReadonlyArray<readonly [args: ReadonlyArray<string>, tag: string, code: number]> = [
        [["sweep", `${root}/none`, "--json"], "NotFound", 1],
        [["list", "--json", "/"], "RefusedRoot", 1],
        [["explain", `${root}/none`, "--json"], "NotFound", 1],
        [["reclaim", `${root}/none`, "--json=true"], "NotFound", 1],
        [["reclaim", vm, "--json"], "MalformedSentinel", 4],
        [["sweep", root, "--json", "--nope"], "Usage", 2],
        [["--json"], "Usage", 2],
        [["write", vm, "--json"], "Usage", 2]
      ]
      for (const [args, tag, code] of cases) {
        const result = yield* Cli.inProcess(args)
        assert.deepStrictEqual([result.code, decode(JSON.parse(result.stdout)).error._tag], [code, tag], args.join(" "))
        assert.notStrictEqual(result.stderr, "")
      }
      const plain = yield* Cli.inProcess(["run", vm, "--", "--json"])
      assert.strictEqual(plain.stdout, "")
    })
  )

  it.live("are a line also where a word such as no, which names a root, follows --json", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      for (const args of [
        ["list", "--json", "no", `${root}/none`],
        ["explain", "--json", "0"]
      ]) {
        const { code, stdout } = yield* Cli.run(args, { cwd: root })
        const tags = stdout
          .trimEnd()
          .split("\n")
          .map((line) => decode(JSON.parse(line)).error._tag)
        assert.deepStrictEqual([code, new Set(tags)], [1, new Set(["NotFound"])])
        assert.lengthOf(tags, args.length - 2)
      }
    })
  )
})

describe.concurrent("usage", { timeout }, () => {
  it.live("errors end with 2 and help on stderr", () =>
    Effect.gen(function* () {
      const wrong = [
        [],
        ["lst", "."],
        ["sweep"],
        ["sweep", ".", "--nope"],
        ["sweep", ".", "--legacy", "maybe"],
        ["sweep", ".", "--max-removals", "-1"],
        ["list", ".", "--skip", "a/b"],
        ["write", "."],
        ["write", ".", "--pid", "0"],
        ["write", ".", "--pid", "1", "--role", "not a role"],
        ["reclaim", ".", "--assume-dead", " "],
        ["reclaim", "", "--yes"],
        ["explain", ""],
        ["write", "", "--pid", "1"],
        ["run", "", "--", "true"],
        ["run", "vm", "--", ""],
        ["run", "vm", "--", "", "true"],
        ...["sweep", "list", "explain", "reclaim"].flatMap((name) => [
          [name, ".", "--lock", "held"],
          [name, ".", "--shared", "yes"],
          [name, ".", "--assume-moved", ""],
          [name, ".", "--assume-moved", " \t"]
        ])
      ]
      const [first = [], ...rest] = wrong
      const results = [yield* Cli.run(first), ...(yield* Effect.forEach(rest, (args) => Cli.inProcess(args)))]
      for (const [index, { code, stderr, stdout }] of results.entries()) {
        assert.deepStrictEqual([code, stdout], [2, ""], `${wrong[index]?.join(" ")}: ${stderr}`)
        assert.include(stderr, "USAGE")
        assert.notMatch(stderr, /^\s+at /m)
      }
    })
  )

  it.live("of run without -- say what is missing", () =>
    Effect.gen(function* () {
      for (const [args, says] of [
        [["run", "vm", "ls", "-x"], true],
        [["run", "vm"], true],
        [["run", "vm", "--"], false],
        [["run", "--nope", "vm", "--", "ls", "-x"], false]
      ] as const) {
        const { code, stderr } = yield* Cli.inProcess(args)
        assert.strictEqual(code, 2, args.join(" "))
        assert.strictEqual(stderr.includes("stand after --"), says, args.join(" "))
      }
      const { stdout } = yield* Cli.inProcess(["run", "--help"])
      assert.include(stdout.replaceAll(/\s+/g, " "), "DIR is forfeit once CMD has ended")
    })
  )

  it.live("asked for is data", () =>
    Effect.gen(function* () {
      const [help, sweep, about] = yield* Effect.all(
        [Cli.run(["--help"]), Cli.inProcess(["sweep", "--help"]), Cli.inProcess(["--version"])],
        { concurrency: 2 }
      )
      assert.deepStrictEqual([help.code, help.stderr, sweep.code, about.code], [0, "", 0, 0])
      for (const name of ["sweep", "list", "explain", "write", "reclaim", "demo"])
        assert.include(help.stdout, `  ${name} `)
      for (const flag of [
        "--dry-run",
        "--json",
        "--skip",
        "--sentinel-name",
        "--legacy",
        "--lock",
        "--shared",
        "--assume-moved",
        "--if-exists",
        "--yes",
        "--quiet",
        "--max-removals",
        "--strict",
        "--sizes"
      ]) {
        assert.include(sweep.stdout, flag)
      }
      const manifest: unknown = JSON.parse(FS.readFileSync(Path.join(import.meta.dirname, "../package.json"), "utf8"))
      assert.include(about.stdout, version)
      assert.propertyVal(manifest, "version", version)
    })
  )
})

describe("Node", () => {
  it.live("which is too old is named, and nothing runs", () =>
    Effect.gen(function* () {
      const manifest: unknown = JSON.parse(FS.readFileSync(Path.join(import.meta.dirname, "../package.json"), "utf8"))
      assert.deepNestedPropertyVal(manifest, "engines.node", ">=22.19")
      const on = (node: string) => {
        const versions = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${node}" } })`
        return Cli.run(["list", "/missing", "--if-exists"], {
          env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(versions)}` }
        })
      }
      const [old, minor, enough] = yield* Effect.all([on("20.20.2"), on("22.18.0"), on("22.19.0")])
      const problem = "vm-sentinel needs Node 22.19 or later. This is Node"
      assert.deepStrictEqual([old.code, old.stderr, old.stdout], [1, `${problem} 20.20.2.\n`, ""])
      assert.deepStrictEqual([minor.code, minor.stderr], [1, `${problem} 22.18.0.\n`])
      assert.strictEqual(enough.code, 0)
    })
  )
})
