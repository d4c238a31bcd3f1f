import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { Disk } from "../../src/Disk.ts"
import { orUndefined } from "./able.ts"
import { errno, type Tester } from "./diskTester.ts"

export const tests = <R>({ able, test, world }: Tester<R>): void => {
  const refusal = (path: string) => Disk.use((disk) => Effect.map(disk.room(path), ({ refusal }) => refusal))

  test("tells that a directory of ours can be changed, and leaves no trace in it", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const directory = yield* world.scratch
      yield* world.file(`${directory}/file`, "x")
      const before = yield* disk.lstat(directory)
      const { bytes = 4096, files = 1, refusal } = yield* disk.room(directory)
      assert.strictEqual(refusal, undefined)
      assert.isAtLeast(bytes, 4096)
      assert.isAtLeast(files, 1)
      assert.deepStrictEqual(yield* disk.lstat(directory), before)
      assert.deepStrictEqual(yield* world.tree(directory), { file: "x" })
    }))

  test("tells no room of what isn't a directory", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const directory = yield* world.scratch
      yield* world.file(`${directory}/file`, "x")
      yield* world.symlink(`${directory}/link`, directory)
      assert.strictEqual(yield* errno(disk.room(`${directory}/missing`)), "ENOENT")
      assert.strictEqual(yield* errno(disk.room(`${directory}/file`)), "ENOTDIR")
      assert.strictEqual(yield* errno(disk.room(`${directory}/link`)), "ENOTDIR")
    }))

  able(world.ordinary, "tells which directories an ordinary user can't change", (ordinary) =>
    Effect.gen(function* () {
      const directory = yield* ordinary
      for (const [mode, expected] of [
        [0o700, undefined],
        [0o300, undefined],
        [0o500, "EACCES"],
        [0o200, "EACCES"],
        [0o100, "EACCES"],
        [0o577, "EACCES"]
      ] as const) {
        const path = `${directory}/d${mode}`
        yield* world.directory(path, mode)
        assert.strictEqual(yield* refusal(path), expected, mode.toString(8))
      }
    })
  )

  able(world.setOwner, "tells that an ordinary user can't change another user's directory", (setOwner) =>
    Effect.gen(function* () {
      const path = `${yield* orUndefined(world.ordinary) ?? world.scratch}/theirs`
      yield* world.directory(path, 0o755)
      yield* setOwner(path, 0)
      assert.strictEqual(yield* refusal(path), "EACCES")
    })
  )
}
