/** Attackers swap, mount and rename while a sweep deletes. `stress/attack.ts` does the same for one minute. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { AttackResult } from "./agents/attackResult.ts"
import { liveUnless } from "./support/live.ts"
import * as Places from "./support/sweepersElsewhere.ts"
import * as Random from "./support/random.ts"
import { inOwnMounts } from "./support/inOwnMounts.ts"

liveUnless(
  Places.noMounts,
  "scenario 48: links, mounts and renames swapped in by two attackers: nothing outside is touched, nothing live is lost",
  () =>
    Effect.gen(function* () {
      const args = ["0", "100", `${Random.seed}`]
      const { made, problems, removed } = yield* inOwnMounts(AttackResult, "attack", args)
      assert.deepStrictEqual(problems, [], `seed ${Random.seed}`)
      assert.isAbove(made, 0)
      assert.isAbove(removed, 0)
    })
)
