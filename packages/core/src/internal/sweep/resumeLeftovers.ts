/** Resumes what killed sweeps left in a root. If another sweep takes a leftover first, that sweep reports it. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Claim, Leftover, Leftovers, Remains } from "../../Reclaimer.ts"
import type { LockBusy, LookError, MountInside, PermissionDenied, StoreFailure, Taken } from "../../Errors.ts"
import type { Kind } from "../../JudgeInputs.ts"
import * as Layout from "../../Layout.ts"
import type { Outcome } from "../../Outcome.ts"
import type { Entry, Root } from "../../Root.ts"
import { isNote } from "../store/unmoved.ts"
import * as Outcomes from "./outcomes.ts"
import { discard, type ReclaimSteps } from "./reclaimSteps.ts"
import type { Interruptible } from "./stopping.ts"

/**
 * `undefined`: the leftover is gone, another sweep has it, another outcome covers it, or this sweep was stopped first.
 */
type Told = Effect.Effect<Outcome | undefined>

const workspace: Kind = { _tag: "Workspace" }

/** The place of a moved directory in its root. */
const directoryOf = ({ path }: Root, { name }: Leftover<unknown>): Entry => ({
  kind: "directory",
  entry: name,
  path: `${path}/${name}`
})

type OpenError = LookError | MountInside | Taken

/** The outcome of a leftover that could not be opened. `undefined`: the leftover is gone, or another sweep has it. */
const refused = (directory: Entry, error: OpenError): Outcome | undefined =>
  error._tag === "NotFound" || error._tag === "Taken" ? undefined : Outcomes.ofLookError(directory, error)

/** `isWanted`: the names of the directories to resume. Default: all. */
export const make = (
  steps: ReclaimSteps,
  isWanted: (name: string) => boolean = () => true
): ((entry: Entry) => Stream.Stream<Outcome>) => {
  const { allows, conclude, examiner, logged, measured, options, reclaimer, root, stop, store } = steps
  const { dryRun, layout, skip } = options

  /** The judgement of a leftover whose lock another process holds. */
  const judgeHeld = (path: string, kind: Kind | undefined, { mode }: LockBusy) =>
    Effect.flatMap(store.inspect(path, layout), (state) =>
      Effect.flatMap(examiner.examineTop(state, "claimed", kind), (judgement) => examiner.underLockOf(judgement, mode))
    )

  const told = (
    directory: Entry,
    path: string,
    kind: Kind | undefined,
    use: (interruptible: Interruptible) => Effect.Effect<Outcome | undefined, OpenError | LockBusy, Scope.Scope>
  ): Told =>
    stop.stoppable((interruptible) =>
      measured(path, interruptible, Effect.scoped(use(interruptible))).pipe(
        Effect.catchTag("LockBusy", (error) =>
          Effect.map(judgeHeld(path, kind, error), (judgement) => Outcomes.ofJudgement(directory, judgement, "kept"))
        ),
        Effect.catch((error) => Effect.succeed(refused(directory, error)))
      )
    )

  /** Judges a leftover in a dry run. Takes no lock, and renames nothing. */
  const foretell = (directory: Entry, path: string, kind?: Kind): Told =>
    told(directory, path, kind, (interruptible) =>
      interruptible(
        Effect.flatMap(store.inspect(path, layout), (state) => examiner.examine(state, "asked", kind))
      ).pipe(Effect.map(({ judgement }) => Outcomes.foretold(directory, judgement)))
    )

  /** A directory that a note names, and that still has a sentinel, gets an outcome of its own. */
  const foretellNoted = (directory: Entry, path: string, kind: Kind): Told =>
    Effect.matchEffect(store.inspect(directory.path, layout), {
      onFailure: () => Effect.undefined,
      onSuccess: ({ sentinels }) => (sentinels.length > 0 ? Effect.undefined : foretell(directory, path, kind))
    })

  /** Puts a skipped directory back into the root, without a judgement. */
  const putBack = (directory: Entry, claim: Claim): Effect.Effect<Outcome> =>
    Effect.match(claim.restore, {
      onSuccess: () => Outcomes.skipped(directory),
      onFailure: (error): Outcome => ({ ...Outcomes.skipped(directory), action: "failed", error })
    })

  const resumeClaimed = (leftover: Leftover<Claim>): Told => {
    const { name, path } = leftover
    const directory = directoryOf(root, leftover)
    const isSkipped = skip(name)
    if (dryRun) return isSkipped ? Effect.succeed(Outcomes.skipped(directory)) : foretell(directory, path)
    return told(directory, path, undefined, (interruptible) =>
      Effect.flatMap(leftover.open, (claim) =>
        isSkipped
          ? putBack(directory, claim)
          : Effect.map(conclude(directory, claim, interruptible, allows), (outcome) =>
              outcome.reason === "taken" ? undefined : outcome
            )
      )
    )
  }

  /** Opens a directory whose deletion had begun, judges it again, and goes on with the deletion. */
  const finish = Effect.fnUntraced(function* (leftover: Remains, kind: Kind, interruptible: Interruptible) {
    const directory = directoryOf(root, leftover)
    const remains = yield* leftover.open
    const lock = remains.isLocked ? "held" : "asked"
    const examined = yield* interruptible(examiner.examine(remains.state, lock, kind))
    const { judgement } = examined
    const { condemned } = judgement
    const foreseen = () => Outcomes.foretold(directory, judgement)
    if (condemned === undefined || !allows(foreseen)) return foreseen()
    return yield* discard(directory, remains, examined, condemned, interruptible).pipe(
      Effect.catchTag("Taken", () => Effect.undefined),
      Effect.catch((error) => Effect.succeed(Outcomes.ofReclaimError(directory, judgement, error)))
    )
  })

  const resumeDead = (leftover: Remains): Told => {
    const { path, tags } = leftover
    const directory = directoryOf(root, leftover)
    const kind: Kind = { _tag: "Remains", tags }
    // The skipped directory stays where it lies, because parts of it may be gone already.
    if (skip(leftover.name)) return Effect.succeed(Outcomes.skipped(directory))
    if (dryRun) return isNote(leftover) ? foretellNoted(directory, path, kind) : foretell(directory, path, kind)
    return told(directory, path, kind, (interruptible) => logged(Effect.scoped(finish(leftover, kind, interruptible))))
  }

  const isIn = ({ name }: Leftover<unknown>): boolean => isWanted(name)

  const resumeAll = ({ claimed, dead }: Leftovers): Stream.Stream<Outcome> =>
    Stream.fromIterable([...dead.filter(isIn).map(resumeDead), ...claimed.filter(isIn).map(resumeClaimed)]).pipe(
      Stream.mapEffect((outcome) => outcome),
      Stream.filter((outcome) => outcome !== undefined)
    )

  const failed = (entry: Entry, error: MountInside | PermissionDenied | StoreFailure) =>
    Stream.succeed(Outcomes.failedResuming(entry, error))

  /** This sweep keeps the adopted workspace until all of its contents are resumed. */
  const resumeWorkspace = (entry: Entry): Stream.Stream<Outcome> => {
    const resumed = Effect.gen(function* () {
      const state = yield* store.inspect(entry.path, Layout.standard)
      const judgement = yield* examiner.examineTop(state, "asked", workspace)
      const { condemned, verdict } = judgement
      if (verdict === "alive") return Stream.empty
      if (condemned === undefined) return Stream.succeed(Outcomes.ofJudgement(entry, judgement, "kept"))
      return resumeAll(yield* dryRun ? reclaimer.leftovers(entry) : reclaimer.adopt(condemned))
    })
    return Stream.unwrap(
      resumed.pipe(
        Effect.catchTag(["Taken", "Changed", "NotFound"], () => Effect.succeed(Stream.empty)),
        Effect.catchTag("MountInside", (error) => Effect.succeed(Stream.succeed(Outcomes.ofLookError(entry, error)))),
        Effect.catch((error) => Effect.succeed(failed(entry, error)))
      )
    )
  }

  const discardStaged = Effect.fnUntraced(function* ({ path }: Entry) {
    const state = yield* store.inspect(path, Layout.withStandard(layout))
    const { judgement } = yield* examiner.examine(state, "asked")
    yield* reclaimer.discardStaged(judgement)
  })

  return (entry) => {
    switch (entry.kind) {
      case "workspace":
        return resumeWorkspace(entry)
      case "claimed":
      case "dead":
        return Stream.unwrap(
          Effect.match(reclaimer.leftovers(entry), {
            onSuccess: resumeAll,
            onFailure: (error) => failed(entry, error)
          })
        )
      case "staged":
        return dryRun ? Stream.empty : Stream.fromEffectDrain(Effect.ignore(discardStaged(entry)))
      case "directory":
        return Stream.empty
    }
  }
}
