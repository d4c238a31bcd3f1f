/**
 * The conformance suite of `Disk`. A test file calls {@link suite} with a Layer and with a `World`, which makes files
 * without the Disk under test.
 */
import { assert, it } from "@effect/vitest"
import { Effect, type Layer, type Scope, Stream } from "effect"
import { type DirectoryEntry, Disk, type FileType, type ScanOptions, type Stat } from "../../src/Disk.ts"
import { sameFile } from "../../src/FileId.ts"
import { ableIn, orUndefined } from "./able.ts"
import * as DiskFrames from "./diskFrames.ts"
import * as DiskLocking from "./diskLocking.ts"
import * as DiskMany from "./diskMany.ts"
import { bytes, errno, type Tester } from "./diskTester.ts"
import * as DiskPermissions from "./diskPermissions.ts"
import * as DiskRoom from "./diskRoom.ts"
import * as DiskTrees from "./diskTrees.ts"
import type { World } from "./World.ts"
import { scanning } from "./scanning.ts"

/** Abilities of an implementation that the suite can't detect. */
export interface Strength {
  /** `true`: names that aren't UTF-8 are listed with lone surrogates, and the listed names lead to the files. */
  readonly anyNames: boolean
  /** Whether the implementation takes `flock(2)`, itself or by a program. */
  readonly locks: boolean
  /** `false`: neither the file system of a directory nor the directory's place in it is known. Default: both are. */
  readonly frames?: false
  /** `false`: files have no ctime. Default: they have one. */
  readonly changeTimes?: false
  /** `true`: `list` can sort names by inode. Default: it can't. */
  readonly listing?: boolean
  /** `true`: the calls for several directories answer for plain ones. Default: they may leave out all. */
  readonly many?: boolean
}

export interface Options<R, E> {
  readonly layer: Layer.Layer<Disk | R, E>
  readonly world: World<R>
  readonly strength: Strength
}

const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes)
export const suite = <R, E>(name: string, { layer, strength, world }: Options<R, E>): void => {
  it.layer(layer)(`Disk (${name})`, (it) => {
    const able = ableIn<Disk | R | Scope.Scope>((title, test) => it.effect(title, test))

    /** Makes one entry of each type other than a regular file. Returns each name with its type. */
    const others = Effect.fnUntraced(function* (directory: string) {
      yield* world.directory(`${directory}/directory`)
      yield* world.file(`${directory}/directory/file`, "below")
      yield* world.fifo(`${directory}/fifo`)
      yield* world.socket(`${directory}/socket`)
      yield* world.file(`${directory}/target`, "target")
      yield* world.symlink(`${directory}/symlink`, `${directory}/target`)
      yield* world.symlink(`${directory}/dangling`, `${directory}/missing`)
      const device = orUndefined(world.device)
      if (device !== undefined) yield* device(`${directory}/device`)
      const types: ReadonlyArray<readonly [entry: string, type: FileType]> = [
        ["directory", "directory"],
        ["fifo", "fifo"],
        ["socket", "socket"],
        ["symlink", "symlink"],
        ["dangling", "symlink"],
        ...(device === undefined ? [] : [["device", "device"] as const])
      ]
      return types
    })

    it.effect("says who makes the calls, the same twice", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const principal = yield* disk.principal
        assert.deepStrictEqual(yield* disk.principal, principal)
        assert.isArray(principal.homes)
        assert.isArray(principal.homeIds)
        const directory = yield* world.scratch
        assert.strictEqual((yield* disk.lstat(directory)).uid, principal.uid)
      })
    )

    it.effect("resolves paths without looking at them", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        assert.strictEqual(yield* disk.resolve("/no/such/./thing/../path/"), "/no/such/path")
        assert.match(yield* disk.resolve("relative/path"), /^\/(.*\/)?relative\/path$/)
        assert.strictEqual(yield* disk.resolve("/"), "/")
      })
    )

    it.effect("finds the real path of what is there, through every link", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        yield* world.file(`${directory}/a/file`, "x")
        yield* world.symlink(`${directory}/b`, `${directory}/a`)
        yield* world.symlink(`${directory}/c`, "b/file")
        yield* world.symlink(`${directory}/loop`, `${directory}/loop`)
        assert.strictEqual(yield* disk.realPath(`${directory}/c`), `${directory}/a/file`)
        assert.strictEqual(yield* disk.realPath(`${directory}/b/../a/./file`), `${directory}/a/file`)
        assert.strictEqual(yield* errno(disk.realPath(`${directory}/missing`)), "ENOENT")
        assert.strictEqual(yield* errno(disk.realPath(`${directory}/loop`)), "ELOOP")
      })
    )

    it.effect("lstat tells what a file is", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        yield* world.file(`${directory}/file`, "12345", 0o640)
        yield* world.setTime(`${directory}/file`, 1_700_000_000_000)
        yield* world.hardLink(`${directory}/second`, `${directory}/file`)
        const { id, ...stat } = yield* disk.lstat(`${directory}/file`)
        const { uid } = yield* disk.principal
        const expected: Partial<Stat> = {
          type: "file",
          size: 5,
          mode: 0o640,
          nlink: 2,
          modifiedAt: 1_700_000_000_000,
          uid
        }
        assert.deepInclude(stat, expected)
        assert.match(`${id.dev} ${id.ino}`, /^\d+ \d+$/)
        assert.deepStrictEqual((yield* disk.lstat(`${directory}/second`)).id, id)
        const parent = yield* disk.lstat(directory)
        assert.isFalse(sameFile(parent.id, id))
        assert.strictEqual(parent.type, "directory")
        assert.strictEqual(parent.mode, 0o700)
        assert.strictEqual(yield* errno(disk.lstat(`${directory}/missing`)), "ENOENT")
        assert.strictEqual(yield* errno(disk.lstat(`${directory}/file/below`)), "ENOTDIR")
      })
    )

    it.effect("lstat follows no link and opens nothing", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        for (const [entry, type] of yield* others(directory)) {
          assert.strictEqual((yield* disk.lstat(`${directory}/${entry}`)).type, type, entry)
        }
      })
    )

    it.effect("lists names and types, and nothing else than directories", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        assert.deepStrictEqual(yield* disk.entries(directory), [])
        const made = yield* others(directory)
        const found = new Map((yield* disk.entries(directory)).map(({ entry, type }) => [entry, type]))
        assert.strictEqual(found.size, made.length + 1)
        for (const [entry, type] of [...made, ["target", "file"] as const]) {
          assert.include([type, "unknown"], found.get(entry), entry)
        }
        yield* world.symlink(`${directory}/to-directory`, `${directory}/directory`)
        assert.strictEqual(yield* errno(disk.entries(`${directory}/missing`)), "ENOENT")
        assert.strictEqual(yield* errno(disk.entries(`${directory}/target`)), "ENOTDIR")
        assert.strictEqual(yield* errno(disk.entries(`${directory}/to-directory`)), "ENOTDIR")
      })
    )

    able(strength.anyNames && world.rawFile, "keeps the bytes of names that aren't UTF-8", (rawFile) =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = `${yield* world.scratch}/tree`
        yield* world.directory(directory)
        yield* rawFile(directory, new Uint8Array([0x61, 0xff, 0x80, 0x0a]), "content")
        const [{ entry } = { entry: "" }] = yield* disk.entries(directory)
        assert.strictEqual(entry, "a\uDCFF\uDC80\n")
        assert.strictEqual(text((yield* disk.read(`${directory}/${entry}`, 100)).bytes), "content")
        yield* disk.removeTree(directory)
        assert.strictEqual(yield* errno(disk.lstat(directory)), "ENOENT")
      })
    )

    it.effect("keeps names of 255 bytes, and of odd characters", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        for (const entry of ["x".repeat(255), "a b\n\t\"'$*", "-rf", "ümlaut", "..."]) {
          yield* disk.create(`${directory}/${entry}`, bytes(entry))
          assert.strictEqual(text((yield* disk.read(`${directory}/${entry}`, 1000)).bytes), entry)
        }
        assert.strictEqual((yield* disk.entries(directory)).length, 5)
        assert.strictEqual(yield* errno(disk.create(`${directory}/${"x".repeat(256)}`, bytes(""))), "ENAMETOOLONG")
      })
    )

    it.effect("scans a directory: what is to be read, what is to be noted, in order", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        for (const entry of ["r2", "n2", "other", "r1", "n1"]) yield* world.file(`${directory}/${entry}`, entry)
        yield* world.file(`${directory}/r0`, "")
        yield* world.file(`${directory}/r3`, "x".repeat(10))
        yield* world.file(`${directory}/r4`, "x".repeat(11))
        yield* world.sparse(`${directory}/r5`, 5 * 1024 ** 3)
        const sort = (entry: string) => (entry.startsWith("r") ? "read" : entry.startsWith("n") ? "note" : "ignore")
        const scan = yield* disk.scan(directory, scanning(sort, 10))
        assert.deepStrictEqual(scan.noted, ["n1", "n2"])
        assert.deepStrictEqual(
          scan.files.map(({ bytes, entry, stat }) => [entry, text(bytes), stat.size]),
          [
            ["r0", "", 0],
            ["r1", "r1", 2],
            ["r2", "r2", 2],
            ["r3", "x".repeat(10), 10],
            ["r4", undefined, 11],
            ["r5", undefined, 5 * 1024 ** 3]
          ]
        )
        assert.isTrue(sameFile(scan.stat.id, (yield* disk.lstat(directory)).id))
        const [, one] = scan.files
        assert.deepStrictEqual(one?.stat.id, (yield* disk.lstat(`${directory}/r1`)).id)
      })
    )

    it.effect("a scan reads regular files alone, waits for none, and follows no link", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        const made = yield* others(directory)
        const { files } = yield* disk.scan(
          directory,
          scanning((entry) => (entry === "target" ? "ignore" : "read"), 4096)
        )
        assert.strictEqual(files.length, made.length)
        for (const [entry, type] of made) {
          const file = files.find((file) => file.entry === entry)
          assert.strictEqual(file?.stat.type, type, entry)
          assert.isUndefined(file?.bytes, entry)
        }
      })
    )

    it.effect("a scan ends where there is more than it was asked for, and then tells nothing", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        for (let index = 0; index < 6; index += 1) {
          yield* world.file(`${directory}/read-${index}`, "x")
          yield* world.file(`${directory}/note-${index}`, "x")
          yield* world.file(`${directory}/hint-${index}`, "x")
        }
        const sort = (entry: string) =>
          entry.startsWith("read")
            ? "read"
            : entry.startsWith("note")
              ? "note"
              : entry.startsWith("hint")
                ? "hint"
                : "ignore"
        const scan = (bounds: Partial<ScanOptions>) => disk.scan(directory, scanning(sort, 10, bounds))
        const nothing = { files: [], noted: [], hints: [], isCrowded: true }
        assert.deepInclude(yield* scan({ mostNames: 11 }), nothing)
        const whole = yield* scan({ mostNames: 12, mostHints: 4 })
        assert.isFalse(whole.isCrowded)
        assert.deepStrictEqual([whole.files.length, whole.noted.length, whole.hints.length], [6, 6, 4])
        const asked: Array<Stat> = []
        const isRead = (directory: Stat) => {
          asked.push(directory)
          return false
        }
        const unread = yield* scan({ isRead })
        assert.deepStrictEqual(
          asked.map(({ id }) => id),
          [(yield* disk.lstat(directory)).id]
        )
        assert.deepStrictEqual(
          unread.files.map(({ bytes, entry, stat }) => [entry, bytes, stat.size]),
          whole.files.map(({ entry }) => [entry, undefined, 1])
        )
        assert.deepInclude(yield* scan({ isRead, mostUnread: 17 }), nothing)
        // No listed name is a sentinel's, so the directory counts as one without sentinels.
        const other = disk.scan(
          directory,
          scanning(() => "ignore", 10, { isRead, mostUnread: 17 })
        )
        assert.deepInclude(yield* other, { ...nothing, isCrowded: false })
      })
    )

    it.effect("a scan of anything but a directory looks at nothing else", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        yield* others(directory)
        yield* world.symlink(`${directory}/to-directory`, `${directory}/directory`)
        for (const [entry, type] of [
          ["target", "file"],
          ["to-directory", "symlink"],
          ["fifo", "fifo"]
        ]) {
          const { files, noted, stat } = yield* disk.scan(
            `${directory}/${entry}`,
            scanning(() => "read", 4096)
          )
          assert.deepStrictEqual([stat.type, files, noted], [type, [], []])
        }
        assert.strictEqual(
          yield* errno(
            disk.scan(
              `${directory}/missing`,
              scanning(() => "read", 4096)
            )
          ),
          "ENOENT"
        )
      })
    )

    able(world.permissions, "what can't be read says so, and a scan says it of each file", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        yield* world.file(`${directory}/secret`, "x", 0)
        yield* world.directory(`${directory}/closed`, 0)
        yield* world.file(`${directory}/open`, "y")
        assert.strictEqual(yield* errno(disk.read(`${directory}/secret`, 10)), "EACCES")
        assert.strictEqual(yield* errno(disk.entries(`${directory}/closed`)), "EACCES")
        assert.strictEqual(yield* errno(disk.lstat(`${directory}/closed/file`)), "EACCES")
        const { files } = yield* disk.scan(
          directory,
          scanning((entry) => (entry === "closed" ? "ignore" : "read"), 10)
        )
        assert.deepStrictEqual(
          files.map(({ bytes, entry, error, stat }) => [entry, text(bytes), error?.errno, stat.type]),
          [
            ["open", "y", undefined, "file"],
            ["secret", undefined, "EACCES", "file"]
          ]
        )
        yield* world.setMode(`${directory}/closed`, 0o700)
      })
    )

    it.effect("reads at most what is asked for, with the stat of what it opened", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        yield* world.file(`${directory}/file`, "0123456789")
        yield* world.file(`${directory}/empty`, "")
        yield* world.sparse(`${directory}/huge`, 5 * 1024 ** 3)
        const read = yield* disk.read(`${directory}/file`, 4)
        assert.strictEqual(text(read.bytes), "0123")
        assert.strictEqual(read.stat.size, 10)
        assert.deepStrictEqual(read.stat.id, (yield* disk.lstat(`${directory}/file`)).id)
        assert.strictEqual(text((yield* disk.read(`${directory}/file`, 100)).bytes), "0123456789")
        assert.strictEqual((yield* disk.read(`${directory}/empty`, 100)).bytes.length, 0)
        assert.deepStrictEqual((yield* disk.read(`${directory}/huge`, 3)).bytes, new Uint8Array(3))
        assert.strictEqual(yield* errno(disk.read(`${directory}/missing`, 1)), "ENOENT")
      })
    )

    it.effect("reads nothing but regular files, and waits for none", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        for (const [entry] of yield* others(directory)) {
          const failed = yield* errno(disk.read(`${directory}/${entry}`, 100))
          assert.include(["EINVAL", "ELOOP", "ENXIO", "EISDIR"], failed, entry)
        }
      })
    )

    it.effect("creates a file whole, mode 0600, and over nothing", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        yield* disk.create(`${directory}/file`, bytes("content"))
        const { stat, ...read } = yield* disk.read(`${directory}/file`, 100)
        assert.deepInclude(stat, { mode: 0o600, nlink: 1, size: 7, type: "file" })
        assert.strictEqual(text(read.bytes), "content")
        assert.strictEqual(yield* errno(disk.create(`${directory}/file`, bytes("other"))), "EEXIST")
        yield* others(directory)
        const before = yield* world.tree(directory)
        for (const entry of ["directory", "fifo", "socket", "symlink", "dangling"]) {
          assert.strictEqual(yield* errno(disk.create(`${directory}/${entry}`, bytes("other"))), "EEXIST", entry)
        }
        assert.strictEqual(yield* errno(disk.create(`${directory}/missing/file`, bytes(""))), "ENOENT")
        assert.strictEqual(yield* errno(disk.create(`${directory}/file/file`, bytes(""))), "ENOTDIR")
        assert.deepStrictEqual(yield* world.tree(directory), before)
      })
    )

    it.effect("links a second name, over nothing, and follows no link", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        yield* world.file(`${directory}/file`, "content")
        yield* world.file(`${directory}/other`, "other")
        yield* world.directory(`${directory}/directory`)
        yield* world.symlink(`${directory}/dangling`, "missing")
        yield* disk.link(`${directory}/file`, `${directory}/second`)
        const [first, second] = [yield* disk.lstat(`${directory}/file`), yield* disk.lstat(`${directory}/second`)]
        assert.deepStrictEqual(second.id, first.id)
        assert.strictEqual(second.nlink, 2)
        for (const entry of ["other", "directory", "dangling"]) {
          assert.strictEqual(yield* errno(disk.link(`${directory}/file`, `${directory}/${entry}`)), "EEXIST", entry)
        }
        assert.strictEqual(yield* errno(disk.link(`${directory}/missing`, `${directory}/third`)), "ENOENT")
        assert.strictEqual(yield* errno(disk.link(`${directory}/directory`, `${directory}/third`)), "EPERM")
        yield* disk.link(`${directory}/dangling`, `${directory}/dangling-too`)
        assert.strictEqual((yield* disk.lstat(`${directory}/dangling-too`)).type, "symlink")
        assert.strictEqual((yield* disk.lstat(`${directory}/file`)).nlink, 2)
      })
    )

    it.effect("renames as rename(2) does: over a file, over an empty directory, over nothing else", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        const at = (path: string) => `${directory}/${path}`
        yield* world.file(at("a"), "a")
        yield* world.file(at("b"), "b")
        yield* world.file(at("full/file"), "f")
        yield* world.file(at("moved/file"), "m")
        yield* world.directory(at("empty"))
        yield* world.symlink(at("link"), at("full"))
        const moved = yield* disk.lstat(at("moved"))
        yield* disk.rename(at("a"), at("b"))
        assert.strictEqual(yield* errno(disk.rename(at("moved"), at("full"))), "ENOTEMPTY")
        assert.strictEqual(yield* errno(disk.rename(at("moved"), at("b"))), "ENOTDIR")
        assert.strictEqual(yield* errno(disk.rename(at("b"), at("empty"))), "EISDIR")
        assert.strictEqual(yield* errno(disk.rename(at("missing"), at("new"))), "ENOENT")
        assert.strictEqual(yield* errno(disk.rename(at("moved"), at("missing/new"))), "ENOENT")
        assert.strictEqual(yield* errno(disk.rename(at("moved"), at("moved/below"))), "EINVAL")
        yield* disk.rename(at("moved"), at("empty"))
        yield* disk.rename(at("link"), at("link2"))
        assert.deepStrictEqual((yield* disk.lstat(at("empty"))).id, moved.id)
        assert.deepStrictEqual(yield* world.tree(directory), {
          b: "a",
          empty: "directory",
          "empty/file": "m",
          full: "directory",
          "full/file": "f",
          link2: `-> ${at("full")}`
        })
      })
    )

    it.effect("renameNew replaces nothing, not even an empty directory", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        const at = (path: string) => `${directory}/${path}`
        yield* world.file(at("moved/file"), "m")
        yield* world.file(at("plain"), "p")
        yield* others(directory)
        yield* world.directory(at("empty"))
        const before = yield* world.tree(directory)
        for (const entry of ["empty", "directory", "target", "dangling", "symlink", "fifo"]) {
          assert.strictEqual(yield* errno(disk.renameNew(at("moved"), at(entry))), "EEXIST", entry)
          assert.strictEqual(yield* errno(disk.renameNew(at("plain"), at(entry))), "EEXIST", entry)
        }
        assert.strictEqual(yield* errno(disk.renameNew(at("missing"), at("new"))), "ENOENT")
        assert.strictEqual(yield* errno(disk.renameNew(at("moved"), at("missing/new"))), "ENOENT")
        assert.deepStrictEqual(yield* world.tree(directory), before)
        yield* disk.renameNew(at("moved"), at("empty/moved"))
        yield* disk.renameNew(at("plain"), at("new"))
        assert.deepInclude(yield* world.tree(directory), { "empty/moved/file": "m", new: "p" })
        assert.notProperty(yield* world.tree(directory), "moved")
      })
    )

    it.effect("unlinks a name, never a directory, and never what a link points to", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        const made = yield* others(directory)
        yield* world.hardLink(`${directory}/second`, `${directory}/target`)
        for (const [entry, type] of made) {
          if (type !== "directory") yield* disk.unlink(`${directory}/${entry}`)
        }
        yield* disk.unlink(`${directory}/second`)
        assert.include(["EISDIR", "EPERM"], yield* errno(disk.unlink(`${directory}/directory`)))
        assert.strictEqual(yield* errno(disk.unlink(`${directory}/second`)), "ENOENT")
        assert.deepStrictEqual(yield* world.tree(directory), {
          directory: "directory",
          "directory/file": "below",
          target: "target"
        })
        assert.strictEqual((yield* disk.lstat(`${directory}/target`)).nlink, 1)
      })
    )

    it.effect("makes files and directories with all rights of the owner, whatever the umask", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        const make = Effect.gen(function* () {
          yield* disk.makeDirectory(`${directory}/new`)
          yield* disk.create(`${directory}/new/file`, bytes("content"))
        })
        const umask = Effect.acquireRelease(
          Effect.sync(() => process.umask(0o777)),
          (before) => Effect.sync(() => process.umask(before))
        )
        yield* Effect.scoped(Effect.andThen(umask, make))
        assert.deepInclude(yield* disk.lstat(`${directory}/new`), { type: "directory", mode: 0o700 })
        assert.deepInclude(yield* disk.lstat(`${directory}/new/file`), { type: "file", mode: 0o600 })
      })
    )

    it.effect("makes a directory, mode 0700, over nothing", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        yield* disk.makeDirectory(`${directory}/new`)
        assert.deepInclude(yield* disk.lstat(`${directory}/new`), { type: "directory", mode: 0o700 })
        for (const [entry] of yield* others(directory)) {
          assert.strictEqual(yield* errno(disk.makeDirectory(`${directory}/${entry}`)), "EEXIST", entry)
        }
        assert.strictEqual(yield* errno(disk.makeDirectory(`${directory}/missing/new`)), "ENOENT")
        yield* disk.syncDirectory(directory)
        assert.strictEqual(yield* errno(disk.syncDirectory(`${directory}/missing`)), "ENOENT")
      })
    )

    it.effect("removes an empty directory, and nothing else", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        yield* world.directory(`${directory}/empty`)
        yield* world.directory(`${directory}/also`)
        yield* world.file(`${directory}/full/file`, "f")
        yield* world.file(`${directory}/file`, "f")
        yield* world.symlink(`${directory}/link`, `${directory}/also`)
        yield* disk.removeDirectory(`${directory}/empty`)
        const before = yield* world.tree(directory)
        assert.strictEqual(yield* errno(disk.removeDirectory(`${directory}/full`)), "ENOTEMPTY")
        assert.strictEqual(yield* errno(disk.removeDirectory(`${directory}/file`)), "ENOTDIR")
        assert.strictEqual(yield* errno(disk.removeDirectory(`${directory}/link`)), "ENOTDIR")
        assert.strictEqual(yield* errno(disk.removeDirectory(`${directory}/empty`)), "ENOENT")
        assert.deepStrictEqual(yield* world.tree(directory), before)
        assert.notProperty(before, "empty")
      })
    )

    it.effect("removes a tree with everything in it, and nothing that a link in it points to", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        const tree = `${directory}/tree`
        yield* world.file(`${directory}/outside/file`, "outside")
        yield* world.directory(`${tree}/sub`)
        yield* others(`${tree}/sub`)
        yield* world.symlink(`${tree}/out`, `${directory}/outside`)
        yield* world.symlink(`${tree}/sub/out`, "../../outside/file")
        yield* world.symlink(`${tree}/up`, "..")
        yield* world.hardLink(`${tree}/.vm-sentinel`, `${directory}/outside/file`)
        yield* world.file(`${tree}/${Array.from({ length: 60 }, (_, i) => `d${i}`).join("/")}/deep`, "deep")
        for (let index = 0; index < 200; index += 1) yield* world.file(`${tree}/wide/${index}`, "")
        yield* disk.removeTree(tree, { expected: (yield* disk.lstat(tree)).id })
        assert.deepStrictEqual(yield* world.tree(directory), { outside: "directory", "outside/file": "outside" })
        assert.strictEqual((yield* disk.lstat(`${directory}/outside/file`)).nlink, 1)
      })
    )

    it.effect("removes no tree but a real directory, the one that is expected", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        yield* world.file(`${directory}/tree/file`, "f")
        yield* world.file(`${directory}/file`, "f")
        yield* world.symlink(`${directory}/link`, `${directory}/tree`)
        const before = yield* world.tree(directory)
        const { id } = yield* disk.lstat(directory)
        assert.strictEqual(yield* errno(disk.removeTree(`${directory}/tree`, { expected: id })), "ESTALE")
        assert.include(["ENOTDIR", "ELOOP"], yield* errno(disk.removeTree(`${directory}/link`)))
        assert.strictEqual(yield* errno(disk.removeTree(`${directory}/file`)), "ENOTDIR")
        assert.strictEqual(yield* errno(disk.removeTree(`${directory}/missing`)), "ENOENT")
        assert.deepStrictEqual(yield* world.tree(directory), before)
      })
    )

    it.effect("a listing has what the entries have, the hidden ones first", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        const listed = Effect.gen(function* () {
          const { hidden, visible } = yield* disk.list(directory)
          return { hidden, visible: yield* Stream.runCollect(visible) }
        })
        assert.deepStrictEqual(yield* listed, { hidden: [], visible: [] })
        yield* others(directory)
        for (const name of [
          "夜",
          "\uFFFD",
          ".b",
          ".a",
          "..a",
          "...",
          ".\uFFFD",
          "z".repeat(255),
          // With lengths 1 to 20, a directory record ends with every possible number of padding bytes.
          ...Array.from({ length: 20 }, (_, i) => "n".repeat(i + 1)),
          ...Array.from({ length: 700 }, (_, i) => `vm-${i}`)
        ]) {
          yield* world.directory(`${directory}/${name}`)
        }
        const rawFile = orUndefined(world.rawFile)
        if (rawFile !== undefined && strength.anyNames) {
          yield* rawFile(directory, Uint8Array.of(0xff, 0x61, 0xfe), "odd")
        }
        const { hidden, visible } = yield* listed
        const key = ({ entry, type }: DirectoryEntry) => `${entry} ${type}`
        assert.sameMembers([...hidden, ...visible].map(key), (yield* disk.entries(directory)).map(key))
        assert.deepStrictEqual(
          hidden.map(({ entry }) => entry),
          ["...", "..a", ".a", ".b", ".\uFFFD"]
        )
        if (strength.listing !== true) return
        const inodes = yield* Effect.forEach(visible, ({ entry }) =>
          Effect.map(disk.lstat(`${directory}/${entry}`), ({ id }) => Number(id.ino))
        )
        assert.deepStrictEqual(
          inodes,
          inodes.toSorted((a, b) => a - b)
        )
      })
    )

    able(world.stubborn, "goes on past what it can't remove, keeps the last names then, and fails", (stubborn) =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        for (const entry of ["a", ".vm-sentinel", "z", "sub/a", "sub/.vm-sentinel"])
          yield* world.file(`${directory}/tree/${entry}`, "x")
        yield* stubborn(`${directory}/tree/m`)
        const failed = yield* errno(disk.removeTree(`${directory}/tree`, { mayRemove: () => true }))
        assert.include(["EACCES", "EPERM"], failed)
        assert.deepStrictEqual(yield* world.tree(`${directory}/tree`), {
          ".vm-sentinel": "x",
          m: "directory",
          "m/kept": "kept"
        })
      })
    )

    able(world.bindMount, "crosses no mount when it removes, not even one of the same device", (bindMount) =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        yield* world.file(`${directory}/source/file`, "source")
        yield* world.directory(`${directory}/tree/sub/mounted`)
        yield* world.file(`${directory}/tree/.vm-sentinel`, "x")
        yield* bindMount(`${directory}/source`, `${directory}/tree/sub/mounted`)
        assert.strictEqual(yield* errno(disk.removeTree(`${directory}/tree`)), "EXDEV")
        assert.strictEqual(yield* errno(disk.removeTree(`${directory}/tree/sub/mounted`)), "EXDEV")
        const left = yield* world.tree(directory)
        assert.deepInclude(left, {
          "source/file": "source",
          "tree/.vm-sentinel": "x",
          "tree/sub/mounted/file": "source"
        })
      })
    )

    able(world.bindMount, "tells a mount at or below a directory from one beside it", (bindMount) =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        for (const path of ["source", "vm", "vm1/a b", "vm2"]) yield* world.directory(`${directory}/${path}`)
        yield* bindMount(`${directory}/source`, `${directory}/vm1/a b`)
        yield* bindMount(`${directory}/source`, `${directory}/vm2`)
        assert.isUndefined(yield* disk.mountInside(`${directory}/vm`))
        assert.strictEqual(yield* disk.mountInside(`${directory}/vm1`), `${directory}/vm1/a b`)
        assert.strictEqual(yield* disk.mountInside(`${directory}/vm2`), `${directory}/vm2`)
        assert.strictEqual(yield* errno(disk.rename(`${directory}/vm2`, `${directory}/vm3`)), "EBUSY")
      })
    )

    it.effect("finds no mount where there is none", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        yield* world.file(`${directory}/vm/file`, "")
        assert.isUndefined(yield* disk.mountInside(`${directory}/vm`))
      })
    )

    it.effect("measures what a tree occupies: links once, holes not at all, nothing beyond a symbolic link", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        const tree = `${directory}/tree`
        yield* world.directory(tree)
        const empty = yield* disk.usage(tree)
        yield* world.file(`${directory}/outside`, "x".repeat(1024 ** 2))
        yield* world.symlink(`${tree}/link`, `${directory}/outside`)
        yield* world.sparse(`${tree}/sparse`, 5 * 1024 ** 3)
        assert.isBelow((yield* disk.usage(tree)) - empty, 64 * 1024)
        yield* world.file(`${tree}/sub/file`, "x".repeat(256 * 1024))
        const once = yield* disk.usage(tree)
        assert.isAtLeast(once, 256 * 1024)
        yield* world.hardLink(`${tree}/sub/second`, `${tree}/sub/file`)
        assert.isBelow((yield* disk.usage(tree)) - once, 64 * 1024)
        assert.strictEqual(yield* errno(disk.usage(`${directory}/missing`)), "ENOENT")
      })
    )

    const tester: Tester<R> = { able, strength, test: (title, test) => it.effect(title, test), world }
    DiskFrames.tests(tester)
    DiskLocking.tests(tester)
    DiskMany.tests(tester)
    DiskPermissions.tests(tester)
    DiskRoom.tests(tester)
    DiskTrees.tests(tester)
  })
}
