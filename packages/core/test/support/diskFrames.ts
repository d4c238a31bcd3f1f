import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { compareDirectories, fileToken, oneKernelTypes, toRecord } from "../../src/DirectoryFrame.ts"
import { Disk } from "../../src/Disk.ts"
import { errno, type Tester } from "./diskTester.ts"
import { scanning } from "./scanning.ts"

/** The frame of a directory and the inode of `file` in it. A record has both, and a reader compares both with it. */
const seenFrom = Effect.fnUntraced(function* (directory: string) {
  const disk = yield* Disk
  const file = (yield* disk.lstat(`${directory}/file`)).id.ino
  return { frame: yield* disk.frame(directory), file }
})

const recordedFrom = (directory: string) =>
  Effect.map(seenFrom(directory), ({ file, frame }) => toRecord(frame, file) ?? assert.fail("nothing is known of it"))

export const tests = <R>({ able, strength, test, world }: Tester<R>): void => {
  const hasFrames = strength.frames !== false

  able(strength.changeTimes !== false, "tells when a file was changed, also one whose modification is dated back", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      yield* TestClock.adjust("1 hour")
      const file = `${yield* world.scratch}/file`
      yield* world.file(file, "x")
      yield* world.setTime(file, 1000)
      const stat = yield* disk.lstat(file)
      assert.strictEqual(stat.modifiedAt, 1000)
      assert.isAtLeast(stat.changedAt, 3_600_000)
      assert.strictEqual((yield* disk.read(file, 10)).stat.changedAt, stat.changedAt)
      yield* world.setTime(file, 4_000_000_000_000)
      assert.strictEqual((yield* disk.lstat(file)).changedAt, 4_000_000_000_000)
    })
  )

  test("the frame of a directory has its id, and nothing else has one", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const directory = yield* world.scratch
      yield* world.file(`${directory}/vm/file`, "x")
      yield* world.symlink(`${directory}/link`, `${directory}/vm`)
      const frame = yield* disk.frame(`${directory}/vm`)
      assert.deepStrictEqual(frame.id, (yield* disk.lstat(`${directory}/vm`)).id)
      assert.deepStrictEqual(yield* disk.frame(`${directory}/vm`), frame)
      assert.deepStrictEqual(
        (yield* disk.scan(
          `${directory}/vm`,
          scanning(() => "ignore", 0)
        )).frame,
        frame
      )
      assert.strictEqual(yield* errno(disk.frame(`${directory}/missing`)), "ENOENT")
      assert.strictEqual(yield* errno(disk.frame(`${directory}/vm/file`)), "ENOTDIR")
      assert.include(["ENOTDIR", "ELOOP"], yield* errno(disk.frame(`${directory}/link`)))
    }))

  able(hasFrames, "tells the file system of a directory, and whether one kernel alone can have it", () =>
    Effect.gen(function* () {
      const { fileSystem } = yield* (yield* Disk).frame(yield* world.scratch)
      assert.isDefined(fileSystem)
      assert.strictEqual(fileSystem.oneKernel, oneKernelTypes.has(fileSystem.type))
      assert.notStrictEqual(fileSystem.id?.value, "")
    })
  )

  able(world.remote, "doesn't take a file system for one of a single kernel that isn't known to be", (remote) =>
    Effect.gen(function* () {
      const { fileSystem } = yield* (yield* Disk).frame(yield* remote)
      assert.notStrictEqual(fileSystem?.oneKernel, true)
    })
  )

  able(hasFrames && world.copy, "a record is bound to its directory wherever that is moved, and to no copy", (copy) =>
    Effect.gen(function* () {
      const directory = yield* world.scratch
      yield* world.file(`${directory}/vm/file`, "x")
      const record = yield* recordedFrom(`${directory}/vm`)
      const bindingAt = (path: string) =>
        Effect.map(seenFrom(path), ({ file, frame }) => compareDirectories(record, frame, file, "equal"))
      assert.strictEqual(yield* bindingAt(`${directory}/vm`), "bound")
      yield* copy(`${directory}/vm`, `${directory}/copy`)
      yield* world.directory(`${directory}/sub`)
      yield* world.move(`${directory}/vm`, `${directory}/sub/moved`)
      assert.strictEqual(yield* bindingAt(`${directory}/sub/moved`), "bound")
      assert.strictEqual(yield* bindingAt(`${directory}/copy`), "different")
      yield* copy(`${directory}/sub/moved`, `${directory}/vm`)
      assert.strictEqual(yield* bindingAt(`${directory}/vm`), "different")
      // Another file gets the same name in the same directory.
      yield* world.file(`${directory}/sub/moved/other`, "x")
      yield* world.move(`${directory}/sub/moved/other`, `${directory}/sub/moved/file`)
      if (record.file !== undefined) {
        assert.strictEqual(yield* bindingAt(`${directory}/sub/moved`), "different")
      }
    })
  )

  able(
    hasFrames && world.mountsCopies !== true && world.bindMount,
    "a bind mount shows the same directory, in the same place",
    (bindMount) =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        yield* world.file(`${directory}/vms/vm/file`, "x")
        yield* world.directory(`${directory}/mounted`)
        yield* bindMount(`${directory}/vms`, `${directory}/mounted`)
        const { file, frame } = yield* seenFrom(`${directory}/mounted/vm`)
        const record = yield* recordedFrom(`${directory}/vms/vm`)
        assert.strictEqual(compareDirectories(record, frame, file, "different"), "bound")
        const location = yield* disk.location(`${directory}/vms/vm`)
        assert.match(location, /\/vms\/vm$/)
        assert.strictEqual(yield* disk.location(`${directory}/mounted/vm`), location)
        assert.strictEqual(`${yield* disk.location(`${directory}/mounted`)}/vm`, location)
      })
  )

  able(hasFrames && world.otherView, "another file system that shows a directory shows another directory", (show) =>
    Effect.gen(function* () {
      const directory = yield* world.scratch
      yield* world.file(`${directory}/vms/vm/file`, "x")
      yield* world.directory(`${directory}/view`)
      yield* show(`${directory}/vms`, `${directory}/view`)
      const { file, frame } = yield* seenFrom(`${directory}/view/vm`)
      const record = yield* recordedFrom(`${directory}/vms/vm`)
      assert.strictEqual(compareDirectories(record, frame, file, "different"), "different")
      const back = yield* recordedFrom(`${directory}/view/vm`)
      const below = yield* seenFrom(`${directory}/vms/vm`)
      assert.strictEqual(compareDirectories(back, below.frame, below.file, "different"), "different")
    })
  )

  test("says where a directory lies, and of nothing else", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const directory = yield* world.scratch
      yield* world.directory(`${directory}/a/b`)
      assert.strictEqual(yield* disk.location(`${directory}/a/b`), `${yield* disk.location(directory)}/a/b`)
      yield* world.move(`${directory}/a`, `${directory}/c`)
      assert.strictEqual(yield* disk.location(`${directory}/c/b`), `${yield* disk.location(directory)}/c/b`)
      assert.strictEqual(yield* errno(disk.location(`${directory}/a/b`)), "ENOENT")
    }))

  test("a new file's bytes may say which file it is, and none is left where there are no bytes", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const directory = yield* world.scratch
      yield* disk.create(`${directory}/file`, (file) => Effect.succeed(new TextEncoder().encode(fileToken(file))))
      const { files } = yield* disk.scan(
        directory,
        scanning(() => "read", 100)
      )
      const [file] = files
      if (file?.bytes === undefined) return assert.fail("not read")
      assert.strictEqual(new TextDecoder().decode(file.bytes), fileToken(file.stat))
      const failure = yield* Effect.flip(disk.create(`${directory}/none`, () => Effect.fail("no bytes" as const)))
      assert.strictEqual(failure, "no bytes")
      assert.strictEqual(yield* errno(disk.lstat(`${directory}/none`)), "ENOENT")
    }))
}
