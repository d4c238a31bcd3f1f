import { assert } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { Disk } from "../../src/Disk.ts"
import type { FileId } from "../../src/FileId.ts"
import { errno, type Tester } from "./diskTester.ts"

const found = (path: string, wanted = (entry: string) => entry.startsWith(".vm-sentinel")) =>
  Disk.use((disk) => Effect.map(Stream.runCollect(disk.find(path, wanted)), (all) => [...all].sort()))

export const tests = <R>({ able, strength, test, world }: Tester<R>): void => {
  const files = (directory: string, names: ReadonlyArray<string>) =>
    Effect.forEach(names, (name) => world.file(`${directory}/${name}`, "x"), { discard: true })

  test("a scan tells a directory without subdirectories from one that has some", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const directory = yield* world.scratch
      yield* files(directory, ["empty/.vm-sentinel", "full/file"])
      yield* world.symlink(`${directory}/empty/link`, directory)
      yield* world.fifo(`${directory}/empty/fifo`)
      const subdirectories = (path: string) =>
        Effect.map(
          disk.scan(path, () => "ignore", 100),
          ({ subdirectories }) => subdirectories
        )
      assert.strictEqual(yield* subdirectories(`${directory}/empty`), "none")
      yield* world.directory(`${directory}/full/sub`)
      assert.strictEqual(yield* subdirectories(`${directory}/full`), "some")
      yield* disk.removeDirectory(`${directory}/full/sub`)
      assert.strictEqual(yield* subdirectories(`${directory}/full`), "none")
    }))

  test("finds files below the first level, whatever they are, and follows no link", () =>
    Effect.gen(function* () {
      const directory = yield* world.scratch
      const vm = `${directory}/vm`
      yield* files(vm, [".vm-sentinel", "file", "a/.vm-sentinel", "a/file", "a/b/c/.vm-sentinel.helper"])
      yield* files(vm, [".vm-sentinel.d/file", ".vm-sentinel.d/.vm-sentinel"])
      yield* files(directory, ["outside/sub/.vm-sentinel"])
      yield* world.symlink(`${vm}/out`, `${directory}/outside`)
      yield* world.symlink(`${vm}/a/out`, `${directory}/outside`)
      yield* world.symlink(`${vm}/a/b/.vm-sentinel`, `${directory}/outside`)
      assert.deepStrictEqual(yield* found(vm), [
        ".vm-sentinel.d/.vm-sentinel",
        "a/.vm-sentinel",
        "a/b/.vm-sentinel",
        "a/b/c/.vm-sentinel.helper"
      ])
      assert.deepStrictEqual(yield* found(vm, (entry) => entry === "none"), [])
      assert.deepStrictEqual(yield* found(`${vm}/a/b/c`), [])
      assert.strictEqual(yield* errno(found(`${directory}/missing`)), "ENOENT")
    }))

  able(world.bindMount, "finds nothing on another mount", (bindMount) =>
    Effect.gen(function* () {
      const directory = yield* world.scratch
      yield* files(directory, ["source/sub/.vm-sentinel", "vm/a/.vm-sentinel"])
      yield* world.directory(`${directory}/vm/a/mounted`)
      yield* bindMount(`${directory}/source`, `${directory}/vm/a/mounted`)
      assert.deepStrictEqual(yield* found(`${directory}/vm`), ["a/.vm-sentinel"])
    })
  )

  able(world.permissions, "doesn't find what it can't look into to be empty", () =>
    Effect.gen(function* () {
      const directory = yield* world.scratch
      yield* files(directory, ["vm/a/b/.vm-sentinel"])
      yield* world.setMode(`${directory}/vm/a/b`, 0)
      assert.strictEqual(yield* errno(found(`${directory}/vm`)), "EACCES")
      yield* world.setMode(`${directory}/vm/a/b`, 0o700)
    })
  )

  test("what an inner sentinel lies in stays, with all above it, and the rest goes", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const directory = yield* world.scratch
      const vm = `${directory}/vm`
      yield* files(vm, [".vm-sentinel", "file", "a/file", "a/owned/.vm-sentinel.helper", "a/owned/b/c/disk"])
      yield* files(vm, ["d/file", "d/e/file"])
      const staying = {
        ".vm-sentinel": "x",
        a: "directory",
        "a/owned": "directory",
        "a/owned/.vm-sentinel.helper": "x",
        "a/owned/b": "directory",
        "a/owned/b/c": "directory",
        "a/owned/b/c/disk": "x"
      }
      const { id } = yield* disk.lstat(`${vm}/a/owned/.vm-sentinel.helper`)
      assert.deepStrictEqual(yield* disk.removeTree(vm), ["a/owned"])
      assert.deepStrictEqual(yield* world.tree(vm), staying)
      const asked: Array<readonly [string, FileId]> = []
      const mayRemove = (relative: string, id: FileId) => {
        asked.push([relative, id])
        return false
      }
      assert.deepStrictEqual(yield* disk.removeTree(vm, { mayRemove }), ["a/owned"])
      assert.deepStrictEqual(asked, [["a/owned/.vm-sentinel.helper", id]])
      assert.deepStrictEqual(yield* world.tree(vm), staying)
      assert.deepStrictEqual(yield* disk.removeTree(vm, { mayRemove: () => true }), [])
      assert.deepStrictEqual(yield* world.tree(directory), {})
    }))

  test("one refusal keeps what else is accepted beside it, and every subtree that stays is told", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const vm = `${yield* world.scratch}/vm`
      yield* files(vm, ["a/.vm-sentinel", "a/.vm-sentinel.other", "a/disk", "b/c/.bbox-sentinel", "b/d/.vm-sentinel"])
      const mayRemove = (relative: string) => relative === "a/.vm-sentinel" || relative.startsWith("b/d/")
      const kept = yield* disk.removeTree(vm, { mayRemove })
      assert.deepStrictEqual([...kept].sort(), ["a", "b/c"])
      assert.deepStrictEqual(yield* world.tree(vm), {
        a: "directory",
        "a/.vm-sentinel": "x",
        "a/.vm-sentinel.other": "x",
        "a/disk": "x",
        b: "directory",
        "b/c": "directory",
        "b/c/.bbox-sentinel": "x"
      })
    }))

  able(strength.locks === true, "an inner directory whose lock is held stays as it is, unless locks don't count", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const vm = `${yield* world.scratch}/vm`
      yield* files(vm, [".vm-sentinel", "a/b/disk", "a/file", "c/disk"])
      for (const mode of ["shared", "exclusive"] as const) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* disk.lock(`${vm}/a/b`, { mode, mayStartProgram: false, test: false })
            assert.deepStrictEqual(yield* disk.removeTree(vm), ["a/b"])
            const left = { ".vm-sentinel": "x", a: "directory", "a/b": "directory", "a/b/disk": "x" }
            assert.deepStrictEqual(yield* world.tree(vm), left)
          })
        )
      }
      // `removeTree` never takes the lock of the top directory: its caller holds that lock.
      yield* disk.lock(vm, { mode: "exclusive", mayStartProgram: false, test: false })
      yield* disk.lock(`${vm}/a/b`, { mode: "shared", mayStartProgram: false, test: false })
      assert.deepStrictEqual(yield* disk.removeTree(vm, { lockInner: false }), [])
      assert.strictEqual(yield* errno(disk.lstat(vm)), "ENOENT")
    })
  )
}
