/** The frame of a directory, the users who can change it, and home directories, over the shim. */
import { assert, describe } from "@effect/vitest"
import { compareDirectories, toRecord } from "@vm-sentinel/core/DirectoryFrame"
import { Disk, type DiskError } from "@vm-sentinel/core/Disk"
import { sameFile } from "@vm-sentinel/core/FileId"
import * as Layout from "@vm-sentinel/core/Layout"
import * as SentinelStore from "@vm-sentinel/core/SentinelStore"
import { Effect, Layer, Result, type Scope } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { ableIn } from "@vm-sentinel/core/test/support/able"
import { world as linuxWorld } from "@vm-sentinel/core/test/support/NodeWorld"
import * as Tree from "@vm-sentinel/platform-linux/test/support/tree"
import * as DarwinSentinelStore from "../src/DarwinSentinelStore.ts"
import { world } from "./support/darwinWorld.ts"
import { overShim } from "./support/overShim.ts"
import { answers } from "./support/shim.ts"
import { scanning } from "@vm-sentinel/core/test/support/scanning"

const EPERM = 1

/** Bits of `f_flags`; `fskit` is a bit of `f_flags_ext`. */
const flags = { union: 0x20, local: 0x1000, ownerless: 0x20_0000, snapshot: 0x4000_0000 }
const fskit = 2

const errno = <A, R>(call: Effect.Effect<A, DiskError, R>) =>
  Effect.map(Effect.result(call), (result) => (Result.isFailure(result) ? result.failure.errno : "success"))

await overShim("frames over the shim", ({ shim, test }) => {
  const able = ableIn<Disk | Scope.Scope>((title, body) => test(title, body))
  const store = DarwinSentinelStore.layerWith({ libraryPath: shim.path })

  describe("Disk.frame", () => {
    test("names the volume, the mount and the inode, and no birth", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const scratch = yield* world.scratch
        const open = Tree.descriptors()
        const { dev, ino } = Fs.statSync(scratch)
        const id = { dev: `${dev}`, ino: `${ino}` }
        const { fileSystem, ...rest } = yield* disk.frame(scratch)
        assert.deepStrictEqual(rest, { id, inode: `${ino}` })
        assert.match(fileSystem?.id?.value ?? "", /^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$/)
        assert.deepInclude(fileSystem, { type: "apfs", mount: `${dev}:26`, oneKernel: true })
        assert.strictEqual(fileSystem?.id?.kind, "volume")
        yield* world.file(`${scratch}/file`, "")
        yield* world.symlink(`${scratch}/link`, scratch)
        assert.strictEqual(yield* errno(disk.frame(`${scratch}/missing`)), "ENOENT")
        assert.strictEqual(yield* errno(disk.frame(`${scratch}/file`)), "ENOTDIR")
        assert.include(["ENOTDIR", "ELOOP"], yield* errno(disk.frame(`${scratch}/link`)))
        assert.sameMembers([...Tree.descriptors()], [...open])
      }))

    test("comes with a scan, of the directory that was scanned", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const scratch = yield* world.scratch
        yield* world.file(`${scratch}/vm/file`, "")
        const scanned = yield* disk.scan(
          `${scratch}/vm`,
          scanning(() => "read", 10)
        )
        assert.deepStrictEqual(scanned.frame, yield* disk.frame(`${scratch}/vm`))
        assert.strictEqual(scanned.subdirectories, "none")
        assert.strictEqual(
          (yield* disk.scan(
            scratch,
            scanning(() => "read", 10)
          )).subdirectories,
          "some"
        )
      }))

    test("a file's change is the later of mtime and ctime", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const scratch = yield* world.scratch
        yield* world.file(`${scratch}/file`, "")
        yield* world.setTime(`${scratch}/file`, 1_600_000_000_000)
        const changedAt = Math.floor(Fs.statSync(`${scratch}/file`).ctimeMs)
        assert.deepInclude(yield* disk.lstat(`${scratch}/file`), { modifiedAt: 1_600_000_000_000, changedAt })
        const { files } = yield* disk.scan(
          scratch,
          scanning(() => "read", 10)
        )
        assert.strictEqual(files[0]?.stat.changedAt, changedAt)
        yield* world.setTime(`${scratch}/file`, 4_000_000_000_000)
        assert.strictEqual((yield* disk.lstat(`${scratch}/file`)).changedAt, 4_000_000_000_000)
      }))

    test("only apfs and hfs, on this machine and plain, are of one kernel", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const scratch = yield* world.scratch
        const oneKernel = (change: Parameters<typeof shim.volume>[0]) =>
          Effect.scoped(
            Effect.gen(function* () {
              yield* shim.volume(change)
              return (yield* disk.frame(scratch)).fileSystem?.oneKernel
            })
          )
        assert.isTrue(yield* oneKernel({ type: "hfs" }))
        for (const type of [
          "AppleVirtIOFS",
          "virtiofs",
          "smbfs",
          "nfs",
          "exfat",
          "msdos",
          "macfuse",
          "APFS",
          "tmpfs"
        ]) {
          assert.isFalse(yield* oneKernel({ type }), type)
        }
        assert.isFalse(yield* oneKernel({ flags: flags.snapshot }))
        assert.isFalse(yield* oneKernel({ flags: flags.union }))
        assert.isFalse(yield* oneKernel({ more: fskit }))
        assert.deepInclude((yield* disk.frame("/proc")).fileSystem, { type: "nfs", oneKernel: false })
      }))

    test("what isn't known is missing: no UUID, no lasting inode, no mount that is named anew each time", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const scratch = yield* world.scratch
        const frame = (prepare: Effect.Effect<void, never, Scope.Scope>) =>
          Effect.scoped(Effect.andThen(prepare, disk.frame(scratch)))
        for (const answer of [EPERM, answers.short, answers.alien]) {
          const { fileSystem, inode } = yield* frame(shim.refuse("fgetattrlist", answer))
          assert.deepStrictEqual(Object.keys(fileSystem ?? {}), ["type", "mount", "oneKernel"])
          assert.isDefined(inode)
        }
        const { id } = yield* disk.frame(scratch)
        assert.deepStrictEqual(yield* frame(shim.refuse("fstatfs", EPERM)), { id })
        const exfat = yield* frame(shim.volume({ type: "exfat" }))
        assert.deepStrictEqual(Object.keys(exfat.fileSystem ?? {}), ["type", "id", "oneKernel"])
        assert.notProperty(exfat, "inode")
        assert.property(yield* frame(shim.volume({ type: "nfs" })), "inode")
      }))

    test("a record is bound to its directory: over a reboot, and to no copy beside it or of the whole volume", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const scratch = yield* world.scratch
        for (const path of ["vm", "copy"]) yield* world.directory(`${scratch}/${path}`)
        const frame = yield* disk.frame(`${scratch}/vm`)
        const recorded = toRecord(frame, "7")
        const { fileSystem } = frame
        if (fileSystem === undefined) return assert.fail("nothing is known of it")
        const remounted = { ...frame, fileSystem: { ...fileSystem, mount: "1:26" } }
        assert.strictEqual(compareDirectories(recorded, frame, "7", "equal"), "bound")
        assert.strictEqual(compareDirectories(recorded, remounted, "7", "different"), "bound")
        assert.strictEqual(compareDirectories(recorded, remounted, "7", "equal"), "different")
        assert.strictEqual(compareDirectories(recorded, frame, "8", "equal"), "different")
        const copy = yield* disk.frame(`${scratch}/copy`)
        assert.strictEqual(compareDirectories(recorded, copy, "7", "equal"), "different")
        const nameless = yield* Effect.scoped(
          Effect.andThen(shim.refuse("fgetattrlist", EPERM), disk.frame(`${scratch}/vm`))
        )
        assert.strictEqual(compareDirectories(recorded, nameless, "7", "different"), "unbound")
      }))

    able(linuxWorld.bindMount, "another volume has another UUID", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const scratch = yield* world.scratch
        yield* world.directory(`${scratch}/source`)
        yield* world.directory(`${scratch}/volume`)
        const bindMount = world.bindMount
        if (typeof bindMount !== "function") return assert.fail("nothing can be mounted")
        yield* bindMount(`${scratch}/source`, `${scratch}/volume`)
        const [one, two] = [yield* disk.frame(scratch), yield* disk.frame(`${scratch}/volume`)]
        assert.notStrictEqual(one.fileSystem?.id?.value, two.fileSystem?.id?.value)
        assert.notStrictEqual(one.fileSystem?.mount, two.fileSystem?.mount)
      })
    )

    test("a location is the path as it is on the disk, whatever leads there", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const scratch = yield* world.scratch
        yield* world.directory(`${scratch}/root/vm`)
        yield* world.symlink(`${scratch}/link`, `${scratch}/root`)
        assert.strictEqual(yield* disk.location(`${scratch}/link/vm`), `${scratch}/root/vm`)
        assert.strictEqual(yield* errno(disk.location(`${scratch}/missing`)), "ENOENT")
      }))
  })

  describe("scenario 100: trust", () => {
    const [allow, deny] = ["allow", "deny"] as const
    const [readData, writeData, deleteChild, writeSecurity] = [1 << 1, 1 << 2, 1 << 6, 1 << 12]

    const plant = Effect.gen(function* () {
      const root = yield* world.scratch
      yield* world.file(`${root}/vm/.vm-sentinel`, "1\n")
      return `${root}/vm`
    })

    const contentOf = (directory: string) =>
      Effect.gen(function* () {
        const { look } = yield* SentinelStore.SentinelStore
        const content = (yield* look(directory, Layout.standard)).sentinels[0]?.content
        if (content === undefined) return assert.fail("there is no sentinel")
        return Result.isSuccess(content) ? content.success._tag : content.failure._tag
      }).pipe(Effect.provide(Layer.fresh(store)))

    /**
     * Whether triage gets an answer about the directory. Only then may triage keep the directory without a judgement.
     */
    const isSighted = (directory: string) =>
      Effect.gen(function* () {
        const { openRoot, peekMany } = yield* SentinelStore.SentinelStore
        const root = yield* openRoot(Path.dirname(directory))
        const entry = { kind: "directory", entry: Path.basename(directory), path: directory } as const
        const [peek] = yield* peekMany(root, [entry], Layout.standard)
        return peek !== undefined
      }).pipe(Effect.provide(Layer.fresh(store)))

    const rootOf = (directory: string) =>
      Effect.gen(function* () {
        const { openRoot } = yield* SentinelStore.SentinelStore
        const opened = yield* Effect.result(openRoot(directory))
        return Result.isSuccess(opened) ? "opened" : opened.failure._tag
      }).pipe(Effect.provide(Layer.fresh(store)))

    test("where ownership is ignored nobody is the owner", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* plant
        assert.strictEqual(yield* contentOf(directory), "V1")
        assert.isTrue(yield* isSighted(directory))
        assert.strictEqual(yield* rootOf(directory), "opened")
        yield* shim.volume({ flags: flags.ownerless })
        assert.strictEqual(yield* contentOf(directory), "UntrustedSentinel")
        assert.strictEqual(yield* rootOf(directory), "RefusedRoot")
        assert.deepInclude(yield* disk.lstat(directory), { uid: undefined, gid: undefined, mode: 0o700 })
      }))

    for (const [name, rights] of [
      ["writes", writeData],
      ["deletes", deleteChild],
      ["changes who may", writeSecurity]
    ] as const) {
      test(`a 0600 sentinel, or its directory, whose access control list says that somebody ${name} isn't believed`, () =>
        Effect.gen(function* () {
          const directory = yield* plant
          for (const path of [`${directory}/.vm-sentinel`, directory]) {
            const listed = Effect.andThen(shim.accessList(path, allow, rights), contentOf(directory))
            assert.strictEqual(yield* Effect.scoped(listed), "UntrustedSentinel", path)
            const peeked = Effect.andThen(shim.accessList(path, allow, rights), isSighted(directory))
            assert.isFalse(yield* Effect.scoped(peeked), path)
          }
          const rooted = Effect.andThen(shim.accessList(directory, allow, rights), rootOf(directory))
          assert.strictEqual(yield* Effect.scoped(rooted), "RefusedRoot")
        }))
    }

    test("a list that lets others read, or forbids, changes nothing", () =>
      Effect.gen(function* () {
        const directory = yield* plant
        yield* shim.accessList(directory, deny, writeData | deleteChild)
        yield* shim.accessList(`${directory}/.vm-sentinel`, allow, readData)
        assert.strictEqual(yield* contentOf(directory), "V1")
        assert.isTrue(yield* isSighted(directory))
        assert.strictEqual(yield* rootOf(directory), "opened")
      }))

    test("a list that can't be read is no empty one", () =>
      Effect.gen(function* () {
        const directory = yield* plant
        for (const call of ["getattrlist", "statfs"]) {
          const refused = Effect.andThen(shim.refuse(call, EPERM), contentOf(directory))
          assert.strictEqual(yield* Effect.scoped(refused), "UntrustedSentinel", call)
        }
        yield* shim.accessList(`${directory}/.vm-sentinel`, allow, readData)
        yield* shim.refuse("getattrlist", answers.alien)
        assert.strictEqual(yield* contentOf(directory), "UntrustedSentinel")
        assert.isFalse(yield* isSighted(directory))
      }))

    test("what can't be a sentinel is shown with its uid, and what goes away meanwhile as gone", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const scratch = yield* world.scratch
        yield* world.symlink(`${scratch}/link`, "nowhere")
        yield* shim.volume({ flags: flags.ownerless })
        assert.strictEqual((yield* disk.lstat(`${scratch}/link`)).uid, process.geteuid?.())
        yield* world.file(`${scratch}/file`, "")
        yield* shim.refuse("statfs", 2)
        assert.strictEqual(yield* errno(disk.lstat(`${scratch}/file`)), "ENOENT")
      }))
  })

  describe("scenario 101: homes", () => {
    const withHome = (path: string) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const before = process.env["HOME"]
          process.env["HOME"] = path
          return before
        }),
        (before) =>
          Effect.sync(() => {
            if (before === undefined) delete process.env["HOME"]
            else process.env["HOME"] = before
          })
      )

    const refusal = (path: string) =>
      Effect.gen(function* () {
        const { openRoot } = yield* SentinelStore.SentinelStore
        const opened = yield* Effect.result(openRoot(path))
        return Result.isFailure(opened) && opened.failure._tag === "RefusedRoot" ? opened.failure.problem : undefined
      }).pipe(Effect.provide(Layer.fresh(store)))

    test("a home is known by what it is, where it is one", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const scratch = yield* world.scratch
        yield* world.directory(`${scratch}/real`)
        yield* world.symlink(`${scratch}/home`, `${scratch}/real`)
        yield* withHome(`${scratch}/home`)
        const { homeIds, homes } = yield* disk.principal
        assert.deepStrictEqual(homes, [`${scratch}/home`, Os.userInfo().homedir])
        const { id } = yield* disk.lstat(`${scratch}/real`)
        assert.isTrue(homeIds.some((home) => sameFile(home, id)))
        yield* withHome(`${scratch}/missing`)
        assert.strictEqual((yield* disk.principal).homeIds.length, 1)
      }))

    // Like a firmlink or a name in another case, the bind mount is a second path of one directory without a symbolic
    // link.
    able(linuxWorld.bindMount, "a home is refused by whatever path it is given", (bindMount) =>
      Effect.gen(function* () {
        const scratch = yield* world.scratch
        for (const path of ["Users/x/vms", "Data/Users/x"]) yield* world.directory(`${scratch}/${path}`)
        yield* bindMount(`${scratch}/Users/x`, `${scratch}/Data/Users/x`)
        yield* withHome(`${scratch}/Users/x`)
        assert.strictEqual(yield* refusal(`${scratch}/Users/x`), "a home directory")
        assert.strictEqual(yield* refusal(`${scratch}/Data/Users/x`), "a home directory")
        assert.isUndefined(yield* refusal(`${scratch}/Data/Users/x/vms`))
      })
    )
  })
})
