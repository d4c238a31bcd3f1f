/** What a sweep reads ahead, and that nothing is lost to it. */
import { assert, describe, it, vi } from "@effect/vitest"
import { Effect, Layer, Logger, type Scope, Stream } from "effect"
import * as Cleanup from "../src/Cleanup.ts"
import type { Outcome } from "../src/Outcome.ts"
import { SentinelStore } from "../src/SentinelStore.ts"
import { MemoryDisk } from "../src/testing/MemoryDisk.ts"
import * as Stage from "./support/Stage.ts"
import { undirected } from "./support/undirected.ts"

const root = "/srv/vms"

const stageTest = (title: string, test: () => Effect.Effect<void, unknown, Stage.Services | Scope.Scope>): void =>
  it.effect(title, () => Effect.provide(test(), Layer.merge(Stage.layerWith({}), Logger.layer([]))))

const said = (outcomes: ReadonlyArray<Outcome>) =>
  Object.fromEntries(outcomes.map(({ action, name, reason, verdict }) => [name, `${action} ${verdict} ${reason}`]))

describe("a root of many directories", () => {
  const names = Array.from({ length: 600 }, (_, index) => `vm-${String(index).padStart(3, "0")}`)
  const [first, second, third] = [names.slice(0, 256), names.slice(256, 512), names.slice(512)]

  const sentinelOf = (name: string) => `${root}/${name}/.vm-sentinel`

  /** All of one owner. Its sentinel's content. */
  const makeAll = Effect.fnUntraced(function* (make: typeof Stage.owned) {
    const memory = yield* MemoryDisk
    yield* make(`${root}/${names[0]}`)
    const { content = "" } = (yield* memory.snapshot(sentinelOf("vm-000")))[sentinelOf("vm-000")] ?? {}
    // One text for all: none says where it was made.
    const text = undirected(content)
    yield* Stage.seed(Object.fromEntries(names.map((name) => [sentinelOf(name), text])))
    return text
  })

  /** Sweeps, and gives what became of each and what was expected, `act` being done when the first is told. */
  const watched = (options: Cleanup.SweepOptions, act: Effect.Effect<unknown, unknown, Stage.Services>) =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const expected: Array<ReadonlyArray<string>> = []
      const glancer: typeof store.glancer = (root, name) =>
        Effect.map(
          store.glancer(root, name),
          (made) =>
            made && {
              ...made,
              expect: (names) => {
                expected.push(names)
                made.expect(names)
              }
            }
        )
      let atFirst: ReadonlyArray<ReadonlyArray<string>> | undefined
      const outcomes: Array<Outcome> = []
      yield* Stream.runForEach(Cleanup.outcomes(root, options), (outcome) =>
        Effect.gen(function* () {
          outcomes.push(outcome)
          if (atFirst !== undefined) return
          atFirst = [...expected]
          yield* act
        })
      ).pipe(Effect.provideService(SentinelStore, { ...store, glancer }))
      return { expected, atFirst, said: said(outcomes) }
    })

  stageTest("is read one batch ahead, but for what is skipped", () =>
    Effect.gen(function* () {
      yield* makeAll(Stage.owned)
      const skip = ["vm-001", "vm-300"]
      const kept = (names: ReadonlyArray<string>) => names.filter((name) => !skip.includes(name))
      const found = yield* watched({ skip }, Effect.void)
      assert.deepStrictEqual(found.expected, [first, second, third].map(kept))
      assert.deepStrictEqual(found.atFirst, [first, second].map(kept))
      assert.deepStrictEqual(Object.keys(found.said).toSorted(), names)
      for (const name of names) {
        assert.strictEqual(found.said[name], skip.includes(name) ? "kept none skipped" : "kept alive matches")
      }
    })
  )

  stageTest("is listed in batches, between which others have their turn", () =>
    Effect.gen(function* () {
      yield* makeAll(Stage.owned)
      const store = yield* SentinelStore
      // Every slice is used up when it is asked for.
      let now = 1000
      const clock = vi.spyOn(performance, "now").mockImplementation(() => (now += 10))
      yield* Effect.addFinalizer(() => Effect.sync(() => clock.mockRestore()))
      const { directories } = yield* store.list(yield* store.openRoot(root))
      let turns = 0
      yield* Effect.forkScoped(
        Effect.forever(
          Effect.andThen(
            Effect.yieldNow,
            Effect.sync(() => (turns += 1))
          ),
          { disableYield: true }
        )
      )
      const seen: Array<number> = []
      yield* Stream.runForEachArray(directories, (batch) => Effect.sync(() => seen.push(batch.length, turns)))
      const [firstTurns = 0, secondTurns = 0, thirdTurns = 0] = [seen[1], seen[3], seen[5]]
      assert.deepStrictEqual([seen[0], seen[2], seen[4]], [256, 256, 88])
      assert.isAbove(secondTurns, firstTurns)
      assert.isAbove(thirdTurns, secondTurns)
    })
  )

  stageTest("isn't read ahead where its directories are dead, which are looked at in full", () =>
    Effect.gen(function* () {
      yield* makeAll(Stage.dead)
      const found = yield* watched({ dryRun: true }, Effect.void)
      assert.deepStrictEqual(found.expected, [first, second])
      assert.deepStrictEqual(new Set(Object.values(found.said)), new Set(["would-remove dead pid-dead"]))
    })
  )

  stageTest(
    "loses nothing to what was read ahead: a new owner keeps its directory, an old one until the next sweep",
    () =>
      Effect.gen(function* () {
        const living = yield* makeAll(Stage.owned)
        const dead = "4194000\n/usr/bin/vmm\n"
        yield* Stage.seed({ [sentinelOf("vm-300")]: dead })
        const found = yield* watched({}, Stage.seed({ [sentinelOf("vm-300")]: living, [sentinelOf("vm-301")]: dead }))
        assert.deepStrictEqual(found.said, Object.fromEntries(names.map((name) => [name, "kept alive matches"])))
        const next = said((yield* Cleanup.sweep(root)).outcomes)
        assert.deepStrictEqual(
          Object.entries(next).filter(([, text]) => text !== "kept alive matches"),
          [["vm-301", "removed dead pid-dead"]]
        )
      })
  )
})
