/** Taking up what a killed sweep left in a root. What another sweep takes up first isn't reported here. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Condemned } from "../Condemned.ts"
import type { Outcome } from "../Outcome.ts"
import * as SentinelName from "../SentinelName.ts"
import type { Claim, Entry, Root, Workspace } from "../SentinelStore.ts"
import * as Examination from "./examination.ts"
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
  const subject = { entry: name, path: `${sweeper.root.path}/${name}` }
  const conclude = (claim: Claim, interruptible: Interruptible): Effect.Effect<Outcome> => {
    if (sweeper.skip.includes(name)) return putBack(sweeper, subject, claim)
    if (!sweeper.dryRun) {
      return sweeper.measured(claim.path, sweeper.conclude(subject, claim, interruptible), interruptible)
    }
    const judged = Effect.map(sweeper.examine(claim.holding), (judgement) =>
      Outcomes.ofJudgement(subject, judgement, judgement.condemned === undefined ? "kept" : "would-remove")
    )
    return sweeper.measured(claim.path, judged, interruptible)
  }
  return alone((interruptible) =>
    interruptible(sweeper.store.resumeClaim(place, entry, sweeper.sentinelNames)).pipe(
      Effect.flatMap((claim) => conclude(claim, interruptible)),
      Effect.map((outcome) => (outcome.reason === "taken" ? undefined : outcome)),
      Effect.catch((error) =>
        Effect.succeed(error._tag === "NotFound" ? undefined : Outcomes.ofLookError(subject, error))
      )
    )
  )
}

const resumeDead = (
  { dryRun, logged, measured, root, store }: Sweeper,
  place: Workspace | Root,
  condemned: Condemned,
  entry: string,
  name: string
): Found => {
  const subject = { entry: name, path: `${root.path}/${name}` }
  const path = place === root ? `${root.path}/${entry}` : `${place.path}/dead/${entry}`
  return alone((interruptible) => {
    if (dryRun) return measured(path, Effect.succeed(Outcomes.resumed(subject, "would-remove")), interruptible)
    const finished = Effect.as(
      store.finish(place, condemned, entry, interruptible),
      Outcomes.resumed(subject, "removed")
    )
    return logged(measured(path, finished, interruptible)).pipe(
      Effect.catchTag("Taken", () => Effect.undefined),
      Effect.catch((error) => Effect.succeed({ ...Outcomes.resumed(subject, "failed"), error }))
    )
  })
}

const resumeWorkspace = (sweeper: Sweeper, entry: Entry) => {
  const { court, dryRun, ownSentinel, root, store } = sweeper
  const adopt = (condemned: Condemned) =>
    Effect.acquireRelease(
      Effect.flatMap(ownSentinel, (sentinel) => store.adopt(root, condemned, sentinel)),
      store.closeWorkspace
    )
  const resumed = Effect.gen(function* () {
    const judgement = yield* Examination.examine(court, yield* store.look(entry.path), "workspace")
    const { condemned, verdict } = judgement
    if (verdict === "alive") return Stream.empty
    if (condemned === undefined) return told(Outcomes.ofJudgement(entry, judgement, "kept"))
    const workspace = dryRun ? { path: entry.path, root: root.path } : yield* adopt(condemned)
    const { claimed, dead } = yield* store.leftovers(workspace)
    return Stream.concat(
      Stream.flatMap(Stream.fromIterable(dead), (name) => resumeDead(sweeper, workspace, condemned, name, name)),
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

const resumeRemains = (sweeper: Sweeper, entry: Entry, name: string): Found =>
  Stream.unwrap(
    sweeper.store.look(entry.path).pipe(
      Effect.flatMap((holding) => Examination.examine(sweeper.court, holding, "remains")),
      Effect.map(({ condemned }) =>
        condemned === undefined ? Stream.empty : resumeDead(sweeper, sweeper.root, condemned, entry.entry, name)
      ),
      Effect.catchTag("NotFound", () => Effect.succeed(Stream.empty)),
      Effect.catch((error) => Effect.succeed(told({ ...Outcomes.resumed(entry, "failed"), error })))
    )
  )

/** Takes up one entry of a root that isn't a VM's directory. */
export const resume = (sweeper: Sweeper, entry: Entry): Found => {
  const reap = SentinelName.parseReap(entry.entry)
  switch (reap?.kind) {
    case "workspace":
      return resumeWorkspace(sweeper, entry)
    case "claimed":
      return resumeClaimed(sweeper, sweeper.root, entry.entry, reap.name)
    case "dead":
      return resumeRemains(sweeper, entry, reap.name)
    case "staged":
      return sweeper.dryRun ? Stream.empty : Stream.fromEffectDrain(Effect.ignore(sweeper.store.discardStaged(entry)))
    case undefined:
      return Stream.empty
  }
}
