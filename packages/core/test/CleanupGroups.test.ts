import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Logger, type Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Cleanup from "../src/Cleanup.ts"
import * as SentinelName from "../src/SentinelName.ts"
import { FakeProcessTable } from "../src/testing/FakeProcessTable.ts"
import { type Call, MemoryDisk } from "../src/testing/MemoryDisk.ts"
import * as Simulation from "../src/testing/Simulation.ts"
import * as Races from "./support/Races.ts"

const root = "/srv/vms"

const stage = Layer.merge(Simulation.layer, Logger.layer([]))

/** Number of directories at once with which a sweep takes each directory alone, and with which it takes groups. */
const ways = [1, 96] as const

const test = (
  title: string,
  run: (concurrency: number) => Effect.Effect<void, unknown, Simulation.Services | Scope.Scope>
): void => {
  for (const concurrency of ways) {
    const way = concurrency === 1 ? "alone" : "in a group"
    it.effect(`${title}, ${way}`, () => Effect.provide(run(concurrency), stage))
  }
}

const told = ({ outcomes }: Cleanup.Report) =>
  outcomes
    .map(
      ({ action, error, name, reason }) => `${action} ${name} ${reason}${error === undefined ? "" : ` ${error._tag}`}`
    )
    .sort()

const marks =
  (name: string) =>
  ({ operation, path, to }: Call): boolean =>
    operation === "rename" && path.endsWith(`/claimed/${name}`) && (to?.includes("/dead/") ?? false)

/** What lies in the workspace that a sweep has left. */
const left = Effect.map(Simulation.paths(root), (paths) =>
  paths.map((path) => Races.untagged(path).replace(/reap\.[0-9a-f]+/, "reap"))
)

const isIn =
  (wanted: string, path: string) =>
  (call: Call): boolean =>
    call.operation === wanted && call.path.endsWith(path)

describe("A sweep that takes directories alone or in groups", () => {
  test("deletes no directory that was swapped in right before the mark", (concurrency) =>
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      for (const name of ["a", "b", "c"]) yield* Simulation.crashed(`${root}/${name}`)
      let path = ""
      const swap = Effect.suspend(() =>
        Effect.andThen(memory.move(path, `${root}/elsewhere`), memory.seed({ [`${path}/disk`]: "another" }))
      )
      const isMark = (call: Call) => marks("b")(call) && (path = call.path) !== ""
      yield* memory.before(isMark, swap)
      assert.deepStrictEqual(told(yield* Cleanup.sweep(root, { concurrency })), [
        "kept b changed",
        "removed a pid-dead",
        "removed c pid-dead"
      ])
      assert.include(yield* left, ".vm-sentinel-reap/claimed/b/disk")
    }))

  for (const [beside, killed] of [
    ["", undefined],
    [", beside the record of a killed sweep", SentinelName.asideOf(".vm-sentinel", "0123abcd")]
  ] as const) {
    test(`takes back what an earlier sweep of this process couldn't put back${beside}`, (concurrency) =>
      Effect.gen(function* () {
        const memory = yield* MemoryDisk
        for (const name of ["a", "b", "c"]) yield* Simulation.crashed(`${root}/${name}`)
        let claimed = ""
        const isClaimed = ({ operation, path }: Call) =>
          operation !== "rename" && path.endsWith("/claimed/b") && (claimed = path) !== ""
        const change = Effect.suspend(() => memory.seed({ [`${claimed}/.vm-sentinel.new`]: "not a record" }))
        yield* memory.before(isClaimed, change)
        // The file system is read-only for a moment.
        const isPutBack = ({ operation, path, to }: Call) =>
          operation === "rename" && path.endsWith("/claimed/b") && to === `${root}/b`
        yield* memory.before(isPutBack, memory.failNext("rename", "EROFS"))
        const isGivenUp = ({ operation, path }: Call) =>
          operation === "unlink" && /\/\.vm-sentinel-reap\.[0-9a-f]+\/\.vm-sentinel$/.test(path)
        yield* memory.before(isGivenUp, memory.failNext("unlink", "EROFS"))
        const first = yield* Cleanup.sweep(root, { concurrency })
        assert.deepStrictEqual(first.outcomes.map(({ action, name }) => `${action} ${name}`).sort(), [
          "failed b",
          "removed a",
          "removed c"
        ])
        assert.include(yield* left, ".vm-sentinel-reap/claimed/b/.vm-sentinel.new")
        const workspace = claimed.replace(/\/claimed\/b.*/, "")
        if (killed !== undefined) yield* memory.seed({ [`${workspace}/${killed}`]: "4194000\n/usr/bin/vmm\n" })
        assert.deepStrictEqual(told(yield* Cleanup.sweep(root, { concurrency })), [
          "kept b malformed-sentinel MalformedSentinel"
        ])
        assert.deepStrictEqual(yield* Simulation.names(root), ["b"])
      }))
  }

  test("tells a directory that couldn't go back, because another one has its name", (concurrency) =>
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      for (const name of ["a", "b", "c"]) yield* Simulation.crashed(`${root}/${name}`)
      const given = memory.seed({ [`${root}/b/disk`]: "another" })
      yield* memory.before(marks("b"), Effect.andThen(given, memory.failNext("rename", "EIO")))
      const { summary } = yield* Cleanup.sweep(root, { concurrency })
      assert.deepInclude(summary, { removed: 2, failed: 1, kept: 0 })
      assert.includeMembers(yield* left, ["b/disk", ".vm-sentinel-reap/claimed/b/disk"])
    }))

  test("tells no change of a directory that couldn't be looked at again", (concurrency) =>
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      for (const name of ["a", "b"]) yield* Simulation.crashed(`${root}/${name}`)
      yield* memory.before(isIn("readdir", "/claimed/b"), memory.failNext("readdir", "EMFILE"))
      const said = told(yield* Cleanup.sweep(root, { concurrency }))
      assert.include(said, concurrency === 1 ? "failed b pid-dead StoreFailure" : "removed b pid-dead")
    }))

  for (const call of ["unlink", "flock"] as const) {
    test(`tells a directory that somebody else removed, right before an ${call}`, (concurrency) =>
      Effect.gen(function* () {
        const memory = yield* MemoryDisk
        for (const name of ["a", "b"]) yield* Simulation.crashed(`${root}/${name}`)
        let path = ""
        const isDisk = (call: Call) => isIn("unlink", "=b/disk")(call) && (path = call.path.slice(0, -5)) !== ""
        const remove = Effect.suspend(() => memory.remove(path))
        const later = Effect.andThen(memory.failNext("unlink", "EIO"), memory.before(isIn("flock", "=b"), remove))
        yield* memory.before(isDisk, call === "unlink" || concurrency === 1 ? remove : later)
        assert.deepStrictEqual(told(yield* Cleanup.sweep(root, { concurrency })), [
          "kept b taken",
          "removed a pid-dead"
        ])
      }))
  }

  test("reports what it has kept before a stop", (concurrency) =>
    Effect.gen(function* () {
      const [memory, table] = [yield* MemoryDisk, yield* FakeProcessTable]
      const pid = yield* Simulation.crashed(`${root}/a`, { format: "v1" })
      for (const name of ["b", "c"]) yield* Simulation.crashed(`${root}/${name}`)
      const stop = yield* Deferred.make<void>()
      const isClaim = ({ to }: Call) => to?.endsWith("/claimed/a") ?? false
      yield* memory.before(isClaim, Effect.orDie(table.spawnAt(pid)))
      yield* memory.before(marks("b"), Effect.andThen(Deferred.succeed(stop, undefined), Effect.yieldNow))
      const report = yield* Cleanup.sweep(root, { concurrency, stopWhen: Deferred.await(stop) })
      assert.include(told(report), "kept a pid-alive")
      assert.includeMembers(yield* left, ["a/disk", "c/disk"])
    }))

  it.effect("tells the outcomes of later groups while one group doesn't end", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      for (let at = 100; at < 120; at++) yield* Simulation.crashed(`${root}/${at}`)
      yield* memory.before(isIn("flock", "/100"), Effect.sleep("1 hour"))
      let count = 0
      const counted = Stream.tap(Cleanup.outcomes(root, { concurrency: 6 }), () => Effect.sync(() => (count += 1)))
      const sweep = yield* Effect.forkChild(Stream.runDrain(counted))
      for (let turn = 0; turn < 60; turn++) yield* TestClock.adjust("1 second")
      assert.strictEqual(count, 18)
      for (let turn = 0; turn < 60; turn++) yield* TestClock.adjust("1 minute")
      yield* Fiber.join(sweep)
      assert.strictEqual(count, 20)
    }).pipe(Effect.provide(stage))
  )
})
