/** The frame of a directory on file systems that each test makes. */
import { assert, describe, it } from "@effect/vitest"
import { compareDirectories, type DirectoryFrame, type FileSystemId, toRecord } from "@vm-sentinel/core/DirectoryFrame"
import { Disk } from "@vm-sentinel/core/Disk"
import { Effect, type Scope } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import { ableIn } from "@vm-sentinel/core/test/support/able"
import { world } from "@vm-sentinel/core/test/support/NodeWorld"
import * as DirFd from "../src/internal/dirFd.ts"
import { libc } from "../src/internal/libc.ts"
import * as LinuxDisk from "../src/LinuxDisk.ts"
import * as Mounts from "./support/mounts.ts"
import { scanning } from "@vm-sentinel/core/test/support/scanning"

const able = ableIn<Scope.Scope>((title, test) => it.live(title, test, 60_000))

const frame = (path: string) =>
  Effect.provide(
    Disk.use((disk) => disk.frame(path)),
    LinuxDisk.layer
  )
const frameWithoutKoffi = (path: string) =>
  Effect.provide(
    Disk.use((disk) => disk.frame(path)),
    LinuxDisk.layerWithoutKoffi
  )

/** The file system id as `stat -f` of coreutils prints it. */
const fsidOf = (path: string): FileSystemId => ({
  kind: "fsid",
  value: execFileSync("stat", ["-f", "-c", "%i", path], { encoding: "utf8" }).trim().padStart(16, "0")
})

const inodeOf = (path: string): string => Fs.statSync(path, { bigint: true }).ino.toString()
const birthOf = (path: string): string => Fs.statSync(path, { bigint: true }).birthtimeNs.toString()

const uuid = { kind: "uuid", value: Mounts.uuid.replaceAll("-", "") } as const

/** A directory on a new image, and an effect that mounts the image again. */
const onImage = Effect.fnUntraced(function* (kind: Mounts.Image, size?: string) {
  const scratch = yield* world.scratch
  const [image, point] = [`${scratch}/image`, `${scratch}/point`]
  yield* Mounts.makeImage(kind, image, size)
  return { scratch, vm: `${point}/vm`, point, mount: Mounts.mounted(["-o", "loop", image], point) }
})

/** Compares a record made in one directory with another directory. */
const bindingOf = (written: DirectoryFrame, seen: DirectoryFrame, file = "7") =>
  compareDirectories(toRecord(written, "7"), seen, file, "equal")

describe("the frame of a directory", () => {
  for (const kind of ["ext4", "xfs"] as const) {
    able(Mounts.images(kind), `on ${kind}: its UUID, inode and birth, the same after it was mounted anew`, () =>
      Effect.gen(function* () {
        const { mount, vm } = yield* onImage(kind)
        const seen = yield* Effect.scoped(
          Effect.gen(function* () {
            yield* mount
            Fs.mkdirSync(vm)
            const seen = yield* frame(vm)
            assert.deepInclude(seen, { inode: inodeOf(vm), birth: birthOf(vm) })
            assert.deepStrictEqual(seen.fileSystem, { type: kind, id: uuid, oneKernel: true })
            assert.isAbove(Number(seen.birth), 1e18)
            const without = yield* frameWithoutKoffi(vm)
            assert.deepStrictEqual([without.inode, without.birth, without.id], [seen.inode, seen.birth, seen.id])
            // On xfs the fsid is the device number.
            const id = kind === "ext4" ? { id: fsidOf(vm) } : {}
            assert.deepStrictEqual(without.fileSystem, { type: kind, ...id, oneKernel: true })
            assert.deepStrictEqual([bindingOf(seen, without), bindingOf(without, seen)], ["bound", "bound"])
            return seen
          })
        )
        yield* mount
        const again = yield* frame(vm)
        assert.strictEqual(bindingOf(seen, again), "bound")
        assert.deepStrictEqual({ ...again, id: seen.id }, seen)
      })
    )
  }

  able(Mounts.images("xfs"), "on xfs has its UUID from a kernel before 6.9, too", () =>
    Effect.gen(function* () {
      const { mount, vm } = yield* onImage("xfs")
      yield* mount
      Fs.mkdirSync(vm)
      const native = libc()?.at
      assert.isDefined(native)
      const asked: Array<number> = []
      const at = DirFd.make({
        ...native,
        ioctl: (fd, request, into) => {
          asked.push(request)
          return request === 0x80111500 ? -25 : native.ioctl(fd, request, into)
        }
      })
      const fd = at.openDirectory(DirFd.AT_FDCWD, vm)
      assert.deepStrictEqual(at.look(fd).frame.fileSystem?.id, uuid)
      at.close(fd)
      assert.lengthOf(asked, 2)
    })
  )

  able(Mounts.images("btrfs"), "on btrfs: an id that its subvolumes don't have in common, by either way", () =>
    Effect.gen(function* () {
      const { mount, point, vm } = yield* onImage("btrfs")
      const [sub, copy] = [`${point}/sub`, `${point}/copy`]
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* mount
          Fs.mkdirSync(vm)
          execFileSync("btrfs", ["subvolume", "create", sub], { stdio: "pipe" })
          Fs.mkdirSync(`${sub}/vm`)
          execFileSync("btrfs", ["subvolume", "snapshot", sub, copy], { stdio: "pipe" })
          const frames = yield* Effect.forEach([vm, `${sub}/vm`, `${copy}/vm`], frame)
          for (const [index, path] of [vm, `${sub}/vm`, `${copy}/vm`].entries()) {
            const id = fsidOf(path)
            assert.deepStrictEqual(frames[index]?.fileSystem, { type: "btrfs", id, oneKernel: true })
            assert.deepStrictEqual(yield* frameWithoutKoffi(path), frames[index])
          }
          const [own, original, snapshot] = frames
          assert.isDefined(own)
          assert.isDefined(original)
          assert.isDefined(snapshot)
          assert.strictEqual(original.inode, snapshot.inode)
          assert.strictEqual(original.birth, snapshot.birth)
          assert.strictEqual(bindingOf(original, snapshot), "different")
          assert.strictEqual(bindingOf(own, own), "bound")
        })
      )
    })
  )

  able(Mounts.images("ext4 of small inodes"), "on ext4 without times of birth has none, and binds nothing", () =>
    Effect.gen(function* () {
      const { mount, vm } = yield* onImage("ext4 of small inodes")
      yield* mount
      Fs.mkdirSync(vm)
      for (const seen of [yield* frame(vm), yield* frameWithoutKoffi(vm)]) {
        assert.strictEqual(seen.fileSystem?.type, "ext4")
        assert.strictEqual(seen.inode, inodeOf(vm))
        assert.isUndefined(seen.birth)
        assert.strictEqual(bindingOf(seen, seen), "unbound")
      }
    })
  )

  able(Mounts.tmpfs, "on tmpfs: inode and birth, and another one mounted there is another", () =>
    Effect.gen(function* () {
      const point = `${yield* world.scratch}/point`
      const make = Effect.gen(function* () {
        yield* Mounts.mounted(["-t", "tmpfs", "tmpfs"], point)
        Fs.mkdirSync(`${point}/vm`)
        const [seen, without] = [yield* frame(`${point}/vm`), yield* frameWithoutKoffi(`${point}/vm`)]
        assert.deepInclude(seen, { inode: inodeOf(`${point}/vm`), birth: birthOf(`${point}/vm`) })
        assert.deepInclude(seen.fileSystem, { type: "tmpfs", oneKernel: true })
        assert.deepStrictEqual(without.fileSystem, { type: "tmpfs", oneKernel: true })
        assert.strictEqual(bindingOf(seen, without), "bound")
        return seen
      })
      const [one, other] = [yield* Effect.scoped(make), yield* Effect.scoped(make)]
      assert.strictEqual(one.inode, other.inode)
      assert.strictEqual(bindingOf(one, other), "different")
    })
  )

  able(Mounts.overlays, "on an overlay: its id and birth, but no inode, which may change", () =>
    Effect.gen(function* () {
      const scratch = yield* world.scratch
      const [point, vm] = [`${scratch}/point`, `${scratch}/point/vm`]
      yield* Mounts.overlaid(scratch, point)
      Fs.mkdirSync(vm)
      const [seen, without] = [yield* frame(vm), yield* frameWithoutKoffi(vm)]
      for (const { fileSystem, inode } of [seen, without]) {
        assert.deepInclude(fileSystem, { type: "overlay", oneKernel: true })
        assert.isUndefined(inode)
      }
      assert.deepStrictEqual(without.fileSystem?.id, fsidOf(vm))
      assert.deepStrictEqual([seen.birth, without.birth], [birthOf(vm), birthOf(vm)])
      // On an overlay, the inode of the sentinel may change as well.
      for (const one of [seen, without]) assert.strictEqual(bindingOf(one, one, "8"), "bound")
      // The second frame has no file-system id. An overlay requires an equal id, so an equal birth time isn't enough.
      assert.strictEqual(bindingOf(without, { ...seen, fileSystem: { type: "overlay", oneKernel: true } }), "unbound")
      // The upper layer is another directory, on another file system.
      assert.strictEqual(bindingOf(seen, yield* frame(`${scratch}/upper/vm`)), "different")
    })
  )

  able(Mounts.images("ext4"), "without koffi and without stat(1) has no id", () =>
    Effect.gen(function* () {
      const { mount, vm } = yield* onImage("ext4", "17M")
      yield* mount
      Fs.mkdirSync(vm)
      const { PATH } = process.env
      const seen = yield* Effect.acquireUseRelease(
        Effect.sync(() => void (process.env["PATH"] = "/nowhere")),
        () => frameWithoutKoffi(vm),
        () => Effect.sync(() => void (process.env["PATH"] = PATH))
      )
      assert.deepStrictEqual(seen.fileSystem, { type: "ext4", oneKernel: true })
      assert.strictEqual(bindingOf(yield* frame(vm), seen), "bound")
    })
  )

  able(Mounts.views, "through FUSE: a file system that more than one kernel may have, without a birth", () =>
    Effect.gen(function* () {
      const scratch = yield* world.scratch
      yield* world.directory(`${scratch}/source/vm`)
      yield* Mounts.viewed(`${scratch}/source`, `${scratch}/view`)
      for (const seen of [yield* frame(`${scratch}/view/vm`), yield* frameWithoutKoffi(`${scratch}/view/vm`)]) {
        assert.deepStrictEqual(seen.fileSystem, { type: "0x65735546", oneKernel: false })
        assert.isUndefined(seen.birth)
      }
    })
  )

  able(Mounts.views, "scenario 103: two FUSE views of one directory are not bound", () =>
    Effect.gen(function* () {
      const scratch = yield* world.scratch
      yield* world.file(`${scratch}/source/vm/.vm-sentinel`, "")
      for (const view of ["one", "other"]) yield* Mounts.viewed(`${scratch}/source`, `${scratch}/${view}`)
      const [one, other] = [yield* frame(`${scratch}/one/vm`), yield* frame(`${scratch}/other/vm`)]
      assert.deepStrictEqual([one.fileSystem, one.inode], [other.fileSystem, other.inode])
      assert.strictEqual(bindingOf(one, other), "unbound")
      assert.strictEqual(bindingOf(one, one), "unbound")
    })
  )

  able(
    Mounts.views,
    "scenario 72: a file system mounted earlier is covered by a later one: judged by what the directory lies on",
    () =>
      Effect.gen(function* () {
        const scratch = yield* world.scratch
        yield* world.directory(`${scratch}/source/sub/vm`)
        yield* Mounts.mounted(["-t", "tmpfs", "tmpfs"], `${scratch}/point/sub`)
        Fs.mkdirSync(`${scratch}/point/sub/vm`)
        assert.strictEqual((yield* frame(`${scratch}/point/sub/vm`)).fileSystem?.type, "tmpfs")
        yield* Mounts.viewed(`${scratch}/source`, `${scratch}/point`)
        // `/proc/self/mountinfo` still lists the covered mount, whose mount point is the longest prefix of the path.
        assert.include(Fs.readFileSync("/proc/self/mountinfo", "utf8"), ` ${scratch}/point/sub `)
        for (const seen of [
          yield* frame(`${scratch}/point/sub/vm`),
          yield* frameWithoutKoffi(`${scratch}/point/sub/vm`)
        ]) {
          assert.deepStrictEqual(seen.fileSystem, { type: "0x65735546", oneKernel: false })
        }
      })
  )

  for (const [way, layer] of [
    ["with koffi", LinuxDisk.layer],
    ["without koffi", LinuxDisk.layerWithoutKoffi]
  ] as const) {
    it.live(`is what a scan tells too, with whether there is anything below the first level, ${way}`, () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const vm = `${yield* world.scratch}/vm`
        yield* world.file(`${vm}/file`, "")
        yield* world.symlink(`${vm}/link`, "/tmp")
        const scan = yield* disk.scan(
          vm,
          scanning(() => "ignore", 0)
        )
        assert.deepStrictEqual(scan.frame, yield* disk.frame(vm))
        assert.deepStrictEqual(scan.frame.id, scan.stat.id)
        assert.strictEqual(scan.subdirectories, "none")
        yield* world.directory(`${vm}/sub`)
        assert.strictEqual(
          (yield* disk.scan(
            vm,
            scanning(() => "ignore", 0)
          )).subdirectories,
          "some"
        )
        assert.strictEqual(
          (yield* disk.scan(
            `${vm}/file`,
            scanning(() => "ignore", 0)
          )).subdirectories,
          "none"
        )
      }).pipe(Effect.provide(layer))
    )
  }

  it.live("is little where the kernel tells nothing", () =>
    Effect.gen(function* () {
      const vm = yield* world.scratch
      const native = libc()?.at
      assert.isDefined(native)
      const at = DirFd.make({ ...native, statfs: () => -38 })
      const fd = at.openDirectory(DirFd.AT_FDCWD, vm)
      const { frame, stat } = at.look(fd)
      at.close(fd)
      assert.deepStrictEqual(frame, { id: stat.id })
    })
  )
})
