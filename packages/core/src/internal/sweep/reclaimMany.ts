/**
 * Takes several directories along the careful path at once, in few calls. A directory that isn't plain, or takes longer
 * than the others, leaves the group.
 */
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type { Judgement } from "../../Condemned.ts"
import type { Outcome } from "../../Outcome.ts"
import type { Unfinished } from "../../Reclaimer.ts"
import type { Entry } from "../../Root.ts"
import * as Outcomes from "./outcomes.ts"
import { discarding, type ReclaimSteps } from "./reclaimSteps.ts"
import type { Interruptible } from "./stopping.ts"

/** Finishes the deletion of one directory. */
type Rest = (interruptible: Interruptible) => Effect.Effect<Outcome>

/** What became of the directories of a group. */
export interface Reclaimed {
  readonly done: ReadonlyArray<Outcome>
  /** Directories that lie in the root as before. */
  readonly alone: ReadonlyArray<Entry>
  /** Directories whose deletion isn't finished. */
  readonly left: ReadonlyArray<Rest>
}

/** Maximum number of directories in a group. */
export const most = 16

/** Whether directories may be taken along the careful path in groups: no measurement and no choice is asked for. */
export const isAllowed = ({ dryRun, only, sizes }: ReclaimSteps["options"]): boolean =>
  !dryRun && !sizes && only === undefined

export const make = ({ examiner, logged, pace, reclaimer }: ReclaimSteps) => {
  const finish =
    (entry: Entry, unfinished: Unfinished): Rest =>
    (interruptible) => {
      const { judgement, rest } = unfinished
      return logged(
        Effect.catch(discarding(entry, unfinished, judgement, rest, interruptible), (error) =>
          error._tag === "LockBusy"
            ? Effect.map(examiner.underLockOf(judgement, error.mode), (held) =>
                Outcomes.ofJudgement(entry, held, "kept")
              )
            : Effect.succeed(Outcomes.ofReclaimError(entry, judgement, error))
        )
      )
    }

  return Effect.fnUntraced(function* (
    entries: Arr.NonEmptyReadonlyArray<Entry>,
    interruptible: Interruptible
  ): Effect.fn.Return<Reclaimed> {
    const done: Array<Outcome> = []
    const alone: Array<Entry> = []
    const left: Array<Rest> = []

    const states = yield* interruptible(reclaimer.lookMany(entries))
    const condemned: Array<{ readonly entry: Entry; readonly judgement: Judgement }> = []
    for (const [index, entry] of entries.entries()) {
      const state = states[index]
      if (state?.subdirectories !== "none") {
        alone.push(entry)
        continue
      }
      const judgement = yield* interruptible(Effect.andThen(pace, examiner.examineTop(state, "claimed")))
      if (judgement.condemned === undefined) done.push(Outcomes.foretold(entry, judgement))
      else condemned.push({ entry, judgement })
    }
    if (condemned.length === 0) return { done, alone, left }

    const answers = yield* reclaimer.removeMany(
      condemned.map(({ judgement }) => judgement),
      { interruptible, judge: (state) => Effect.andThen(pace, examiner.examineTop(state, "held")) }
    )
    for (const [index, { entry, judgement }] of condemned.entries()) {
      const answer = answers[index]
      switch (answer?._tag) {
        case undefined:
          alone.push(entry)
          break
        case "Unfinished":
          left.push(finish(entry, answer))
          break
        case "Kept":
          done.push(Outcomes.foretold(entry, answer.judgement))
          break
        case "Failed":
          done.push(Outcomes.ofReclaimError(entry, judgement, answer.error))
          break
        case "Removed":
          done.push(yield* logged(Effect.succeed(Outcomes.ofDiscarded(entry, answer.judgement, { stayed: [] }, true))))
      }
    }
    return { done, alone, left }
  })
}
