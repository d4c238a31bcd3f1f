import { assert } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { Disk, type LockOptions } from "../../src/Disk.ts"
import { errno, type Tester } from "./diskTester.ts"

const exclusive: LockOptions = { mode: "exclusive", test: false }
const shared: LockOptions = { ...exclusive, mode: "shared" }

const refused = (path: string, options: LockOptions) =>
  Disk.use((disk) => errno(Effect.scoped(disk.lock(path, options))))

const probe = (path: string) => Disk.use((disk) => disk.probeLock(path))

export const tests = <R>({ able, strength, world }: Tester<R>): void => {
  const { locks: hasLocks } = strength

  able(hasLocks, "locks a directory for one holder, until its scope closes", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const directory = yield* world.scratch
      yield* world.file(`${directory}/file`, "x")
      yield* world.directory(`${directory}/other`)
      assert.strictEqual(yield* probe(directory), "free")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const held = yield* disk.lock(directory, { ...exclusive, test: true })
          assert.isTrue(held.tested)
          assert.deepStrictEqual(held.id, (yield* disk.lstat(directory)).id)
          assert.strictEqual(yield* probe(directory), "exclusive")
          assert.strictEqual(yield* refused(directory, exclusive), "EBUSY")
          assert.strictEqual(yield* refused(directory, shared), "EBUSY")
          assert.strictEqual(yield* probe(directory), "exclusive")
          assert.strictEqual(yield* probe(`${directory}/other`), "free")
        })
      )
      assert.strictEqual(yield* probe(directory), "free")
      assert.strictEqual(yield* refused(directory, exclusive), "success")
      assert.strictEqual(yield* refused(`${directory}/missing`, exclusive), "ENOENT")
      assert.strictEqual(yield* refused(`${directory}/file`, exclusive), "ENOTDIR")
      assert.strictEqual(yield* probe(`${directory}/missing`), "unknown")
    })
  )

  able(hasLocks, "several share a lock, and none has it alone until the last is gone", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const directory = yield* world.scratch
      const [first, second] = [yield* Scope.make(), yield* Scope.make()]
      yield* Scope.provide(disk.lock(directory, shared), first)
      yield* Scope.provide(disk.lock(directory, shared), second)
      assert.strictEqual(yield* probe(directory), "shared")
      assert.strictEqual(yield* refused(directory, exclusive), "EBUSY")
      yield* Scope.close(first, Exit.void)
      assert.strictEqual(yield* probe(directory), "shared")
      assert.strictEqual(yield* refused(directory, exclusive), "EBUSY")
      assert.strictEqual(yield* refused(directory, shared), "success")
      yield* Scope.close(second, Exit.void)
      assert.strictEqual(yield* probe(directory), "free")
    })
  )

  able(hasLocks, "an exclusive lock is converted on the same descriptor, and goes with it", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const directory = yield* world.scratch
      yield* Effect.scoped(
        Effect.gen(function* () {
          const held = yield* disk.lock(directory, exclusive)
          yield* held.share
          assert.strictEqual(yield* probe(directory), "shared")
          assert.strictEqual(yield* refused(directory, shared), "success")
          assert.strictEqual(yield* refused(directory, exclusive), "EBUSY")
          yield* held.share
          assert.strictEqual(yield* probe(directory), "shared")
        })
      )
      assert.strictEqual(yield* probe(directory), "free")
    })
  )

  able(hasLocks && world.mountsCopies !== true && world.bindMount, "a bind mount shows the same lock", (bindMount) =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const directory = yield* world.scratch
      for (const name of ["vm", "mounted"]) yield* world.directory(`${directory}/${name}`)
      yield* bindMount(`${directory}/vm`, `${directory}/mounted`)
      yield* disk.lock(`${directory}/vm`, shared)
      assert.strictEqual(yield* probe(`${directory}/mounted`), "shared")
      assert.strictEqual(yield* refused(`${directory}/mounted`, exclusive), "EBUSY")
    })
  )

  able(hasLocks && world.otherView, "another file system that shows a directory has another lock", (show) =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const directory = yield* world.scratch
      yield* world.directory(`${directory}/vms/vm`)
      yield* world.directory(`${directory}/view`)
      yield* show(`${directory}/vms`, `${directory}/view`)
      yield* disk.lock(`${directory}/vms/vm`, shared)
      assert.strictEqual(yield* probe(`${directory}/view/vm`), "free")
      assert.strictEqual(yield* refused(`${directory}/view/vm`, exclusive), "success")
      assert.strictEqual(yield* probe(`${directory}/vms/vm`), "shared")
    })
  )

  able(!hasLocks, "says that it has no locks", () =>
    Effect.gen(function* () {
      const directory = yield* world.scratch
      assert.strictEqual(yield* refused(directory, exclusive), "ENOTSUP")
      assert.strictEqual(yield* probe(directory), "unknown")
    })
  )
}
