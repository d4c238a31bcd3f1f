/** Taking up what a killed sweep left in a root. What another sweep takes up first isn't reported here. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Kind } from "../Condemned.ts"
import type { LockBusy, Taken } from "../Errors.ts"
import type { Outcome } from "../Outcome.ts"
import * as SentinelName from "../SentinelName.ts"
import type { Claim, Entry, LookError, Root, Workspace } from "../SentinelStore.ts"
import * as Outcomes from "./outcomes.ts"
import type { Sweeper } from "./sweeper.ts"
import { type Interruptible, Later } from "./underWay.ts"

/** `undefined`: another sweep has it. */
type Found = Stream.Stream<Later<Outcome | undefined>>

/** A workspace is open only as long as what lies in it is looked for. */
const alone = (run: (interruptible: Interruptible) => Effect.Effect<Outcome | undefined>): Found =>
  Stream.succeed(new Later(run, { isAlone: true }))

const told = (outcome: Outcome): Found => alone(() => Effect.succeed(outcome))

/** What isn't to be judged goes back to where it was claimed. */
const putBack = ({ dryRun, store }: Sweeper, subject: Outcomes.Subject, claim: Claim): Effect.Effect<Outcome> => {
  const skipped = Outcomes.skipped(subject)
  if (dryRun) return Effect.succeed(skipped)
  return Effect.match(store.restore(claim), {
    onSuccess: () => skipped,
    onFailure: (error): Outcome => ({ ...skipped, action: "failed", error })
  })
}

const resumeClaimed = (sweeper: Sweeper, place: Workspace | Root, entry: string, name: string): Found => {
  const { dryRun, measured, root, sentinelNames, skip, store } = sweeper
  const subject = { entry: name, path: `${root.path}/${name}` }
  const path = place === root ? `${root.path}/${entry}` : `${place.path}/claimed/${entry}`
  if (dryRun) {
    return alone(() =>
      skip.includes(name) ? Effect.succeed(Outcomes.skipped(subject)) : foretold(sweeper, subject, path, directory)
    )
  }
  return alone((interruptible) =>
    interruptible(store.resumeClaim(place, entry, sentinelNames)).pipe(
      Effect.flatMap((claim) =>
        skip.includes(name)
          ? putBack(sweeper, subject, claim)
          : measured(claim.path, sweeper.conclude(subject, claim, interruptible), interruptible)
      ),
      Effect.map((outcome) => (outcome.reason === "taken" ? undefined : outcome)),
      Effect.scoped,
      Effect.catch((error) => Effect.succeed(refused(subject, error)))
    )
  )
}

const directory: Kind = { _tag: "Directory" }

/** Without a lock and a rename: what a sweep would do. */
const foretold = (sweeper: Sweeper, subject: Outcomes.Subject, path: string, kind: Kind) =>
  sweeper.measured(
    path,
    sweeper.store.look(path, sweeper.sentinelNames).pipe(
      Effect.flatMap((holding) => sweeper.judging.examine(holding, "asked", kind)),
      Effect.map(({ judgement }) =>
        Outcomes.ofJudgement(subject, judgement, judgement.condemned === undefined ? "kept" : "would-remove")
      ),
      Effect.catch((error) => Effect.succeed(refused(subject, error)))
    )
  )

/** `undefined`: another sweep has it. */
const refused = (subject: Outcomes.Subject, error: LookError | Taken | LockBusy): Outcome | undefined => {
  switch (error._tag) {
    case "NotFound":
    case "Taken":
      return undefined
    case "LockBusy":
      return Outcomes.lockHeld(subject)
    default:
      return Outcomes.ofLookError(subject, error)
  }
}

const resumeDead = (sweeper: Sweeper, place: Workspace | Root, entry: string, marked: SentinelName.Marked): Found => {
  const { dryRun, logged, measured, root, sentinelNames, store } = sweeper
  const { name, tags } = marked
  const subject = { entry: name, path: `${root.path}/${name}` }
  const path = place === root ? `${root.path}/${entry}` : `${place.path}/dead/${entry}`
  const kind: Kind = { _tag: "Remains", tags }
  if (dryRun) return alone(() => foretold(sweeper, subject, path, kind))
  const finished = Effect.fnUntraced(function* (interruptible: Interruptible) {
    const remains = yield* store.resumeDead(place, entry, sentinelNames)
    const { holding, isLocked } = remains
    const { judgement, mayRemove } = yield* sweeper.judging.examine(holding, isLocked ? "held" : "asked", kind)
    const told = (action: Outcome["action"]) => Outcomes.ofJudgement(subject, judgement, action)
    if (judgement.condemned === undefined) return told("kept")
    return yield* store.finish(place, remains, judgement.condemned, mayRemove, interruptible).pipe(
      Effect.map((discarded) => Outcomes.ofDiscarded(told("removed"), discarded, isLocked)),
      Effect.catch((error) =>
        Effect.succeed(error._tag === "Taken" ? undefined : { ...Outcomes.resumed(subject, "failed"), error })
      )
    )
  }, Effect.scoped)
  return alone((interruptible) => {
    const outcome = Effect.catch(finished(interruptible), (error) => Effect.succeed(refused(subject, error)))
    return logged(measured(path, outcome, interruptible))
  })
}

const workspaceKind: Kind = { _tag: "Workspace" }

const resumeWorkspace = (sweeper: Sweeper, entry: Entry) => {
  const { dryRun, ownSentinel, root, store } = sweeper
  const resumed = Effect.gen(function* () {
    const holding = yield* store.look(entry.path)
    const judgement = yield* sweeper.judging.examineTop(holding, "asked", workspaceKind)
    const { condemned, verdict } = judgement
    if (verdict === "alive") return Stream.empty
    if (condemned === undefined) return told(Outcomes.ofJudgement(entry, judgement, "kept"))
    const workspace = dryRun
      ? { path: entry.path, root: root.path, isLocked: false }
      : yield* Effect.acquireRelease(store.adopt(root, condemned, ownSentinel), store.closeWorkspace)
    const { claimed, dead } = yield* store.leftovers(workspace)
    return Stream.concat(
      Stream.flatMap(Stream.fromIterable(dead), (name) =>
        resumeDead(sweeper, workspace, name, SentinelName.parseMarked(name))
      ),
      Stream.flatMap(Stream.fromIterable(claimed), (name) => resumeClaimed(sweeper, workspace, name, name))
    )
  })
  return Stream.unwrap(
    resumed.pipe(
      Effect.catchTag(["Taken", "Changed", "NotFound"], () => Effect.succeed(Stream.empty)),
      Effect.catch((error) => Effect.succeed(told({ ...Outcomes.resumed(entry, "failed"), error })))
    )
  )
}

/** Takes up one entry of a root that isn't a VM's directory. */
export const resume = (sweeper: Sweeper, entry: Entry): Found => {
  const reap = SentinelName.parseReap(entry.entry)
  switch (reap?.kind) {
    case "workspace":
      return resumeWorkspace(sweeper, entry)
    case "claimed":
      return resumeClaimed(sweeper, sweeper.root, entry.entry, reap.name)
    case "dead":
      return resumeDead(sweeper, sweeper.root, entry.entry, reap)
    case "staged":
      return sweeper.dryRun ? Stream.empty : Stream.fromEffectDrain(Effect.ignore(sweeper.store.discardStaged(entry)))
    case undefined:
      return Stream.empty
  }
}
