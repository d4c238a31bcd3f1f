import { assert, describe, it, vi } from "@effect/vitest"
import { Cause, Effect, Layer, Logger, Random } from "effect"
import * as Simulation from "../src/testing/Simulation.ts"
import * as Model from "./support/Model.ts"
import type { Setting } from "./support/modelKernels.ts"
import { withSteppedClock } from "./support/steppedClock.ts"

// A test has 24 runs by default, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000 })

/** `PROPERTY_SEED` draws other runs. `PROPERTY_RUNS` sets their number. */
const base = process.env["PROPERTY_SEED"] ?? "vm-sentinel"
const runs = Number(process.env["PROPERTY_RUNS"] ?? 8)

const steps = 40

const settings: ReadonlyArray<readonly [Setting, string]> = [
  ["plain", "one host, all formats, two views of one directory"],
  ["two kernels", "containers and two kernels, on a local and on a shared file system"],
  ["clone", "a kernel and its clone, which has the same ids"]
]

const world = () => Layer.merge(Simulation.layerWith({}), Logger.layer([]))

const run = (setting: Setting, seed: string) => {
  const history: Array<string> = []
  return Effect.gen(function* () {
    const model = yield* Model.make(setting)
    for (let count = 0; count < steps; count += 1) {
      history.push(yield* Model.step(model))
      yield* Model.check(model)
    }
    yield* Model.finish(model)
    return { owned: model.owned.size, removed: model.removed }
  }).pipe(
    Effect.provide(world()),
    Effect.scoped,
    // Work yields to other fibers after a slice of time. With this clock every run of a seed yields at the same points.
    withSteppedClock(20_000n),
    Random.withSeed(seed),
    Effect.catchCause((cause) =>
      Effect.die(new Error(`seed "${seed}": ${history.join(", ")}`, { cause: Cause.squash(cause) }))
    )
  )
}

describe("any interleaving of owners, kernels and sweeps", () => {
  for (const [setting, title] of settings) {
    const seed = `${base} ${setting}`
    it.effect(`loses nothing that lives, and removes all that can be proved dead: ${title} ("${seed}")`, () =>
      Effect.gen(function* () {
        let [owned, removed] = [0, 0]
        for (let index = 0; index < 3 * runs; index += 1) {
          const done = yield* run(setting, `${seed} ${index}`)
          owned += done.owned
          removed += done.removed
        }
        // Without any removal or owner the runs would have tested nothing.
        assert.isAbove(owned, 0)
        assert.isAbove(removed, 0)
      })
    )
  }
})
