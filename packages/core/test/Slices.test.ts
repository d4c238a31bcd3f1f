import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
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

  it.live("also after the interruption of the fiber whose turn is next", () =>
    Effect.gen(function* () {
      const all = Effect.gen(function* () {
        const pace = yield* Slices.makePace
        const next = yield* Effect.forkChild(pace, { startImmediately: true })
        const later = yield* Effect.forkChild(pace, { startImmediately: true })
        yield* Fiber.interrupt(next)
        yield* Fiber.join(later)
      })
      assert.isAtLeast(yield* turnsOf(all), 1)
    })
  )
})
