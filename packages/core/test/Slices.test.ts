import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Scheduler } from "effect"
import * as Slices from "../src/Slices.ts"
import { turnsOf } from "./support/eventLoopTurns.ts"

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
