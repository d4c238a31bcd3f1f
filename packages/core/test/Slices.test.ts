import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
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
})
