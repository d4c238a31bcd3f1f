/** Modes that keep the owner of a directory out of it. */
import { assert } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { Disk } from "../../src/Disk.ts"
import { orUndefined } from "./able.ts"
import { errno, type Tester } from "./diskTester.ts"

const isSentinel = (entry: string): boolean => entry.startsWith(".vm-sentinel")

const modes = [0o555, 0o500, 0o400, 0o300, 0o200, 0o100, 0o000] as const

export const tests = <R>({ able, test, world }: Tester<R>): void => {
  const modeOf = (path: string) => Disk.use((disk) => Effect.map(disk.lstat(path), ({ mode }) => mode.toString(8)))

  test("permit makes a directory of ours writable, once, and nothing else", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const directory = yield* world.scratch
      for (const mode of modes) {
        const path = `${directory}/d${mode}`
        yield* world.directory(path, mode)
        assert.isTrue(yield* disk.permit(path))
        assert.strictEqual(yield* modeOf(path), (mode | 0o700).toString(8))
        assert.isFalse(yield* disk.permit(path))
      }
      yield* world.directory(`${directory}/target`, 0o500)
      yield* world.symlink(`${directory}/link`, `${directory}/target`)
      yield* world.file(`${directory}/file`, "x", 0o400)
      for (const name of ["link", "file"]) {
        yield* Effect.ignore(disk.permit(`${directory}/${name}`))
        assert.strictEqual(yield* modeOf(`${directory}/target`), "500")
        assert.strictEqual(yield* modeOf(`${directory}/file`), "400")
      }
      assert.strictEqual(yield* errno(disk.permit(`${directory}/missing`)), "ENOENT")
    }))

  able(world.setOwner, "permit changes nothing of another user", (setOwner) =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const path = `${yield* world.scratch}/theirs`
      yield* world.directory(path, 0o555)
      yield* setOwner(path, 4321)
      yield* Effect.ignore(disk.permit(path))
      assert.strictEqual(yield* modeOf(path), "555")
    })
  )

  able(
    world.ordinary,
    "scenario 87: directories of ours go, whatever their modes, of an ordinary user too",
    (ordinary) =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* ordinary
        const tree = `${directory}/tree`
        yield* world.file(`${tree}/.vm-sentinel`, "x")
        for (const outer of modes) {
          for (const inner of modes) {
            const [above, below] = [`${tree}/${outer}`, `${tree}/${outer}/${inner}`]
            yield* world.file(`${below}/deep/file`, "x", 0)
            for (const name of ["file", ".vm-sentinel.d/file"]) yield* world.file(`${below}/${name}`, "x")
            yield* world.symlink(`${below}/link`, "/")
            yield* world.directory(`${below}/empty`, inner)
            yield* world.setMode(below, inner)
            // The outer directory's mode is set last. It is reset to 0700 before the next inner directory is made.
            yield* world.setMode(above, inner === modes[modes.length - 1] ? outer : 0o700)
          }
        }
        yield* world.setMode(tree, 0o500)
        assert.deepStrictEqual(yield* disk.removeTree(tree, { mayRemove: () => true }), [])
        assert.deepStrictEqual(yield* world.tree(directory), {})
      })
  )

  able(world.ordinary, "a deep tree of read-only directories goes", (ordinary) =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const directory = yield* ordinary
      const names = Array.from({ length: 50 }, (_, level) => `d${level}`)
      const at = (depth: number) => [directory, "tree", ...names.slice(0, depth)].join("/")
      yield* world.file(`${at(50)}/file`, "x")
      for (let depth = 50; depth >= 0; depth--) yield* world.setMode(at(depth), 0o555)
      assert.deepStrictEqual(yield* disk.removeTree(at(0)), [])
      assert.deepStrictEqual(yield* world.tree(directory), {})
    })
  )

  able(world.setOwner, "what is another user's stays as it is, with all above it", (setOwner) =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const directory = yield* orUndefined(world.ordinary) ?? world.scratch
      yield* world.file(`${directory}/tree/.vm-sentinel`, "x")
      yield* world.file(`${directory}/tree/a/file`, "x")
      yield* world.file(`${directory}/tree/b/theirs/file`, "x")
      yield* world.setMode(`${directory}/tree/b/theirs`, 0o555)
      yield* setOwner(`${directory}/tree/b/theirs`, 4321)
      assert.strictEqual(yield* errno(disk.removeTree(`${directory}/tree`)), "EACCES")
      assert.strictEqual(yield* modeOf(`${directory}/tree/b/theirs`), "555")
      assert.deepStrictEqual(yield* world.tree(`${directory}/tree`), {
        ".vm-sentinel": "x",
        b: "directory",
        "b/theirs": "directory",
        "b/theirs/file": "x"
      })
    })
  )

  able(
    world.ordinary,
    "what can't be read isn't found to be empty, and is made readable where that is asked for",
    (ordinary) =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* ordinary
        const unreadable = [
          [0o000, "a/b"],
          [0o300, "a/b"],
          [0o600, "a/b/c"]
        ] as const
        for (const [mode, refused] of unreadable) {
          const vm = `${directory}/${mode}`
          yield* world.file(`${vm}/a/b/c/.vm-sentinel`, "x")
          yield* world.setMode(`${vm}/a/b`, mode)
          const error = yield* Effect.flip(Stream.runCollect(disk.find(vm, isSentinel)))
          assert.deepStrictEqual([error.errno, error.path], ["EACCES", `${vm}/${refused}`])
          assert.strictEqual(yield* modeOf(`${vm}/a/b`), mode.toString(8))
          assert.deepStrictEqual(yield* Stream.runCollect(disk.find(vm, isSentinel, { permit: true })), [
            "a/b/c/.vm-sentinel"
          ])
          assert.strictEqual(yield* modeOf(`${vm}/a/b`), "700")
        }
      })
  )
}
