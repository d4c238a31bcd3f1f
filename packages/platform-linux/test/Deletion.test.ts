/** Which entries a sweep removes, leaves and never touches, on the real disk. */
import { assert, describe } from "@effect/vitest"
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import { orUndefined, whyNot } from "@vm-sentinel/core/test/support/able"
import { world } from "@vm-sentinel/core/test/support/NodeWorld"
import * as Agents from "./support/sweepers.ts"
import { live, liveUnless } from "./support/live.ts"
import * as Graves from "./support/markedDirectories.ts"
import { byName } from "./support/outcomes.ts"
import * as Owners from "./support/owners.ts"
import * as Places from "./support/sweepersElsewhere.ts"
import * as Tree from "./support/tree.ts"

/** A dead directory with some files. */
const dead = Effect.fnUntraced(function* (path: string, { dead }: Owners.Owners) {
  yield* world.file(`${path}/.vm-sentinel`, Owners.inscribe(dead))
  yield* world.file(`${path}/console.log`, "log")
  yield* world.file(`${path}/data/disk.img`, "disk")
})

const sweep = (root: string, options?: Cleanup.SweepOptions) =>
  Effect.map(Cleanup.sweep(root, options), ({ outcomes }) => byName(outcomes))

describe("what isn't ours", () => {
  live("scenario 32: a directory of our name's shape, without a sentinel, is reported and left alone", () =>
    Effect.gen(function* () {
      const root = yield* world.scratch
      const owners = yield* Owners.make
      yield* dead(`${root}/vm-1`, owners)
      yield* world.file(`${root}/vm-2/data/disk.img`, "not ours")
      yield* world.directory(`${root}/vm-3`)
      for (const name of [".vm-sentinel-reap", ".vm-sentinel-reaper.1", ".vm-sentinel", "x.vm-sentinel-reap.1"]) {
        yield* world.file(`${root}/${name}/dead/data`, "not ours")
      }
      yield* world.file(`${root}/.vm-sentinel-reap.file`, "a file")
      yield* world.symlink(`${root}/.vm-sentinel-reap.link`, `${root}/vm-2`)
      const { "/vm-1": _, ...before } = Tree.of(root)
      const outcomes = yield* sweep(root)
      assert.deepStrictEqual(outcomes, {
        "vm-1": "removed pid-dead",
        "vm-2": "kept no-sentinel",
        "vm-3": "kept no-sentinel",
        ".vm-sentinel": "kept no-sentinel",
        ".vm-sentinel-reap": "kept no-sentinel",
        ".vm-sentinel-reaper.1": "kept no-sentinel",
        "x.vm-sentinel-reap.1": "kept no-sentinel"
      })
      const changed = Object.keys(Tree.of(root)).filter((path) => before[path] !== Tree.of(root)[path])
      assert.deepStrictEqual(changed, [""], "nothing but the root has changed")
    })
  )

  live("scenario 33: a sentinel that says nothing keeps the directory, and is reported", () =>
    Effect.gen(function* () {
      const root = yield* world.scratch
      const contents = { empty: "", nul: "\0".repeat(64), half: '17\n/usr/bin/node\n{"v":3,"non' }
      for (const [name, content] of Object.entries(contents)) yield* world.file(`${root}/${name}/.vm-sentinel`, content)
      const before = Tree.of(root)
      assert.deepStrictEqual(yield* sweep(root), {
        empty: "kept malformed-sentinel",
        nul: "kept malformed-sentinel",
        half: "kept malformed-sentinel"
      })
      assert.deepStrictEqual(Tree.differences(before, Tree.of(root)), [])
    })
  )

  live("scenario 34: a sentinel that is huge, or no file, keeps the directory, unread, and holds nobody up", () =>
    Effect.gen(function* () {
      const root = yield* world.scratch
      const at = (name: string) => `${root}/${name}/.vm-sentinel`
      for (const name of ["huge", "fifo", "socket", "device", "directory", "symlink"]) {
        yield* world.directory(`${root}/${name}`)
      }
      yield* world.sparse(at("huge"), 5 * 1024 ** 3)
      yield* world.fifo(at("fifo"))
      yield* world.socket(at("socket"))
      yield* (orUndefined(world.device) ?? world.fifo)(at("device"))
      yield* world.directory(at("directory"))
      yield* world.symlink(at("symlink"), "/etc/hostname")
      const before = Tree.of(root)
      assert.deepStrictEqual(yield* sweep(root), {
        huge: "kept oversized-sentinel",
        fifo: "kept untrusted-sentinel",
        socket: "kept untrusted-sentinel",
        device: "kept untrusted-sentinel",
        directory: "kept untrusted-sentinel",
        symlink: "kept untrusted-sentinel"
      })
      assert.deepStrictEqual(Tree.differences(before, Tree.of(root)), [])
    })
  )

  liveUnless(
    whyNot(world.setOwner),
    "scenario 35: a sentinel that somebody else could have written is not believed",
    () =>
      Effect.gen(function* () {
        const root = yield* world.scratch
        const owners = yield* Owners.make
        const names = ["theirs", "world", "group", "linked", "in theirs", "in world", "in group"]
        for (const name of names) yield* dead(`${root}/${name}`, owners)
        const own = (path: string) => orUndefined(world.setOwner)?.(path, Places.nobody) ?? Effect.void
        yield* own(`${root}/theirs/.vm-sentinel`)
        yield* world.setMode(`${root}/world/.vm-sentinel`, 0o606)
        yield* world.setMode(`${root}/group/.vm-sentinel`, 0o660)
        yield* world.hardLink(`${root}/linked/other`, `${root}/linked/.vm-sentinel`)
        yield* own(`${root}/in theirs`)
        yield* world.setMode(`${root}/in world`, 0o707)
        yield* world.setMode(`${root}/in group`, 0o770)
        const before = Tree.of(root)
        const outcomes = yield* sweep(root)
        assert.deepStrictEqual(outcomes, Object.fromEntries(names.map((name) => [name, "kept untrusted-sentinel"])))
        assert.deepStrictEqual(Tree.differences(before, Tree.of(root)), [])
      })
  )

  live("scenario 49: a root that is none is refused before anything is looked at", () =>
    Effect.gen(function* () {
      const scratch = yield* world.scratch
      const owners = yield* Owners.make
      yield* dead(`${scratch}/root/vm`, owners)
      yield* world.symlink(`${scratch}/link`, `${scratch}/root`)
      yield* world.file(`${scratch}/file`, "")
      yield* world.directory(`${scratch}/open`, 0o777)
      const before = Tree.of(scratch)
      const roots = ["", "/", "//", "/./", ".//..//../../../../../../../../..", process.env["HOME"] ?? "/"]
      for (const root of [...roots, `${scratch}/link`, `${scratch}/link/`, `${scratch}/file`, `${scratch}/open`]) {
        assert.strictEqual((yield* Effect.flip(Cleanup.sweep(root)))._tag, "RefusedRoot", root)
      }
      const setOwner = orUndefined(world.setOwner)
      if (setOwner !== undefined) {
        yield* world.directory(`${scratch}/theirs`)
        yield* setOwner(`${scratch}/theirs`, Places.nobody)
        assert.strictEqual((yield* Effect.flip(Cleanup.sweep(`${scratch}/theirs`)))._tag, "RefusedRoot")
        yield* world.remove(`${scratch}/theirs`)
      }
      assert.strictEqual((yield* Effect.flip(Cleanup.sweep(`${scratch}/missing`)))._tag, "NotFound")
      const after = Tree.of(scratch)
      assert.deepStrictEqual(
        Tree.differences(before, after).filter((difference) => !difference.startsWith("it:")),
        []
      )
    })
  )
})

describe("names are bytes", () => {
  live("directories of any name are judged, told apart, and removed", () =>
    Effect.gen(function* () {
      const root = yield* world.scratch
      const { dead, live } = yield* Owners.make
      const bytes = (name: string) => Buffer.from(name, "latin1")
      const odd = ["\xff", "\xc3", "a\xffb", "\xed\xb3\xbf", "\xf0\x9f", "\xef\xbf\xbd", "\xc3\xa9"]
      const plain = ["new\nline", " ", "-rf", "*", "'\"\\", "\t", "\x7f\x1b[31m", "...", "x".repeat(255)]
      const long = "\xff".repeat(255)
      const make = (name: string, sentinel: string) => {
        const path = Buffer.concat([Buffer.from(`${root}/`), bytes(name)])
        Fs.mkdirSync(path, { mode: 0o700 })
        const inside = (entry: string) => Buffer.concat([path, Buffer.from("/"), bytes(entry)])
        Fs.writeFileSync(inside(".vm-sentinel"), sentinel, { mode: 0o600 })
        Fs.mkdirSync(inside("\xfe\n"))
        Fs.writeFileSync(inside("\xfe\n/\xfd"), "content")
      }
      for (const name of [...odd, ...plain, long]) make(name, Owners.inscribe(dead))
      make("\xfe", Owners.inscribe(live))
      const { outcomes } = yield* Cleanup.sweep(root)
      assert.deepStrictEqual(Tree.entries(root), ["\xfe"])
      const named = outcomes.map(({ action, name, nameBytes }) => {
        const exact = nameBytes === undefined ? Buffer.from(name) : Buffer.from(nameBytes, "base64")
        return `${action} ${exact.toString("latin1")}`
      })
      const expected = [...odd, ...plain, long].map((name) => `removed ${name}`)
      assert.sameMembers(named, [...expected, "kept \xfe"])
    })
  )

  liveUnless(Places.noMounts, "a mount in a directory of any name is seen", () =>
    Effect.gen(function* () {
      const root = yield* world.scratch
      const { dead } = yield* Owners.make
      const agent = yield* Agents.start(Agents.ownMounts)
      const names = ["\xff", "a b", "tab\tnew\nline", "back\\slash", "\\040"]
      for (const name of names) {
        const path = Buffer.from(`${root}/${name}`, "latin1")
        Fs.mkdirSync(Buffer.concat([path, Buffer.from("/mnt")]), { recursive: true, mode: 0o700 })
        Fs.chmodSync(path, 0o700)
        Fs.writeFileSync(Buffer.concat([path, Buffer.from("/.vm-sentinel")]), Owners.inscribe(dead), { mode: 0o600 })
      }
      yield* Agents.run(
        agent,
        "sh",
        "-c",
        `for d in "$0"/*/mnt; do mount -t tmpfs tmpfs "$d" && echo x >"$d/x"; done`,
        root
      )
      const { outcomes } = yield* Agents.sweep(agent, root)
      assert.deepStrictEqual(
        outcomes.map(({ action, reason }) => `${action} ${reason}`),
        names.map(() => "kept mount-inside")
      )
      assert.deepStrictEqual(Tree.entries(root), [...names].sort())
    })
  )
})

describe("what lies in the way", () => {
  live("scenario 47: a symbolic link goes, and what it points to stays", () =>
    Effect.gen(function* () {
      const scratch = yield* world.scratch
      const root = `${scratch}/root`
      yield* dead(`${root}/vm`, yield* Owners.make)
      yield* world.file(`${scratch}/outside/precious`, "precious")
      yield* world.directory(`${scratch}/outside/empty`)
      const links = {
        out: `${scratch}/outside`,
        up: "../..",
        "to file": `${scratch}/outside/precious`,
        slash: "/",
        none: "x"
      }
      for (const [name, target] of Object.entries(links)) {
        yield* world.symlink(`${root}/vm/${name}`, target)
        yield* world.symlink(`${root}/vm/data/${name}`, target)
      }
      yield* world.hardLink(`${root}/vm/data/hard`, `${scratch}/outside/precious`)
      const before = Tree.of(`${scratch}/outside`)
      assert.deepStrictEqual(yield* sweep(root), { vm: "removed pid-dead" })
      assert.deepStrictEqual(Tree.entries(root), [])
      assert.deepStrictEqual(Tree.differences(before, Tree.of(`${scratch}/outside`)), [])
    })
  )

  for (const [kind, options, reason] of [
    ["a bind mount of the same file system", ["--bind"], Places.noMounts],
    ["a recursive bind mount", ["--rbind"], Places.noMounts],
    ["a bind mount of a file", ["--bind"], Places.noMounts],
    ["a tmpfs", ["-t", "tmpfs"], Places.noMounts],
    ["an overlay", ["-t", "overlay"], Places.noOverlay]
  ] as const) {
    liveUnless(reason, `scenario 46: ${kind} inside: the directory is left untouched, what is mounted is intact`, () =>
      Effect.gen(function* () {
        const scratch = yield* world.scratch
        const [root, vm, source] = [`${scratch}/root`, `${scratch}/root/vm`, `${scratch}/source`]
        const owners = yield* Owners.make
        yield* dead(vm, owners)
        yield* dead(`${root}/other`, owners)
        for (const name of ["source", "upper", "merged"]) yield* world.file(`${scratch}/${name}/precious`, "precious")
        yield* world.remove(`${scratch}/merged/precious`)
        yield* world.directory(`${vm}/data/mnt`)
        const agent = yield* Agents.start(Agents.ownMounts)
        const isFile = kind.endsWith("file")
        const point = isFile ? `${vm}/data/disk.img` : `${vm}/data/mnt`
        const layers = `lowerdir=${source},upperdir=${scratch}/upper,workdir=${scratch}/merged`
        const extra = kind === "an overlay" ? ["-o", layers] : []
        yield* Agents.run(agent, "mount", ...options, ...extra, isFile ? `${source}/precious` : source, point)
        const [before, sourceBefore] = [Tree.of(vm), Tree.of(source)]
        const { outcomes } = yield* Agents.sweep(agent, root)
        assert.deepStrictEqual(byName(outcomes), { vm: "kept mount-inside", other: "removed pid-dead" })
        assert.deepStrictEqual(Tree.differences(before, Tree.of(vm)), [])
        assert.deepStrictEqual(Tree.differences(sourceBefore, Tree.of(source)), [])
        yield* Agents.run(agent, "umount", point)
        const again = yield* Agents.sweep(agent, root)
        assert.deepStrictEqual(byName(again.outcomes), { vm: "removed pid-dead" })
        assert.deepStrictEqual(Tree.differences(sourceBefore, Tree.of(source)), [])
      })
    )
  }

  liveUnless(Places.noMounts, "scenario 46: a mount on the directory itself, or on its root, is no different", () =>
    Effect.gen(function* () {
      const scratch = yield* world.scratch
      const owners = yield* Owners.make
      for (const name of ["root/vm", "source/vm"]) yield* dead(`${scratch}/${name}`, owners)
      const agent = yield* Agents.start(Agents.ownMounts)
      yield* Agents.run(agent, "mount", "--bind", `${scratch}/source/vm`, `${scratch}/root/vm`)
      const before = Tree.of(`${scratch}/source`)
      const { outcomes } = yield* Agents.sweep(agent, `${scratch}/root`)
      assert.deepStrictEqual(byName(outcomes), { vm: "kept mount-inside" })
      assert.deepStrictEqual(Tree.differences(before, Tree.of(`${scratch}/source`)), [])
      // A root may be a mount point. The sweep then works on the mounted directory.
      yield* Agents.run(agent, "umount", `${scratch}/root/vm`)
      yield* Agents.run(agent, "mount", "--bind", `${scratch}/source`, `${scratch}/root`)
      const mounted = yield* Agents.sweep(agent, `${scratch}/root`)
      assert.deepStrictEqual(byName(mounted.outcomes), { vm: "removed pid-dead" })
      assert.deepStrictEqual(Tree.entries(`${scratch}/source`), [])
      assert.deepStrictEqual(Tree.entries(`${scratch}/root`), ["vm"])
    })
  )

  liveUnless(whyNot(world.bindMount), "scenario 46: a mount in what was just put back counts at its new path", () =>
    Effect.gen(function* () {
      const scratch = yield* world.scratch
      const owners = yield* Owners.make
      const claimed = `${scratch}/root/.vm-sentinel-reap.${"0123456789abcdef".repeat(2)}/claimed/vm`
      yield* dead(claimed, owners)
      yield* world.file(`${scratch}/source/precious`, "precious")
      yield* world.directory(`${claimed}/data/mnt`)
      const mount = orUndefined(world.bindMount)?.(`${scratch}/source`, `${claimed}/data/mnt`) ?? Effect.void
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* mount
          assert.deepStrictEqual(yield* sweep(`${scratch}/root`), { vm: "kept mount-inside" })
          const before = Tree.of(`${scratch}/root/vm`)
          assert.deepStrictEqual(yield* sweep(`${scratch}/root`), { vm: "kept mount-inside" })
          assert.deepStrictEqual(Tree.differences(before, Tree.of(`${scratch}/root/vm`)), [])
        })
      )
      assert.deepStrictEqual(Tree.entries(`${scratch}/source`), ["precious"])
    })
  )
})

describe("what can't be removed", () => {
  liveUnless(
    whyNot(world.stubborn),
    "scenario 50: an immutable file: failed, kept where it was moved, the others go on, and a later sweep finishes",
    () =>
      Effect.gen(function* () {
        const root = yield* world.scratch
        const owners = yield* Owners.make
        for (const name of ["a", "m", "z"]) yield* dead(`${root}/${name}`, owners)
        yield* world.file(`${root}/m/data/sub/file`, "x")
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* orUndefined(world.stubborn)?.(`${root}/m/data/sub/stubborn`) ?? Effect.void
            const { outcomes, summary } = yield* Cleanup.sweep(root)
            assert.deepStrictEqual(byName(outcomes), {
              a: "removed pid-dead",
              m: "failed pid-dead",
              z: "removed pid-dead"
            })
            assert.deepInclude(summary, { removed: 2, failed: 1 })
            const failed = outcomes.find(({ action }) => action === "failed")
            assert.strictEqual(failed?.error?._tag, "PermissionDenied")
            assert.match(failed?.error?.message ?? "", /m\/data\/sub\/stubborn\/kept: permission denied/)
            // Only the sentinel and the path to the entry that can't be removed are left.
            const [workspace = "", ...others] = Tree.entries(root)
            assert.deepStrictEqual(others, [])
            const grave = Graves.of(`${root}/${workspace}`, "m")
            assert.strictEqual(grave.tags, 1)
            assert.deepStrictEqual(Tree.entries(`${root}/${workspace}/dead`), [grave.path.slice("dead/".length)])
            assert.deepStrictEqual(Object.keys(Tree.of(`${root}/${workspace}/${grave.path}`)).sort(), [
              "",
              "/.vm-sentinel",
              "/data",
              "/data/sub",
              "/data/sub/stubborn",
              "/data/sub/stubborn/kept"
            ])
            assert.deepStrictEqual(yield* sweep(root), { m: "failed resumed" })
          })
        )
        assert.deepStrictEqual(yield* sweep(root), { m: "removed resumed" })
        assert.deepStrictEqual(Tree.entries(root), [])
      })
  )

  liveUnless(
    Places.noNobody,
    "scenario 50: another user's subdirectory that may not be read may hold an owner: nothing is touched",
    () =>
      Effect.gen(function* () {
        const root = yield* world.scratch
        const owners = yield* Owners.make
        for (const name of ["a", "m", "z"]) yield* dead(`${root}/${name}`, owners)
        yield* world.file(`${root}/m/data/closed/file`, "x")
        execFileSync("chown", ["-R", `${Places.nobody}:${Places.nobody}`, root])
        Fs.chownSync(`${root}/m/data/closed`, 0, 0)
        const before = Tree.of(`${root}/m`)
        const agent = yield* Agents.start(Places.asNobody)
        const { outcomes } = yield* Agents.sweep(agent, root)
        assert.deepStrictEqual(byName(outcomes), {
          a: "removed pid-dead",
          m: "kept owner-inside",
          z: "removed pid-dead"
        })
        const kept = outcomes.find(({ name }) => name === "m")
        assert.deepInclude(kept?.evidence.below, { observed: "unknown, unreadable" })
        assert.deepStrictEqual(Tree.entries(root), ["m"])
        assert.deepStrictEqual(Tree.differences(before, Tree.of(`${root}/m`)), [])
        Fs.chownSync(`${root}/m/data/closed`, Places.nobody, Places.nobody)
        assert.deepStrictEqual(byName((yield* Agents.sweep(agent, root)).outcomes), { m: "removed pid-dead" })
        assert.deepStrictEqual(Tree.entries(root), [])
      })
  )

  liveUnless(Places.noNobody, "a root below directories that may be passed through, but not read", () =>
    Effect.gen(function* () {
      const scratch = yield* world.scratch
      yield* world.directory(`${scratch}/passage`, 0o711)
      const root = `${scratch}/passage/root`
      yield* dead(`${root}/vm`, yield* Owners.make)
      execFileSync("chown", ["-R", `${Places.nobody}:${Places.nobody}`, root])
      yield* world.setMode(scratch, 0o711)
      const agent = yield* Agents.start(Places.asNobody)
      assert.deepStrictEqual(byName((yield* Agents.sweep(agent, root)).outcomes), { vm: "removed pid-dead" })
      assert.deepStrictEqual(Tree.entries(root), [])
    })
  )

  for (const pool of [false, true]) {
    const how = pool ? "with threads of the pool" : "in the calling thread"
    liveUnless(Places.noNobody, `scenario 87: an ordinary user's own read-only directories are removed, ${how}`, () =>
      Effect.gen(function* () {
        const root = yield* world.scratch
        const owners = yield* Owners.make
        for (const name of ["ro", "top", "zero", "owned"]) {
          yield* dead(`${root}/${name}`, owners)
          yield* world.file(`${root}/${name}/rootfs/bin/ls`, "x", 0)
        }
        yield* world.file(`${root}/owned/rootfs/.vm-sentinel`, Owners.inscribe(owners.live))
        execFileSync("chown", ["-R", `${Places.nobody}:${Places.nobody}`, root])
        for (const path of ["ro/rootfs/bin", "ro/rootfs"]) Fs.chmodSync(`${root}/${path}`, 0o555)
        Fs.chmodSync(`${root}/top`, 0o500)
        for (const path of ["zero/rootfs", "owned/rootfs"]) Fs.chmodSync(`${root}/${path}`, 0)
        const agent = yield* Agents.start([...(pool ? Agents.withPool : []), ...Places.asNobody])
        // A dry run changes no mode, so it can't see what an unreadable directory holds.
        const before = Tree.of(root)
        const { outcomes: foretold } = yield* Agents.sweep(agent, root, { dryRun: true })
        assert.deepStrictEqual(byName(foretold), {
          ro: "would-remove pid-dead",
          top: "would-remove pid-dead",
          zero: "kept owner-inside",
          owned: "kept owner-inside"
        })
        assert.deepStrictEqual(Tree.differences(before, Tree.of(root)), [])
        const { outcomes } = yield* Agents.sweep(agent, root)
        assert.deepStrictEqual(byName(outcomes), {
          ro: "removed pid-dead",
          top: "removed pid-dead",
          zero: "removed pid-dead",
          owned: "kept owner-inside"
        })
        assert.deepStrictEqual(Tree.entries(root), ["owned"])
        assert.isTrue(Fs.existsSync(`${root}/owned/rootfs/bin/ls`))
      })
    )
  }
})
