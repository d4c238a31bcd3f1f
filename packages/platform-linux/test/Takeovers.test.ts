/** Owners against sweeps, by all ways there are. At full size: `stress/owners.ts`. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { world } from "../../core/test/support/NodeWorld.ts"
import { liveUnless } from "./deletion/live.ts"
import { noMounts } from "./deletion/places.ts"
import * as Random from "./deletion/random.ts"
import * as Takeovers from "./deletion/takeovers.ts"

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
