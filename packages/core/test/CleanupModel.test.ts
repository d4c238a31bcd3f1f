import { assert, describe, it, vi } from "@effect/vitest"
import { Cause, Effect, Layer, Logger, Random } from "effect"
import * as Model from "./support/Model.ts"
import * as Stage from "./support/Stage.ts"

// Some hundred runs in one test, on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000 })

/** `PROPERTY_SEED` draws other runs. */
const base = process.env["PROPERTY_SEED"] ?? "vm-sentinel"

const groups = 8
const runsInGroup = 8
const steps = 40

const world = () => Layer.merge(Stage.layerWith({ table: { pidMax: 24 } }), Logger.layer([]))

const run = (seed: string) => {
  const history: Array<string> = []
  return Effect.gen(function* () {
    const model = yield* Model.make
    for (let count = 0; count < steps; count += 1) {
      history.push(yield* Model.step(model))
      yield* Model.check(model)
    }
    yield* Model.finish(model)
    return model.owned.size
  }).pipe(
    Effect.provide(world()),
    Effect.scoped,
    Random.withSeed(seed),
    Effect.catchCause((cause) =>
      Effect.die(new Error(`seed "${seed}": ${history.join(", ")}`, { cause: Cause.squash(cause) }))
    )
  )
}

describe("any interleaving of owners, kernels and sweeps", () => {
  for (let group = 0; group < groups; group += 1) {
    it.effect(`loses nothing that lives, and removes all that is known to be dead (${group + 1} of ${groups})`, () =>
      Effect.gen(function* () {
        let owned = 0
        for (let index = 0; index < runsInGroup; index += 1) owned += yield* run(`${base} ${group} ${index}`)
        // Else nothing was tested.
        assert.isAbove(owned, 0)
      })
    )
  }
})
