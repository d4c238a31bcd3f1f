import { assert } from "@effect/vitest"
import { Effect, Result, Stream } from "effect"
import type { RootError } from "../../src/Errors.ts"
import { compareDirectories, fileToken } from "../../src/DirectoryFrame.ts"
import { Disk } from "../../src/Disk.ts"
import type { DirectoryState, SentinelFile } from "../../src/DirectoryState.ts"
import * as Ground from "../../src/Ground.ts"
import * as Layout from "../../src/Layout.ts"
import type { Entry } from "../../src/Root.ts"
import { SentinelStore } from "../../src/SentinelStore.ts"
import { fresh, textOf } from "./condemning.ts"
import { v2 } from "./fixtures.ts"
import { Interposer } from "./Interposed.ts"
import type { Tester } from "./storeTester.ts"
import { look, read } from "./looking.ts"
import { refusal } from "./reaping.ts"

const tag = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), ({ _tag }) => _tag)

/** Format of a sentinel, or the tag of the error of its file. */
const verdictOf = ({ content }: SentinelFile): string =>
  Result.isSuccess(content) ? content.success._tag : content.failure._tag

const verdicts = (state: DirectoryState) => state.sentinels.map((file) => [file.entry, verdictOf(file)])

export const tests = <R>({ able, test, world }: Tester<R>): void => {
  test("opens a real directory as a root, by an absolute, a relative or an untidy path", () =>
    Effect.gen(function* () {
      const [disk, store] = [yield* Disk, yield* SentinelStore]
      const directory = yield* world.scratch
      const root = yield* store.openRoot(directory)
      assert.strictEqual(root.path, directory)
      assert.deepStrictEqual(root.id, (yield* disk.lstat(directory)).id)
      const here = yield* disk.resolve(".")
      const relative = `${here.replace(/[^/]+/g, "..").slice(1)}${directory}`.replace(/^\//, "./")
      assert.deepStrictEqual(yield* store.openRoot(relative), root)
      yield* world.directory(`${directory}/x`)
      assert.deepStrictEqual(yield* store.openRoot(`${directory}/x/.././/`), root)
    }))

  test("tells what a root is made of, and changes nothing", () =>
    Effect.gen(function* () {
      const [disk, store] = [yield* Disk, yield* SentinelStore]
      const directory = yield* world.scratch
      yield* world.file(`${directory}/vm/disk`, "x")
      const before = yield* world.tree(directory)
      const root = yield* store.openRoot(directory)
      const { frame, mounts, permissions, room } = yield* Ground.of(root)
      const { gid, mode, nlink, type, uid } = yield* disk.lstat(directory)
      assert.deepStrictEqual(permissions, { type, mode, uid, gid, nlink })
      assert.deepStrictEqual(frame, yield* disk.frame(directory))
      assert.strictEqual(room.refusal, undefined)
      assert.deepStrictEqual(mounts, [])
      assert.deepStrictEqual(yield* world.tree(directory), before)
      yield* world.remove(directory)
      assert.strictEqual(yield* tag(Ground.of(root)), "NotFound")
    }))

  able(world.mountsCopies !== true && world.bindMount, "tells the mounts below a root", (bindMount) =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      for (const name of ["source", "vms", "vms/vm"]) yield* world.directory(`${directory}/${name}`)
      yield* bindMount(`${directory}/source`, `${directory}/vms/vm`)
      const { mounts } = yield* Ground.of(yield* store.openRoot(`${directory}/vms`))
      assert.deepStrictEqual(mounts, [`${directory}/vms/vm`])
    })
  )

  test("opens a root below a symbolic link by its real path", () =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      yield* world.directory(`${directory}/real/vms`)
      yield* world.symlink(`${directory}/link`, `${directory}/real`)
      assert.strictEqual((yield* store.openRoot(`${directory}/link/vms`)).path, `${directory}/real/vms`)
      const { entry, root } = yield* store.openDirectory(`${directory}/link/vms/vm`)
      assert.strictEqual(root.path, `${directory}/real/vms`)
      assert.strictEqual(entry.path, `${directory}/real/vms/vm`)
    }))

  test("scenario 49: refuses the root of everything, homes and the empty path before any I/O", () =>
    Effect.gen(function* () {
      const [disk, interposer, store] = [yield* Disk, yield* Interposer, yield* SentinelStore]
      const { homes } = yield* disk.principal
      yield* interposer.calls
      const ruleOf = (path: string): string =>
        path === "" ? "empty-path" : homes.some((home) => path.startsWith(home)) ? "home" : "file-system-root"
      for (const path of ["", "/", "//", "/./", "/x/..", "/../..", ...homes, ...homes.map((home) => `${home}/./`)]) {
        assert.strictEqual(yield* refusal(store.openRoot(path)), `RefusedRoot: ${ruleOf(path)}`, path)
      }
      for (const path of ["", "/", "/vm", ...homes.map((home) => `${home}/vm`)]) {
        assert.strictEqual(yield* refusal(store.openDirectory(path)), `RefusedRoot: ${ruleOf(path)}`, path)
      }
      assert.deepStrictEqual(yield* interposer.calls, [])
    }))

  test("scenario 49: refuses what isn't a directory of our own", () =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      yield* world.directory(`${directory}/real`)
      yield* world.symlink(`${directory}/link`, `${directory}/real`)
      yield* world.file(`${directory}/file`, "")
      yield* world.fifo(`${directory}/fifo`)
      yield* world.directory(`${directory}/open`, 0o777)
      yield* world.directory(`${directory}/shared`, 0o1777)
      for (const [entry, rule] of [
        ["link", "symbolic-link"],
        ["link/", "symbolic-link"],
        ["file", "not-a-directory"],
        ["fifo", "not-a-directory"],
        ["open", "world-writable"],
        ["shared", "shared"]
      ] as const) {
        assert.strictEqual(yield* refusal(store.openRoot(`${directory}/${entry}`)), `RefusedRoot: ${rule}`, entry)
      }
      assert.strictEqual(yield* refusal(store.openRoot(`${directory}/missing`)), "NotFound: missing")
      assert.strictEqual(yield* refusal(store.openRoot(`${directory}/file/below`)), "NotFound: not-a-directory")
      assert.strictEqual(yield* refusal(store.openDirectory(`${directory}/open/vm`)), "RefusedRoot: world-writable")
      assert.strictEqual(yield* refusal(store.openDirectory(`${directory}/missing/vm`)), "NotFound: missing")
    }))

  able(world.setOwner, "refuses another user's directory as a root, and believes none of its sentinels", (setOwner) =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      yield* world.file(`${directory}/vm/.vm-sentinel`, "1")
      yield* world.directory(`${directory}/theirs`, 0o755)
      yield* setOwner(`${directory}/theirs`, 4321)
      yield* setOwner(`${directory}/vm/.vm-sentinel`, 4321)
      assert.strictEqual(yield* refusal(store.openRoot(`${directory}/theirs`)), "RefusedRoot: other-user")
      assert.deepStrictEqual(verdicts(yield* look(store, `${directory}/vm`)), [[".vm-sentinel", "UntrustedSentinel"]])
    })
  )

  able(world.permissions, "says so where a root or a directory can't be read", () =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      yield* world.file(`${directory}/vm/.vm-sentinel`, "1", 0)
      yield* world.directory(`${directory}/closed`, 0)
      const root = yield* store.openRoot(`${directory}/closed`)
      assert.strictEqual(yield* tag(store.list(root, Layout.standard)), "PermissionDenied")
      assert.strictEqual(yield* tag(look(store, `${directory}/closed`)), "PermissionDenied")
      assert.strictEqual(yield* tag(look(store, `${directory}/closed/vm`)), "PermissionDenied")
      assert.deepStrictEqual(verdicts(yield* look(store, `${directory}/vm`)), [[".vm-sentinel", "PermissionDenied"]])
      assert.strictEqual(yield* tag(read(store, `${directory}/vm`)), "PermissionDenied")
      yield* world.setMode(`${directory}/closed`, 0o700)
    })
  )

  test("a page is peeked at in order: the sentinel that a look sees first, or nothing", () =>
    Effect.gen(function* () {
      const [disk, store] = [yield* Disk, yield* SentinelStore]
      const directory = yield* world.scratch
      const root = yield* store.openRoot(directory)
      yield* world.file(`${directory}/vm/.vm-sentinel`, textOf(v2("/bin/vm")))
      yield* world.file(`${directory}/vm/.vm-sentinel.command`, "2")
      yield* world.file(`${directory}/broken/.vm-sentinel`, "夜?")
      yield* world.directory(`${directory}/empty`)
      yield* world.file(`${directory}/file`, "")
      yield* world.file(`${directory}/roles/.vm-sentinel.command`, "1")
      yield* world.file(`${directory}/open/.vm-sentinel`, "1", 0o666)
      yield* world.file(`${directory}/inside/.vm-sentinel`, "1")
      yield* world.setMode(`${directory}/inside`, 0o777)
      yield* world.file(`${directory}/large/.vm-sentinel`, "1".repeat(5000))
      yield* world.directory(`${directory}/directory/.vm-sentinel`)
      yield* world.directory(`${directory}/fifo`)
      yield* world.fifo(`${directory}/fifo/.vm-sentinel`)
      yield* world.symlink(`${directory}/link`, `${directory}/vm`)
      yield* world.directory(`${directory}/linked`)
      yield* world.symlink(`${directory}/linked/.vm-sentinel`, `${directory}/vm/.vm-sentinel`)
      const names = (yield* disk.entries(directory)).map(({ entry }) => entry)
      const entryOf = (entry: string): Entry => ({ kind: "directory", entry, path: `${directory}/${entry}` })
      const seen = yield* store.peekMany(root, [entryOf("missing"), ...names.map(entryOf)], Layout.standard)
      assert.strictEqual(seen.length, names.length + 1)
      assert.isUndefined(seen[0], "missing")
      for (const [index, name] of names.entries()) {
        const peek = seen[index + 1]
        if (name !== "vm" && name !== "broken") {
          assert.isUndefined(peek, name)
          continue
        }
        const [first] = (yield* look(store, `${directory}/${name}`)).sentinels
        const content = String.fromCharCode(...(first?.bytes ?? []))
        const { content: seenContent, modifiedAt } = peek ?? {}
        assert.deepStrictEqual([seenContent, modifiedAt], [content, first?.writtenAt], name)
      }
    }))

  test("lists the real directories of a root: what sweeps left first, then as they lie on the disk", () =>
    Effect.gen(function* () {
      const [disk, store] = [yield* Disk, yield* SentinelStore]
      const directory = yield* world.scratch
      const names = [
        "b",
        "a",
        ".hidden",
        ".vm-sentinel-reap.2",
        ".vm-sentinel-reap.1",
        ".vm-sentinel-reap.0.new",
        ".vm-sentinel-reap.00000000.claimed=a b",
        ".vm-sentinel-reap.00000000.dead=x"
      ]
      for (const name of names) yield* world.directory(`${directory}/${name}`)
      yield* world.file(`${directory}/file`, "")
      yield* world.symlink(`${directory}/link`, `${directory}/a`)
      yield* world.fifo(`${directory}/fifo`)
      const root = yield* store.openRoot(directory)
      const list = store.list(root, Layout.standard)
      const order = (yield* Stream.runCollect((yield* disk.list(directory)).visible)).map(({ entry }) => entry)
      const others = [".hidden", ...["a", "b"].toSorted((a, b) => order.indexOf(a) - order.indexOf(b))]
      const { directories, leftovers } = yield* list
      const of = (kind: Entry["kind"]) => (entry: string) => ({ kind, entry, path: `${directory}/${entry}` })
      assert.deepStrictEqual(leftovers, [
        of("staged")(".vm-sentinel-reap.0.new"),
        of("dead")(".vm-sentinel-reap.00000000.dead=x"),
        of("claimed")(".vm-sentinel-reap.00000000.claimed=a b"),
        of("workspace")(".vm-sentinel-reap.1"),
        of("workspace")(".vm-sentinel-reap.2")
      ])
      assert.deepStrictEqual(yield* Stream.runCollect(directories), others.map(of("directory")))
      assert.strictEqual((yield* store.openDirectory(`${directory}/.vm-sentinel-reap.1`)).entry.kind, "workspace")
      yield* world.remove(directory)
      const failed: RootError = yield* Effect.flip(list)
      assert.strictEqual(failed._tag, "NotFound")
      yield* world.directory(directory)
    }))

  test("reads every format and role, the base name first", () =>
    Effect.gen(function* () {
      const [disk, store] = [yield* Disk, yield* SentinelStore]
      const directory = yield* world.scratch
      const sentinel = fresh()
      yield* world.file(`${directory}/.vm-sentinel.zeta`, "17")
      yield* world.file(`${directory}/.vm-sentinel.helper`, `17\n/usr/bin/node`)
      yield* world.file(`${directory}/.vm-sentinel`, textOf(sentinel))
      yield* world.file(`${directory}/.vm-sentinel-tmp.1`, "17")
      yield* world.file(`${directory}/.vm-sentinels`, "17")
      yield* world.file(`${directory}/disk.img`, "17")
      yield* world.setTime(`${directory}/.vm-sentinel`, 1_700_000_000_000)
      const state = yield* look(store, directory)
      assert.deepStrictEqual(verdicts(state), [
        [".vm-sentinel", "V3"],
        [".vm-sentinel.helper", "V2"],
        [".vm-sentinel.zeta", "V1"]
      ])
      assert.deepStrictEqual(state.foreign, [])
      assert.strictEqual(state.path, directory)
      assert.deepStrictEqual(state.id, (yield* disk.lstat(directory)).id)
      const [file] = state.sentinels
      assert.strictEqual(file?.writtenAt, 1_700_000_000_000)
      assert.strictEqual(new TextDecoder().decode(file?.bytes), textOf(sentinel))
      assert.strictEqual(file?.size, textOf(sentinel).length)
      assert.deepStrictEqual(file?.id, (yield* disk.lstat(`${directory}/.vm-sentinel`)).id)
      assert.deepStrictEqual((yield* read(store, directory))[0], sentinel)
    }))

  test("reads the names it is told, and names the owners that it isn't", () =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      yield* world.file(`${directory}/.vm-sentinel`, "17")
      yield* world.file(`${directory}/.vm-sentinel.helper`, "17")
      yield* world.file(`${directory}/.bbox-sentinel`, textOf(v2()))
      yield* world.file(`${directory}/owner.pid`, "17")
      yield* world.file(`${directory}/data/go-microvm-state.json`, "{}")
      const seen = (...names: ReadonlyArray<string>) =>
        Effect.map(look(store, directory, names), (state) => [...verdicts(state).flat(), "|", ...state.foreign])
      const state = "data/go-microvm-state.json"
      const own = [".vm-sentinel", "V1", ".vm-sentinel.helper", "V1"]
      assert.deepStrictEqual(yield* seen(".vm-sentinel"), [...own, "|", ".bbox-sentinel", state])
      assert.deepStrictEqual(yield* seen(".bbox-sentinel"), [
        ".bbox-sentinel",
        "V2",
        "|",
        ".vm-sentinel",
        ".vm-sentinel.helper",
        state
      ])
      assert.deepStrictEqual(yield* seen("owner.pid", ".bbox-sentinel", ".vm-sentinel"), [
        ".bbox-sentinel",
        "V2",
        ...own,
        "owner.pid",
        "V1",
        "|",
        state
      ])
    }))

  test("scenario 32: finds no sentinel where there is none, and no directory where there is none", () =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      yield* world.file(`${directory}/vm/data/go-microvm-state.json`, "{}")
      yield* world.symlink(`${directory}/link`, `${directory}/vm`)
      yield* world.file(`${directory}/file`, "")
      assert.deepInclude(yield* look(store, `${directory}/vm`), { sentinels: [], foreign: [] })
      assert.deepStrictEqual(yield* read(store, `${directory}/vm`), [])
      for (const [entry, kind] of [
        ["link", "not-a-directory"],
        ["file", "not-a-directory"],
        ["missing", "missing"],
        ["file/below", "not-a-directory"]
      ] as const) {
        assert.strictEqual(yield* refusal(look(store, `${directory}/${entry}`)), `NotFound: ${kind}`, entry)
        assert.strictEqual(yield* refusal(read(store, `${directory}/${entry}`)), `NotFound: ${kind}`, entry)
      }
    }))

  const bad: ReadonlyArray<
    readonly [title: string, tag: string, make: (path: string) => ReturnType<typeof world.fifo>]
  > = [
    ["empty", "MalformedSentinel", (path) => world.file(path, "")],
    ["full of NUL", "MalformedSentinel", (path) => world.file(path, "\0".repeat(16))],
    ["half a record", "MalformedSentinel", (path) => world.file(path, '17\n/usr/bin/node\n{"v":3,"nonce":')],
    ["zero", "MalformedSentinel", (path) => world.file(path, "0\n")],
    ["negative", "MalformedSentinel", (path) => world.file(path, "-1\n")],
    ["a float", "MalformedSentinel", (path) => world.file(path, "1.5\n")],
    ["not a number", "MalformedSentinel", (path) => world.file(path, "12abc")],
    ["not UTF-8", "MalformedSentinel", (path) => world.file(path, new Uint8Array([0x31, 0x0a, 0xff]))],
    ["of another version", "UnsupportedVersion", (path) => world.file(path, '17\n\n{"v":4}\n')],
    ["at the cap", "MalformedSentinel", (path) => world.file(path, "x".repeat(4096))],
    ["over the cap", "OversizedSentinel", (path) => world.file(path, `17\n/${"x".repeat(4093)}`)],
    ["of 5 GiB", "OversizedSentinel", (path) => world.sparse(path, 5 * 1024 ** 3)],
    ["a FIFO", "UntrustedSentinel: not-a-file", (path) => world.fifo(path)],
    ["a socket", "UntrustedSentinel: not-a-file", (path) => world.socket(path)],
    ["a directory", "UntrustedSentinel: not-a-file", (path) => world.directory(path)],
    ["a symbolic link", "UntrustedSentinel: not-a-file", (path) => world.symlink(path, `${path}.target`)],
    ["writable by everybody", "UntrustedSentinel: world-writable", (path) => world.file(path, "17", 0o602)]
  ]
  for (const [title, expected, ability] of [
    ...bad,
    ["a device", "UntrustedSentinel: not-a-file", world.device] as const
  ]) {
    able(
      ability,
      `scenarios 33, 34, 36, 37: a sentinel that is ${title} is kept apart, and unread or refused`,
      (make) =>
        Effect.gen(function* () {
          const store = yield* SentinelStore
          const directory = yield* world.scratch
          yield* world.file(`${directory}/vm/.vm-sentinel`, "17")
          yield* make(`${directory}/vm/.vm-sentinel.role`)
          // If `.vm-sentinel.role` is a symbolic link, this file is its target.
          yield* world.file(`${directory}/vm/other.target`, "18")
          const before = yield* world.tree(directory)
          const state = yield* look(store, `${directory}/vm`)
          assert.deepStrictEqual(verdicts(state), [
            [".vm-sentinel", "V1"],
            [".vm-sentinel.role", expected.replace(/:.*/, "")]
          ])
          const [, file] = state.sentinels
          assert.strictEqual(file?.bytes === undefined, /^(Oversized|Untrusted)/.test(expected))
          assert.strictEqual(yield* refusal(read(store, `${directory}/vm`)), expected)
          assert.deepStrictEqual(yield* world.tree(directory), before)
        })
    )
  }

  test("an oversized sentinel says its size and the limit", () =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      yield* world.sparse(`${directory}/.vm-sentinel`, 5 * 1024 ** 3)
      const error = yield* Effect.flip(read(store, directory))
      assert.deepInclude(error, { _tag: "OversizedSentinel", size: 5 * 1024 ** 3, limit: 4096 })
    }))

  test("scenario 35: a hard-linked sentinel is believed only while it is being published", () =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      yield* world.file(`${directory}/vm/.vm-sentinel`, "17")
      yield* world.hardLink(`${directory}/vm/.vm-sentinel-tmp.1`, `${directory}/vm/.vm-sentinel`)
      assert.deepStrictEqual(verdicts(yield* look(store, `${directory}/vm`)), [[".vm-sentinel", "V1"]])
      yield* world.hardLink(`${directory}/elsewhere`, `${directory}/vm/.vm-sentinel`)
      assert.deepStrictEqual(verdicts(yield* look(store, `${directory}/vm`)), [[".vm-sentinel", "UntrustedSentinel"]])
      yield* world.remove(`${directory}/vm/.vm-sentinel-tmp.1`)
      assert.deepStrictEqual(verdicts(yield* look(store, `${directory}/vm`)), [[".vm-sentinel", "UntrustedSentinel"]])
    }))

  test("scenario 35: a hard-linked record is believed in the directory that it is bound to, and nowhere else", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      const vm = `${directory}/vm`
      yield* world.directory(vm)
      const { content, ...file } = yield* store.publish(vm, fresh())
      if (Result.isFailure(content) || content.success._tag !== "V3") return assert.fail("no v3 record")
      const recorded = content.success.record.directory
      const binding = compareDirectories(recorded, yield* disk.frame(vm), fileToken(file), "equal")
      // The hard links are those of two runs of `cp -al` on the directory.
      for (const copy of ["backup", "another"]) {
        yield* world.directory(`${directory}/${copy}`)
        yield* world.hardLink(`${directory}/${copy}/.vm-sentinel`, `${vm}/.vm-sentinel`)
        const believed = binding === "bound" ? "V3" : "UntrustedSentinel"
        assert.deepStrictEqual(verdicts(yield* look(store, vm)), [[".vm-sentinel", believed]])
        assert.deepStrictEqual(verdicts(yield* look(store, `${directory}/${copy}`)), [
          [".vm-sentinel", "UntrustedSentinel"]
        ])
      }
      yield* world.setMode(`${vm}/.vm-sentinel`, 0o606)
      assert.deepStrictEqual(verdicts(yield* look(store, vm)), [[".vm-sentinel", "UntrustedSentinel"]])
    }))

  for (const [what, isThere] of [
    ["that is there, though a file vanishes during each scan, is unreadable", true],
    ["that is gone is left out", false]
  ] as const) {
    test(`scenario 77: an inner directory ${what}`, () =>
      Effect.gen(function* () {
        const [interposer, store] = [yield* Interposer, yield* SentinelStore]
        const directory = yield* world.scratch
        const inner = `${directory}/vm/inner`
        yield* world.file(`${inner}/.vm-sentinel`, "17")
        const state = yield* look(store, `${directory}/vm`)
        const isInner = (path: string) => path === inner
        for (let attempt = 0; attempt < 3; attempt++) yield* interposer.fail("scan", "ENOENT", isInner)
        if (!isThere) yield* interposer.before("lstat", world.remove(inner), isInner)
        const below = Stream.runCollect(store.ownersBelow(state, Layout.standard, { permit: false }))
        if (isThere) assert.strictEqual(yield* tag(below), "StoreFailure")
        else assert.deepStrictEqual(yield* below, [])
      }))
  }

  test("a path with .. after a symbolic link names the directory that the kernel finds", () =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      for (const name of ["here", "there/sub"]) yield* world.directory(`${directory}/${name}`)
      yield* world.file(`${directory}/there/vm/.vm-sentinel`, "17")
      yield* world.file(`${directory}/here/vm/.vm-sentinel`, "18")
      yield* world.symlink(`${directory}/here/link`, `${directory}/there/sub`)
      const root = yield* store.openRoot(`${directory}/here/link/..`)
      assert.strictEqual(root.path, `${directory}/there`)
      const { entry } = yield* store.openDirectory(`${directory}/here/link/../vm`)
      assert.strictEqual(entry.path, `${directory}/there/vm`)
      assert.deepStrictEqual(verdicts(yield* store.inspect(`${directory}/here/link/../vm`, Layout.standard)), [
        [".vm-sentinel", "V1"]
      ])
      assert.strictEqual(yield* tag(store.openRoot(`${directory}/missing/..`)), "NotFound")
    }))

  test("scenario 35: a sentinel whose publication ends during a look is looked at anew", () =>
    Effect.gen(function* () {
      const [interposer, store] = [yield* Interposer, yield* SentinelStore]
      const directory = yield* world.scratch
      const temporary = `${directory}/vm/.vm-sentinel-tmp.1`
      yield* world.file(`${directory}/vm/.vm-sentinel`, "17")
      yield* world.hardLink(temporary, `${directory}/vm/.vm-sentinel`)
      yield* interposer.before("lstat", world.remove(temporary), (path) => path === temporary)
      assert.deepStrictEqual(verdicts(yield* look(store, `${directory}/vm`)), [[".vm-sentinel", "V1"]])
    }))

  test("scenario 35: nothing in a directory that everybody may write to is believed", () =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      yield* world.file(`${directory}/vm/.vm-sentinel`, "17")
      yield* world.setMode(`${directory}/vm`, 0o1777)
      assert.deepStrictEqual(verdicts(yield* look(store, `${directory}/vm`)), [[".vm-sentinel", "UntrustedSentinel"]])
    }))

  test("a sentinel that is replaced during a look doesn't make the directory go away", () =>
    Effect.gen(function* () {
      const [interposer, store] = [yield* Interposer, yield* SentinelStore]
      const directory = yield* world.scratch
      yield* world.file(`${directory}/.vm-sentinel`, "17")
      yield* interposer.fail("scan", "ENOENT")
      assert.deepStrictEqual(verdicts(yield* look(store, directory)), [[".vm-sentinel", "V1"]])
    }))

  test("a failing disk isn't a missing directory", () =>
    Effect.gen(function* () {
      const [interposer, store] = [yield* Interposer, yield* SentinelStore]
      const directory = yield* world.scratch
      yield* interposer.fail("scan", "EIO")
      assert.deepInclude(yield* Effect.flip(look(store, directory)), { _tag: "StoreFailure", errno: "EIO" })
      yield* interposer.fail("lstat", "EMFILE")
      assert.deepInclude(yield* Effect.flip(store.openRoot(directory)), { _tag: "StoreFailure", errno: "EMFILE" })
    }))

  able(world.remote, "knows a file system of this kernel alone from every other", (make) =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      const remote = yield* make
      const isOneKernel = (path: string) => Effect.map(look(store, path), ({ frame }) => frame.fileSystem?.oneKernel)
      // A Disk that can't read the type of a file system returns `undefined` for both.
      assert.include([true, undefined], yield* isOneKernel(directory))
      assert.include([false, undefined], yield* isOneKernel(remote))
    })
  )

  able(
    world.bindMount,
    "doesn't look at a mount point that isn't the caller's own, and tells a mount below",
    (bindMount) =>
      Effect.gen(function* () {
        const store = yield* SentinelStore
        const directory = yield* world.scratch
        yield* world.file(`${directory}/source/.vm-sentinel`, "17")
        yield* world.file(`${directory}/vm/.vm-sentinel`, "17")
        yield* world.directory(`${directory}/vm/data/share`)
        yield* world.directory(`${directory}/own`)
        const inspect = (name: string) => store.inspect(`${directory}/${name}`, Layout.standard)
        assert.isUndefined((yield* inspect("vm")).mount)
        yield* bindMount(`${directory}/source`, `${directory}/vm/data/share`)
        yield* bindMount(`${directory}/source`, `${directory}/own`)
        yield* world.symlink(`${directory}/link`, directory)
        for (const name of ["vm", "link/vm"]) {
          assert.strictEqual((yield* inspect(name)).mount, `${directory}/vm/data/share`, name)
        }
        assert.strictEqual(yield* tag(inspect("link/own")), "MountInside")
        assert.deepStrictEqual(verdicts(yield* inspect("vm")), [[".vm-sentinel", "V1"]])
        const refused = yield* Effect.flip(inspect("own"))
        assert.deepInclude(refused, { _tag: "MountInside", path: `${directory}/own`, mount: `${directory}/own` })
        assert.include(refused.message, "a mount point; unmount it first")
        assert.deepStrictEqual(verdicts(yield* look(store, `${directory}/own`)), [[".vm-sentinel", "V1"]])
      })
  )

  able(world.bindMount, "finds the mounts below a path one of whose directories became a symbolic link", (bindMount) =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      const inspected = store.inspect(`${directory}/vms/vm`, Layout.standard)
      yield* world.directory(`${directory}/source`)
      yield* world.directory(`${directory}/vms/vm/data`)
      assert.isUndefined((yield* inspected).mount)
      yield* world.move(`${directory}/vms`, `${directory}/moved`)
      yield* world.symlink(`${directory}/vms`, `${directory}/moved`)
      yield* bindMount(`${directory}/source`, `${directory}/moved/vm/data`)
      assert.strictEqual((yield* inspected).mount, `${directory}/moved/vm/data`)
    })
  )

  able(world.hungMount, "scenario 82: one that doesn't answer holds up no look at the others", (hungMount) =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      const root = yield* store.openRoot(directory)
      for (const name of ["a", "b", "c"]) yield* world.file(`${directory}/${name}/.vm-sentinel`, "17")
      yield* world.directory(`${directory}/b/deep/share`)
      yield* world.directory(`${directory}/hung`)
      for (const point of [`${directory}/hung`, `${directory}/b/deep/share`]) yield* hungMount(point)
      const { directories } = yield* store.list(root, Layout.standard)
      const [first, ...others] = yield* Stream.runCollect(directories)
      if (first === undefined) return assert.fail("nothing listed")
      const seen = yield* store.peekMany(root, [first, ...others], Layout.standard)
      const told = Object.fromEntries([first, ...others].map(({ entry }, index) => [entry, seen[index]?.content]))
      assert.deepStrictEqual(told, { a: "17", b: undefined, c: "17", hung: undefined })
      assert.strictEqual(yield* tag(store.inspect(`${directory}/hung`, Layout.standard)), "MountInside")
      assert.strictEqual((yield* store.inspect(`${directory}/b`, Layout.standard)).mount, `${directory}/b/deep/share`)
      assert.isAbove(yield* store.usage(`${directory}/b`), 0)
    })
  )

  able(world.bindMount, "reads no sentinel that a mount lies over", (bindMount) =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      yield* world.directory(`${directory}/source`)
      yield* world.file(`${directory}/vm/.vm-sentinel`, "17")
      yield* world.directory(`${directory}/vm/.vm-sentinel.covered`)
      yield* bindMount(`${directory}/source`, `${directory}/vm/.vm-sentinel.covered`)
      const state = yield* store.inspect(`${directory}/vm`, Layout.standard)
      assert.deepStrictEqual(verdicts(state), [[".vm-sentinel", "V1"]])
      assert.strictEqual(state.mount, `${directory}/vm/.vm-sentinel.covered`)
    })
  )

  test("scenario 84: of a directory with more than 64 sentinels reads none, whosever they are", () =>
    Effect.gen(function* () {
      const [interposer, store] = [yield* Interposer, yield* SentinelStore]
      const directory = yield* world.scratch
      for (let index = 0; index < 40; index += 1) {
        yield* world.file(`${directory}/vm/.vm-sentinel.role-${index}`, "17")
        yield* world.directory(`${directory}/vm/.bbox-sentinel`)
      }
      assert.strictEqual((yield* look(store, `${directory}/vm`)).sentinels.length, 40)
      for (let index = 40; index < 65; index += 1) yield* world.file(`${directory}/vm/.vm-sentinel.role-${index}`, "17")
      yield* interposer.calls
      const state = yield* look(store, `${directory}/vm`)
      assert.deepInclude(state, { sentinels: [], foreign: [], crowded: 64 })
      assert.deepStrictEqual(yield* interposer.calls, ["scan"])
    }))

  test("scenario 84: looks once at each name of a sentinel that is being published, and at no more than 1024", () =>
    Effect.gen(function* () {
      const [interposer, store] = [yield* Interposer, yield* SentinelStore]
      const directory = yield* world.scratch
      const vm = `${directory}/vm`
      for (let index = 0; index < 30; index += 1) {
        yield* world.file(`${vm}/.vm-sentinel.role-${index}`, "17")
        yield* world.hardLink(`${vm}/.vm-sentinel-tmp.${index}`, `${vm}/.vm-sentinel.role-${index}`)
      }
      yield* interposer.calls
      assert.isTrue(verdicts(yield* look(store, vm)).every(([, verdict]) => verdict === "V1"))
      const calls = yield* interposer.calls
      assert.strictEqual(calls.filter((method) => method === "lstat").length, 30)
      for (let index = 30; index < 1100; index += 1) yield* world.file(`${vm}/.vm-sentinel-tmp.${index}`, "")
      yield* interposer.calls
      yield* look(store, vm)
      const counted = (yield* interposer.calls).filter((method) => method === "lstat").length
      // The store looks two more times at a file whose other name isn't among the listed names.
      assert.isAtMost(counted, 3 * 1024)
    }))

  able(world.setOwner, "scenario 84: asks whose a directory is before it reads a sentinel in it", (setOwner) =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      yield* world.file(`${directory}/vm/.vm-sentinel`, "17")
      yield* world.hardLink(`${directory}/vm/.vm-sentinel-tmp.1`, `${directory}/vm/.vm-sentinel`)
      yield* setOwner(`${directory}/vm`, 4321)
      yield* world.setMode(`${directory}/vm`, 0o755)
      const interposer = yield* Interposer
      yield* interposer.calls
      const state = yield* look(store, `${directory}/vm`)
      assert.deepStrictEqual(verdicts(state), [[".vm-sentinel", "UntrustedSentinel"]])
      assert.isUndefined(state.sentinels[0]?.bytes)
      assert.deepStrictEqual(yield* interposer.calls, ["scan"])
    })
  )

  able(
    world.permissions && world.setOwner,
    "scenario 97: another user's directory that can't be read isn't ours, unless it shows a sentinel",
    (setOwner) =>
      Effect.gen(function* () {
        const store = yield* SentinelStore
        const directory = yield* world.scratch
        const inspect = (name: string) => store.inspect(`${directory}/${name}`, Layout.standard)
        yield* world.file(`${directory}/theirs/.bbox-sentinel`, "17")
        for (const name of ["own", "lost+found", "theirs"]) yield* world.directory(`${directory}/${name}`, 0o700)
        for (const name of ["lost+found", "theirs"]) yield* setOwner(`${directory}/${name}`, 4321)
        const state = yield* inspect("lost+found")
        const distrust = { rule: "unreadable", problem: "unreadable, and owned by uid 4321" } as const
        assert.deepInclude(state, { sentinels: [], foreign: [], distrust })
        yield* world.setMode(`${directory}/theirs`, 0o711)
        yield* world.setMode(`${directory}/own`, 0)
        for (const name of ["own", "theirs"]) assert.strictEqual(yield* tag(inspect(name)), "PermissionDenied", name)
        assert.strictEqual(yield* tag(look(store, `${directory}/lost+found`)), "PermissionDenied")
        yield* world.setMode(`${directory}/own`, 0o700)
      })
  )

  test("inspects a directory by a path with links in it", () =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      yield* world.file(`${directory}/root/vm/.vm-sentinel`, "17")
      yield* world.symlink(`${directory}/link`, `${directory}/root`)
      yield* world.symlink(`${directory}/root/other`, `${directory}/root/vm`)
      const inspect = (path: string) => store.inspect(`${directory}/${path}`, Layout.standard)
      for (const path of ["root/vm", "link/vm", "link/../root/vm", "root/vm"]) {
        assert.deepStrictEqual(verdicts(yield* inspect(path)), [[".vm-sentinel", "V1"]], path)
      }
      for (const path of ["link/other", "link/missing", "missing/vm", "link"]) {
        assert.strictEqual(yield* tag(inspect(path)), "NotFound", path)
      }
    }))

  test("measures a directory", () =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      yield* world.file(`${directory}/vm/log`, "x".repeat(100_000))
      assert.isAtLeast(yield* store.usage(`${directory}/vm`), 100_000)
      assert.strictEqual(yield* tag(store.usage(`${directory}/missing`)), "NotFound")
    }))
}
