/** Several sweeps run at once, while owners take names. `stress/sweepers.ts` does the same at full size. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { world } from "@vm-sentinel/core/test/support/NodeWorld"
import * as Contest from "./support/contest.ts"
import { live } from "./support/live.ts"
import * as Random from "./support/random.ts"

live(
  "scenario 40: eight sweeps at once: each dead directory is removed once, none is an error, new owners keep theirs",
  () =>
    Effect.gen(function* () {
      const options = { sweepers: 8, dead: 50, live: 15, rounds: 1, restart: false }
      const result = yield* Contest.run(yield* world.scratch, options)
      assert.deepStrictEqual(result.problems, [])
      assert.strictEqual(result.removed, 50)
    })
)

live(
  "scenario 41: four sweeps, twice, against owners that take up what is still there: nothing of theirs is lost",
  () =>
    Effect.gen(function* () {
      const options = { sweepers: 4, dead: 60, live: 15, rounds: 2, restart: true }
      const result = yield* Contest.run(yield* world.scratch, options)
      assert.deepStrictEqual(result.problems, [])
      assert.strictEqual(result.removed + result.restarted, 120)
    })
)

live("scenario 42: one of three sweeps is killed while they are at it", () =>
  Effect.gen(function* () {
    const kill = Random.make(Random.seed)
    const options = { sweepers: 3, dead: 30, live: 10, rounds: 1, restart: false, kill }
    const result = yield* Contest.run(yield* world.scratch, options)
    assert.deepStrictEqual(result.problems, [], `seed ${Random.seed}`)
  })
)
