/** Reclaims VM directories. */
import * as Effect from "effect/Effect"
import { constTrue } from "effect/Function"
import * as Result from "effect/Result"
import type { Outcome } from "../../Outcome.ts"
import type { Entry } from "../../Root.ts"
import * as SentinelName from "../../SentinelName.ts"
import * as Outcomes from "./outcomes.ts"
import type { ReclaimSteps } from "./reclaimSteps.ts"
import type { Interruptible } from "./stopping.ts"

/**
 * Makes the function that judges a directory, and removes a dead one. Its effects run in an uninterruptible region,
 * except for those that it passes to `interruptible`.
 */
export const make = (steps: ReclaimSteps): ((entry: Entry, interruptible: Interruptible) => Effect.Effect<Outcome>) => {
  const { allows, conclude, examiner, measured, options, pace, reclaimer, store } = steps
  /**
   * Whether one look at the inner directories is enough. A removal stops at each sentinel that wasn't judged, and leaves
   * the rest to the next sweep. The next sweep may have other names, and then doesn't recognise the sentinel. If `layout`
   * has such a name, the inner directories are therefore looked at again after the claim, before anything is removed.
   */
  const isOnceEnough = options.layout.sentinels.every((name) => SentinelName.isSentinel(name))

  // A claim takes the lock later. If no claim may follow, the lock is probed. If only some directories may be removed,
  // the judgement shows whether this is one of them.
  const lock = options.dryRun || options.only !== undefined ? "asked" : "claimed"
  const look = ({ path }: Entry) =>
    Effect.flatMap(store.inspect(path, options.layout), (state) => examiner.examine(state, lock))

  // Made once for a sweep: a generator function costs V8 a prototype and a map.
  return Effect.fnUntraced(function* (entry, interruptible) {
    yield* interruptible(pace)
    const looked = yield* interruptible(Effect.result(look(entry)))
    if (Result.isFailure(looked)) return Outcomes.ofLookError(entry, looked.failure)
    const { judgement, mayRemove } = looked.success
    const { condemned } = judgement
    const foreseen = () => Outcomes.foretold(entry, judgement)
    if (condemned === undefined || options.dryRun || !allows(foreseen)) {
      return yield* measured(entry.path, interruptible, Effect.sync(foreseen))
    }
    const removed = reclaimer.claim(condemned).pipe(
      Effect.flatMap((claim) => conclude(entry, claim, interruptible, constTrue, isOnceEnough ? mayRemove : undefined)),
      Effect.scoped,
      Effect.catch((error) =>
        error._tag === "LockBusy"
          ? Effect.map(examiner.underLockOf(judgement, error.mode), (held) => Outcomes.ofJudgement(entry, held, "kept"))
          : Effect.succeed(Outcomes.ofReclaimError(entry, judgement, error))
      )
    )
    return yield* measured(entry.path, interruptible, removed)
  })
}
