/** Reclaims one VM directory. */
import * as Effect from "effect/Effect"
import { constTrue } from "effect/Function"
import * as Result from "effect/Result"
import type { Outcome } from "../../Outcome.ts"
import type { Entry } from "../../Root.ts"
import * as SentinelName from "../../SentinelName.ts"
import * as Outcomes from "./outcomes.ts"
import { foretold, type ReclaimSteps } from "./reclaimSteps.ts"
import type { Interruptible } from "./stopping.ts"

/** Judges a directory, and removes a dead one. `undefined`: the sweep was stopped before the directory was gone. */
export const reclaimDirectory = (steps: ReclaimSteps, entry: Entry): Effect.Effect<Outcome | undefined> => {
  const { allows, conclude, examiner, measured, options, pace, reclaimer, stop, store } = steps
  /**
   * Whether one look at the inner directories is enough. A removal stops at each sentinel that wasn't judged, and leaves
   * the rest to the next sweep. The next sweep may have other names, and then doesn't recognise the sentinel. If `layout`
   * has such a name, the inner directories are therefore looked at again after the claim, before anything is removed.
   */
  const isOnceEnough = options.layout.sentinels.every((name) => SentinelName.isSentinel(name))

  const look = Effect.fnUntraced(function* (mayClaim: boolean) {
    const state = yield* store.inspect(entry.path, options.layout)
    // A claim takes the lock later. If no claim will be made, the lock is probed.
    return yield* examiner.examine(state, mayClaim ? "claimed" : "asked")
  })

  const careful = Effect.fnUntraced(function* (interruptible: Interruptible) {
    yield* interruptible(pace)
    // If only some directories may be removed, the judgement shows whether this is one of them.
    const looked = yield* interruptible(Effect.result(look(!options.dryRun && options.only === undefined)))
    if (Result.isFailure(looked)) return Outcomes.ofLookError(entry, looked.failure)
    const { judgement, mayRemove } = looked.success
    const { condemned } = judgement
    const foreseen = () => foretold(entry, judgement)
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

  return stop.stoppable(careful)
}
