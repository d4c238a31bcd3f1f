import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Scheduler } from "effect"
import * as Slices from "../src/Slices.ts"
import { turnsOf } from "./support/eventLoopTurns.ts"
import { withSteppedClock } from "./support/steppedClock.ts"

describe("the event loop has its turn", () => {
  it.live("between the slices of several that work at once", () =>
    Effect.gen(function* () {
      const work = Slices.run(
        function* () {
          for (let step = 0; step < 20; step++) yield
        },
        () => undefined
      )
      const all = Effect.all(
        Array.from({ length: 5 }, () => work),
        { concurrency: "unbounded", discard: true }
      )
      assert.isAtLeast(yield* turnsOf(all), 100)
    })
  )

  it.live("between fibers that pass one pace", () =>
    Effect.gen(function* () {
      const passed: Array<number> = []
      const all = Effect.gen(function* () {
        const pace = yield* Slices.makePace
        const pass = (index: number) => Effect.map(pace, () => passed.push(index))
        yield* Effect.forEach(Array.from({ length: 20 }).keys(), pass, { concurrency: "unbounded" })
      })
      assert.isAtLeast(yield* turnsOf(all), 20)
      assert.deepStrictEqual(passed, [...Array.from({ length: 20 }).keys()])
    })
  )

  it.live("also for the fibers that wait behind one whose observer throws", () =>
    Effect.gen(function* () {
      const pace = yield* Slices.makePace
      const dispatched: Array<() => void> = []
      const setImmediate = (task: () => void) => {
        dispatched.push(task)
        return () => {}
      }
      const scheduler = new Scheduler.MixedScheduler("async", setImmediate)
      const waiting = yield* Effect.forEach([1, 2, 3], () =>
        Effect.forkDetach(pace, { startImmediately: true }).pipe(Effect.provideService(Scheduler.Scheduler, scheduler))
      )
      waiting[0]?.addObserver(() => {
        throw new Error("an observer")
      })
      const thrown: Array<unknown> = []
      for (let task = dispatched.shift(); task !== undefined; task = dispatched.shift()) {
        try {
          task()
        } catch (error) {
          thrown.push(error)
        }
      }
      assert.lengthOf(thrown, 1)
      assert.isTrue(waiting.every((fiber) => fiber.pollUnsafe() !== undefined))
    }).pipe(withSteppedClock(1_000_000n))
  )

  it("under runSync, too", () => {
    const passes = Effect.gen(function* () {
      const pace = yield* Slices.makePace
      for (let pass = 0; pass < 5; pass++) yield* pace
      return "passed"
    })
    assert.strictEqual(Effect.runSync(withSteppedClock(1_000_000n)(passes)), "passed")
  })

  it.live("also after the interruption of the fiber whose turn is next, at any of its steps", () =>
    Effect.gen(function* () {
      // After 8 operations a fiber yields, and can be interrupted. The operations before the pace shift that point.
      for (let before = 0; before < 8; before++) {
        for (let turns = 0; turns < 8; turns++) {
          const all = Effect.gen(function* () {
            const pace = yield* Slices.makePace
            const late = Array.from({ length: before }).reduce<Effect.Effect<void>>(
              (rest) => Effect.andThen(Effect.void, rest),
              pace
            )
            const next = yield* Effect.forkChild(late, { startImmediately: true })
            for (let turn = 0; turn < turns; turn++) yield* Effect.yieldNow
            yield* Fiber.interrupt(next)
            yield* pace
          }).pipe(Effect.provideService(Scheduler.MaxOpsBeforeYield, 8))
          assert.isAtLeast(yield* turnsOf(all), 1, `${before} before, ${turns} turns`)
        }
      }
    })
  )
})
