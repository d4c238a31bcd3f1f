/**
 * The real file systems of macOS: facts from published sources that only a Mac can confirm. These tests leave out file
 * systems that need a network share or a host (smbfs, webdav, AppleVirtIOFS), and programs for which macOS asks the
 * user.
 */
import { assert, describe, it } from "@effect/vitest"
import { Disk, type LockOptions } from "@vm-sentinel/core/Disk"
import { sameFile } from "@vm-sentinel/core/FileId"
import * as SentinelStore from "@vm-sentinel/core/SentinelStore"
import { Effect, Result, type Scope } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import { ableIn, Missing } from "@vm-sentinel/core/test/support/able"
import { world } from "@vm-sentinel/core/test/support/NodeWorld"
import * as DarwinDisk from "../src/DarwinDisk.ts"
import * as DarwinSentinelStore from "../src/DarwinSentinelStore.ts"

const run = (command: string, ...args: ReadonlyArray<string>): string =>
  execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })

const test = (title: string, body: () => Effect.Effect<void, unknown, Disk | Scope.Scope>): void =>
  it.live(title, () => Effect.provide(body(), DarwinDisk.layer), 120_000)

const shared: LockOptions = { mode: "shared", test: true }
const exclusive: LockOptions = { mode: "exclusive", test: true }

if (process.platform === "darwin") {
  const isRoot = process.geteuid?.() === 0

  /** Path of a new disk image with a file system. The image isn't attached. */
  const image = Effect.fnUntraced(function* (fileSystem: string) {
    const path = `${yield* world.scratch}/volume.dmg`
    run("/usr/bin/hdiutil", "create", "-quiet", "-size", "64m", "-fs", fileSystem, "-volname", "sentinel", path)
    return path
  })

  const attach = Effect.fnUntraced(function* (path: string, ...options: ReadonlyArray<string>) {
    const at = `${yield* world.scratch}/mounted`
    Fs.mkdirSync(at)
    const args = ["attach", "-quiet", "-nobrowse", "-mountpoint", at, ...options, path]
    yield* Effect.acquireRelease(
      Effect.sync(() => run("/usr/bin/hdiutil", ...args)),
      () => Effect.sync(() => run("/usr/bin/hdiutil", "detach", "-quiet", "-force", at))
    )
    return at
  })

  const refusal = (path: string) =>
    Effect.gen(function* () {
      const { openRoot } = yield* SentinelStore.SentinelStore
      const opened = yield* Effect.result(openRoot(path))
      return Result.isFailure(opened) && opened.failure._tag === "RefusedRoot" ? opened.failure.problem : undefined
    }).pipe(Effect.provide(DarwinSentinelStore.layer))

  describe("what a directory lies on", () => {
    test("the disk of this machine is apfs, of one kernel, with the UUID that diskutil shows", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const { fileSystem, inode } = yield* disk.frame(yield* world.scratch)
        assert.deepInclude(fileSystem, { type: "apfs", oneKernel: true })
        assert.match(inode ?? "", /^[1-9]\d*$/)
        const info = run("/usr/sbin/diskutil", "info", "-plist", "/System/Volumes/Data")
        const uuid = /<key>VolumeUUID<\/key>\s*<string>([^<]*)<\/string>/.exec(info)?.[1]
        assert.deepStrictEqual(fileSystem?.id, { kind: "volume", value: uuid })
      }))

    for (const [fileSystem, type] of [
      ["APFS", "apfs"],
      ["HFS+", "hfs"]
    ] as const) {
      test(`a copy of a whole ${type} volume has its UUID, and another f_fsid`, () =>
        Effect.gen(function* () {
          const disk = yield* Disk
          const one = yield* image(fileSystem)
          const two = `${yield* world.scratch}/copy.dmg`
          Fs.copyFileSync(one, two)
          const first = (yield* disk.frame(yield* attach(one))).fileSystem
          assert.deepInclude(first, { type, oneKernel: true })
          assert.isDefined(first?.id)
          // A system that refuses to attach the second image has distinguished the two.
          const second = yield* Effect.option(Effect.flatMap(attach(two), disk.frame))
          if (second._tag === "None") return
          assert.deepStrictEqual(second.value.fileSystem?.id, first?.id)
          assert.notStrictEqual(second.value.fileSystem?.mount, first?.mount)
        }))

      test(`UUID and inode of ${type} last over a remount`, () =>
        Effect.gen(function* () {
          const disk = yield* Disk
          const path = yield* image(fileSystem)
          const look = Effect.scoped(
            Effect.gen(function* () {
              const at = `${yield* attach(path)}/vm`
              if (!Fs.existsSync(at)) Fs.mkdirSync(at)
              const { fileSystem, inode } = yield* disk.frame(at)
              return { id: fileSystem?.id, inode }
            })
          )
          assert.deepStrictEqual(yield* look, yield* look)
        }))
    }

    for (const fileSystem of ["ExFAT", "MS-DOS"]) {
      test(`${fileSystem} is of no one kernel, and its inodes aren't recorded`, () =>
        Effect.gen(function* () {
          const disk = yield* Disk
          const frame = yield* disk.frame(yield* attach(yield* image(fileSystem)))
          assert.isFalse(frame.fileSystem?.oneKernel)
          assert.notProperty(frame, "inode")
        }))
    }

    test("an earlier mtime takes the birth time along, which is why no record has one", () =>
      Effect.gen(function* () {
        const file = `${yield* world.scratch}/file`
        yield* world.file(file, "")
        const before = Fs.statSync(file).birthtimeMs
        yield* world.setTime(file, 1_000_000_000_000)
        assert.isBelow(Fs.statSync(file).birthtimeMs, before)
      }))

    const able = ableIn<Disk | Scope.Scope>((title, body) => test(title, body))
    able(isRoot ? true : new Missing("not root"), "a snapshot shows the same inode, and is of no one kernel", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const at = `${yield* world.scratch}/snapshot`
        Fs.mkdirSync(at)
        const date = /\d{4}-\d\d-\d\d-\d{6}/.exec(run("/usr/bin/tmutil", "localsnapshot"))?.[0] ?? ""
        const data = "/System/Volumes/Data"
        const snapshot = `com.apple.TimeMachine.${date}.local`
        yield* Effect.acquireRelease(
          Effect.sync(() => run("/sbin/mount_apfs", "-o", "ro,nobrowse", "-s", snapshot, data, at)),
          () =>
            Effect.sync(() => {
              run("/sbin/umount", at)
              run("/usr/bin/tmutil", "deletelocalsnapshots", date)
            })
        )
        const [live, frozen] = [yield* disk.frame(`${data}/Users`), yield* disk.frame(`${at}/Users`)]
        assert.strictEqual(frozen.inode, live.inode)
        assert.isTrue(live.fileSystem?.oneKernel)
        assert.isFalse(frozen.fileSystem?.oneKernel)
        assert.notStrictEqual(frozen.fileSystem?.mount, live.fileSystem?.mount)
      })
    )
  })

  describe("the lock of a directory", () => {
    for (const fileSystem of ["APFS", "HFS+"]) {
      test(`F_GETLK sees flock on ${fileSystem}, shared and exclusive, of this process too`, () =>
        Effect.gen(function* () {
          const disk = yield* Disk
          const directory = yield* attach(yield* image(fileSystem))
          assert.strictEqual(yield* disk.probeLock(directory), "free")
          yield* Effect.scoped(
            Effect.gen(function* () {
              const lock = yield* disk.lock(directory, exclusive)
              assert.isTrue(lock.tested)
              assert.strictEqual(yield* disk.probeLock(directory), "exclusive")
              yield* lock.share
              assert.strictEqual(yield* disk.probeLock(directory), "shared")
              assert.isTrue((yield* disk.lock(directory, shared)).tested)
            })
          )
          assert.strictEqual(yield* disk.probeLock(directory), "free")
        }))
    }

    test("an inner directory whose lock is held stays", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const tree = `${yield* world.scratch}/tree`
        for (const path of ["a/b/file", "a/file", ".vm-sentinel"]) yield* world.file(`${tree}/${path}`, "")
        const removed = Effect.andThen(disk.lock(`${tree}/a/b`, shared), disk.removeTree(tree))
        assert.deepStrictEqual(yield* Effect.scoped(removed), ["a/b"])
        assert.sameMembers(Object.keys(yield* world.tree(tree)), [".vm-sentinel", "a", "a/b", "a/b/file"])
        assert.deepStrictEqual(yield* disk.removeTree(tree), [])
      }))
  })

  describe("scenario 100: trust", () => {
    test("a volume whose ownership is ignored has no owners, and one where it isn't has", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const path = yield* image("APFS")
        const uidWith = (owners: "on" | "off") =>
          Effect.scoped(
            Effect.gen(function* () {
              const at = yield* attach(path, "-owners", owners)
              Fs.writeFileSync(`${at}/${owners}`, "")
              return (yield* disk.lstat(`${at}/${owners}`)).uid
            })
          )
        assert.isUndefined(yield* uidWith("off"))
        // macOS honours `-owners on` only for root.
        if (isRoot) assert.strictEqual(yield* uidWith("on"), 0)
      }))

    test("an access control list that lets others change a file takes its uid, also an inherited one", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const scratch = yield* world.scratch
        const uidAfter = (name: string, entry: string) =>
          Effect.gen(function* () {
            const path = `${scratch}/${name}`
            yield* world.file(path, "")
            run("/bin/chmod", "+a", entry, path)
            return (yield* disk.lstat(path)).uid
          })
        const uid = process.geteuid?.()
        assert.strictEqual(yield* uidAfter("read", "everyone allow read"), uid)
        assert.strictEqual(yield* uidAfter("deny", "everyone deny delete"), uid)
        for (const right of ["write", "append", "delete", "writesecurity", "chown"]) {
          assert.isUndefined(yield* uidAfter(right, `everyone allow ${right}`), right)
        }
        const directory = `${scratch}/directory`
        yield* world.directory(directory)
        run("/bin/chmod", "+a", "everyone allow write,file_inherit", directory)
        yield* disk.create(`${directory}/file`, () => Effect.succeed(new Uint8Array()))
        assert.isUndefined((yield* disk.lstat(directory)).uid)
        assert.deepInclude(yield* disk.lstat(`${directory}/file`), { uid: undefined, mode: 0o600 })
      }))
  })

  describe("scenario 101: homes", () => {
    const home = Os.homedir()

    test("a home is refused by its firmlink, and by a name in another case", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const paths = [home, `/System/Volumes/Data${home}`, home.toUpperCase()]
        const { id } = yield* disk.lstat(home)
        for (const path of paths) {
          assert.isTrue(sameFile((yield* disk.lstat(path)).id, id), path)
          assert.strictEqual(yield* refusal(path), "a home directory", path)
        }
      }))

    test("a name in another case is the same file, and its location has the case of the disk", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const scratch = yield* world.scratch
        yield* world.directory(`${scratch}/vm`)
        assert.strictEqual(yield* disk.location(`${scratch}/VM`), yield* disk.location(`${scratch}/vm`))
        assert.match(yield* disk.location(`${scratch}/VM`), /\/vm$/)
        const renamed = yield* Effect.result(disk.renameNew(`${scratch}/vm`, `${scratch}/VM`))
        assert.isTrue(Result.isSuccess(renamed) || renamed.failure.errno === "EEXIST")
      }))
  })
} else {
  test("is asked on macOS alone: here `layer` has no locks and knows no file system", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const scratch = yield* world.scratch
      assert.strictEqual(yield* disk.probeLock(scratch), "unknown")
      assert.deepStrictEqual(Object.keys(yield* disk.frame(scratch)), ["id"])
    }))
}
