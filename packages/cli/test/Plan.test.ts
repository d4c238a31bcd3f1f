import * as Simulation from "@vm-sentinel/core/testing/Simulation"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import * as Plan from "../src/sweep/Plan.ts"
import * as Report from "../src/sweep/Report.ts"
import * as Streams from "./support/Streams.ts"
import { defaults } from "./support/Sweeping.ts"

const root = "/srv/vms"
const options = { ...defaults, skip: () => false, seen: () => Effect.void, progress: "none", isNamed: false } as const

describe("Plan.make", () => {
  it.effect("counts all that would be removed, remembers no more names than the limit, and removes nothing", () =>
    Effect.gen(function* () {
      for (let index = 0; index < 1200; index++) yield* Simulation.seed({ [`${root}/vm-${index}/.vm-sentinel`]: "999" })
      const limited = yield* Plan.make(options, root, 5, Report.json)
      const { keys, rows, summary } = yield* Plan.make(options, root, Infinity, Report.json)
      assert.deepStrictEqual([limited.keys.size, limited.summary.removed], [5, 1200])
      assert.deepStrictEqual([keys.size, rows.length, summary.removed], [1200, 1000, 1200])
      assert.lengthOf(yield* Simulation.names(root), 1200)
    }).pipe(Effect.provide([Simulation.layer, Streams.layer({}), Logger.layer([])]))
  )
})
