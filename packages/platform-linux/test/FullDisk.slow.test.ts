/** Sweeps on a full disk, where a sweep is needed most. `stress/crash-points.ts` kills sweeps there at every call. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { Result } from "./agents/fullDiskResult.ts"
import { liveUnless } from "./support/live.ts"
import * as Places from "./support/sweepersElsewhere.ts"
import * as Random from "./support/random.ts"
import { inOwnMounts } from "./support/inOwnMounts.ts"

describe("on a full file system", () => {
  for (const [kind, what, reason] of [
    ["tmpfs-bytes", "a tmpfs without blocks", Places.noMounts],
    ["ext4", "an ext4 without a block", Places.noMounts ?? Places.noExt4]
  ] as const) {
    liveUnless(reason, `${what}: the dead go, the living stay, and a killed sweep is taken up`, () =>
      Effect.gen(function* () {
        const result = yield* inOwnMounts(Result, "fullDisk", [kind, "1", `${Random.seed}`])
        assert.deepStrictEqual(result.problems, [], `seed ${Random.seed}`)
        assert.strictEqual(result.runs, 4)
        assert.strictEqual(result.killed, 2)
        assert.isAbove(result.inPlace, 0, "there was no room for a workspace")
      })
    )
  }

  for (const [kind, reason] of [
    ["tmpfs-bytes", Places.noMounts],
    ["ext4", Places.noMounts ?? Places.noExt4]
  ] as const) {
    liveUnless(
      reason,
      `scenario 39: a sentinel that can't be written leaves the old one, and no litter (${kind})`,
      () =>
        Effect.gen(function* () {
          const { problems, refusals } = yield* inOwnMounts(Result, "fullDisk", [kind, "write", "0"])
          assert.deepStrictEqual(problems, [])
          assert.deepStrictEqual(refusals, ["record StoreFailure", "create StoreFailure", "hold StoreFailure"])
        })
    )
  }
})
