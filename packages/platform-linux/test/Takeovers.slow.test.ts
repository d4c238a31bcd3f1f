/** Owners take directories, by every way to reach one, while sweeps remove them. `stress/owners.ts` does more. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { world } from "@vm-sentinel/core/test/support/NodeWorld"
import { liveUnless } from "./support/live.ts"
import { noMounts } from "./support/sweepersElsewhere.ts"
import * as Random from "./support/random.ts"
import * as Takeovers from "./support/takeovers.ts"

liveUnless(
  noMounts,
  "scenario 70: who is told that it has a directory keeps it, and its role, by whichever way it came, under four sweeps",
  () =>
    Effect.gen(function* () {
      const options = { rounds: 6, sweepers: 4, takers: 6, directories: 4, random: Random.make(Random.seed) }
      const result = yield* Takeovers.run(yield* world.scratch, options)
      assert.deepStrictEqual(result.problems, [], `seed ${Random.seed}`)
      assert.isAbove(result.removed, 0)
    })
)
