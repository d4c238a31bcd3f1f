/** One sweep of one root: its court, its workspace, and what it does with an entry. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import type { SweepOptions } from "../Cleanup.ts"
import type { Condemned } from "../Condemned.ts"
import { type DirectoryError, StoreFailure } from "../Errors.ts"
import type { Glimpse } from "../Holding.ts"
import type { Outcome } from "../Outcome.ts"
import { ProcessInspector } from "../ProcessInspector.ts"
import * as Sentinel from "../Sentinel.ts"
import * as SentinelName from "../SentinelName.ts"
import * as Slices from "../Slices.ts"
import {
  type Claim,
  type Entry,
  type MayRemove,
  type OwnSentinel,
  type Root,
  SentinelStore,
  type Workspace
} from "../SentinelStore.ts"
import * as Examination from "./examination.ts"
import * as Judging from "./judging.ts"
import { nonce } from "./nonce.ts"
import * as Outcomes from "./outcomes.ts"
import { isFull } from "./workspaces.ts"
import { type Interruptible, Later } from "./underWay.ts"

export interface Sweeper {
  readonly root: Root
  readonly store: SentinelStore["Service"]
  readonly judging: Judging.Judging
  readonly dryRun: boolean
  readonly skip: ReadonlyArray<string>
  readonly sentinelNames: ReadonlyArray<string> | undefined
  /** The sweep's own, for the workspaces that it makes or takes over. */
  readonly ownSentinel: OwnSentinel
  /** The last look, and what follows from it: removed, or put back. */
  readonly conclude: (
    subject: Outcomes.Subject,
    claim: Claim,
    interruptible: Interruptible,
    mayRemove?: MayRemove
  ) => Effect.Effect<Outcome>
  /** Logs a removal. */
  readonly logged: <A extends Outcome | undefined, E>(outcome: Effect.Effect<A, E>) => Effect.Effect<A, E>
  /** Adds the size of what lies at `path` where sizes are asked for. */
  readonly measured: <A extends Outcome | undefined, E>(
    path: string,
    outcome: Effect.Effect<A, E>,
    interruptible?: Interruptible
  ) => Effect.Effect<A | Outcome, E>
  /** Judges a VM directory; where it is dead, to reclaim it is left for later. */
  readonly begin: (entry: Entry) => Outcome | Effect.Effect<Outcome | Later<Outcome>>
  /** Judges a VM directory, and reclaims it where it is dead. */
  readonly handle: (entry: Entry) => Later<Outcome>
  /** These will be begun after those that are being handled, in this order. */
  readonly expect: (entries: ReadonlyArray<Entry>) => void
}

const logRemoval = (outcome: Outcome | undefined) => {
  if (outcome === undefined || outcome.action !== "removed") return Effect.void
  const { path, pid, reason, verdict } = outcome
  return Effect.logInfo("removed directory").pipe(
    Effect.annotateLogs({ path, verdict, reason, ...(pid === undefined ? {} : { pid }) })
  )
}

/** What nobody hears isn't said, of very many directories. */
const isHeard = Effect.gen(function* () {
  const { size } = yield* Logger.CurrentLoggers
  return size > 0 && LogLevel.isLessThanOrEqualTo(yield* References.MinimumLogLevel, "Info")
})

export const make: (
  root: Root,
  options: SweepOptions
) => Effect.Effect<Sweeper, never, ProcessInspector | SentinelStore | Scope.Scope> = Effect.fnUntraced(
  function* (root, options) {
    const inspector = yield* ProcessInspector
    const store = yield* SentinelStore
    const { dryRun = false, sentinelNames, sizes = false, skip = [] } = options
    const judging = yield* Judging.make(options)
    const { court, examine, examineTop } = judging

    const ownSentinel: OwnSentinel = Effect.fnUntraced(
      function* (lock) {
        const identity = yield* inspector.self
        const createdAt = new Date(yield* Clock.currentTimeMillis).toISOString()
        const acquisition = { nonce: yield* nonce, role: "reaper", createdAt, ...Sentinel.lockRecord(lock, "self") }
        return yield* Effect.fromResult(Sentinel.fromIdentity(identity, "v3", acquisition))
      },
      Effect.mapError((cause) => new StoreFailure({ operation: "identify the sweep itself", path: root.path, cause }))
    )

    /** Made when the first directory is condemned: a root where all live isn't written to. */
    const workspace = yield* Effect.cached(
      Effect.acquireRelease(store.openWorkspace(root, ownSentinel), store.closeWorkspace)
    )
    const scope = yield* Effect.scope
    let opened: Workspace | undefined
    const ownWorkspace = Effect.map(Effect.provideService(workspace, Scope.Scope, scope), (made) => (opened = made))

    const logged: Sweeper["logged"] = (yield* isHeard) ? Effect.tap(logRemoval) : (outcome) => outcome

    /** The last look: in the workspace, where no new owner can find the directory by its name. */
    const conclude: Sweeper["conclude"] = (subject, claim, interruptible, known) => {
      const lock = claim.isLocked ? "held" : "asked"
      const examined =
        known === undefined
          ? examine(claim.holding, lock)
          : Effect.map(examineTop(claim.holding, lock), (judgement) => ({ judgement, mayRemove: known }))
      return Effect.flatMap(examined, ({ judgement, mayRemove }) => {
        const told = (action: Outcome["action"]) => Outcomes.ofJudgement(subject, judgement, action)
        const done: Effect.Effect<Outcome, DirectoryError> =
          judgement.condemned === undefined
            ? Effect.as(store.restore(claim), told("kept"))
            : Effect.map(store.discard(claim, judgement.condemned, mayRemove, interruptible), (discarded) =>
                Outcomes.ofDiscarded(told("removed"), discarded, claim.isLocked)
              )
        return logged(Effect.catch(done, (error) => Effect.succeed(Outcomes.ofReclaimError(subject, judgement, error))))
      })
    }

    /** A full file system has no room for a workspace, and is where a removal is wanted most. */
    const roomyPlace = Effect.catchTag(ownWorkspace, "StoreFailure", (error) =>
      isFull(error) ? Effect.succeed(root) : Effect.fail(error)
    )
    const place = Effect.suspend(() => (opened === undefined ? roomyPlace : Effect.succeed(opened)))

    const reclaim = Effect.fnUntraced(function* (
      entry: Entry,
      condemned: Condemned,
      mayRemove: MayRemove,
      interruptible: Interruptible
    ) {
      const claim = yield* store.claim(yield* place, condemned, sentinelNames)
      return yield* conclude(entry, claim, interruptible, mayRemove)
    }, Effect.scoped)

    const measured: Sweeper["measured"] = (path, outcome, interruptible = identity) =>
      sizes
        ? Effect.flatMap(interruptible(Effect.option(store.usage(path))), (bytes) =>
            Effect.map(outcome, (result) =>
              result !== undefined && bytes._tag === "Some" ? { ...result, bytes: bytes.value } : result
            )
          )
        : outcome

    /**
     * The first sentinel mostly says that its owner lives, and then no other has a say. Where the last directory was of the
     * dead this one likely is too, and a glance would be in vain.
     */
    let isLifeLikely = true
    const [name, ...otherNames] = sentinelNames ?? [SentinelName.defaultName]
    const glancer = name === undefined || otherNames.length > 0 ? undefined : yield* store.glancer(root, name)
    const glance = Examination.makeGlance(court)
    const ofLife = Outcomes.ofLives(root.path)

    const beginToJudge = Effect.fnUntraced(function* (entry: Entry): Effect.fn.Return<Outcome | Later<Outcome>> {
      const holding = yield* Effect.result(store.look(entry.path, sentinelNames))
      if (Result.isFailure(holding)) return Outcomes.ofLookError(entry, holding.failure)
      // The claim takes the lock: whoever only says what would be done has to ask for it.
      const { judgement, mayRemove } = yield* examine(holding.success, dryRun ? "asked" : "claimed")
      const { condemned } = judgement
      isLifeLikely = judgement.verdict === "alive"
      if (condemned === undefined) {
        return yield* measured(entry.path, Effect.succeed(Outcomes.ofJudgement(entry, judgement, "kept")))
      }
      if (dryRun) {
        return yield* measured(entry.path, Effect.succeed(Outcomes.ofJudgement(entry, judgement, "would-remove")))
      }
      // Nothing is read while the disk makes sure of the workspace: it would wait for that, and all the rest with it.
      if (opened === undefined) yield* Effect.ignore(place)
      return new Later((interruptible) => {
        const reclaimed = Effect.catch(reclaim(entry, condemned, mayRemove, interruptible), (error) =>
          Effect.succeed(Outcomes.ofReclaimError(entry, judgement, error))
        )
        return measured(entry.path, reclaimed, interruptible)
      })
    })

    const settle = (entry: Entry, { content, writtenAt }: Glimpse, life: Examination.Life | undefined) =>
      Effect.flatMap(life === undefined ? glance.ask(entry.path, content) : Effect.succeed(life), (found) =>
        found === undefined
          ? beginToJudge(entry)
          : measured(entry.path, Effect.succeed(ofLife(entry, found, writtenAt)))
      )

    const begin: Sweeper["begin"] = (entry) => {
      if (skip.includes(entry.entry)) return Outcomes.skipped(entry)
      const glimpse = isLifeLikely ? glancer?.glance(entry.entry) : undefined
      if (glimpse === undefined) return beginToJudge(entry)
      const life = glance.recall(glimpse.content)
      return life === undefined || sizes ? settle(entry, glimpse, life) : ofLife(entry, life, glimpse.writtenAt)
    }

    const expect: Sweeper["expect"] = (entries) => {
      if (!isLifeLikely || glancer === undefined) return
      const names = entries.map(({ entry }) => entry)
      glancer.expect(skip.length === 0 ? names : names.filter((name) => !skip.includes(name)))
    }

    const giveWay = Slices.makeGiveWay()
    const handle: Sweeper["handle"] = (entry) => {
      const begun = Effect.flatMap(giveWay, () => {
        const begun = begin(entry)
        return Effect.isEffect(begun) ? begun : Effect.succeed(begun)
      })
      return new Later((interruptible) =>
        Effect.flatMap(interruptible(begun), (result) =>
          result instanceof Later ? result.run(interruptible) : Effect.succeed(result)
        )
      )
    }

    return {
      root,
      store,
      judging,
      dryRun,
      skip,
      sentinelNames,
      ownSentinel,
      conclude,
      logged,
      measured,
      begin,
      handle,
      expect
    }
  }
)
