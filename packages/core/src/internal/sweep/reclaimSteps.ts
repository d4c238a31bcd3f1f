/**
 * Steps of the careful path, the only path that can remove: look at one directory, judge, lock, claim, judge again,
 * delete. Leftovers of killed sweeps need no new claim.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { LazyArg } from "effect/Function"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import type * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type { Claim, Discarded, MayRemove, OwnSentinel, Reclaimer, Removable } from "../../Reclaimer.ts"
import type { Condemned, Judgement } from "../../Condemned.ts"
import { type DirectoryError, StoreFailure } from "../../Errors.ts"
import { key, type Outcome } from "../../Outcome.ts"
import { ProcessInspector } from "../../ProcessInspector.ts"
import type { Entry, Root } from "../../Root.ts"
import * as Sentinel from "../../Sentinel.ts"
import { SentinelStore } from "../../SentinelStore.ts"
import * as Slices from "../../Slices.ts"
import { isoTime } from "../judgement/isoTime.ts"
import * as Examiner from "./examiner.ts"
import { nonce } from "../store/nonce.ts"
import type { Examined } from "./ownersBelow.ts"
import * as Outcomes from "./outcomes.ts"
import type { Interruptible, Stop } from "./stopping.ts"

export interface Options extends Examiner.Options {
  readonly dryRun: boolean
  readonly sizes: boolean
  readonly skip: Predicate.Predicate<string>
  readonly only?: ReadonlySet<string>
}

/** Whether a condemned directory may be removed. Calls `foreseen` only if the answer depends on its result. */
export type Allows = (foreseen: LazyArg<Outcome>) => boolean

export interface ReclaimSteps {
  readonly root: Root
  readonly store: SentinelStore["Service"]
  readonly examiner: Examiner.Examiner
  readonly reclaimer: Reclaimer
  readonly options: Options
  readonly stop: Stop
  /**
   * Each fiber that reclaims a directory runs `pace` first. Together these fibers work for 1 ms in one turn of the
   * event loop.
   */
  readonly pace: Effect.Effect<void>
  /** Whether a condemned directory may be removed. Each key of `only` allows one removal. */
  readonly allows: Allows
  /**
   * Judges a claimed directory again, then removes it or puts it back. `allows`: whether a condemned directory may be
   * removed. `known`: the inner sentinels that the first judgement allowed to delete. Without `known` the second
   * judgement examines the inner directories too.
   */
  readonly conclude: (
    directory: Entry,
    claim: Claim,
    interruptible: Interruptible,
    allows: Allows,
    known?: MayRemove
  ) => Effect.Effect<Outcome>
  /** Logs the outcome if it is a removal. */
  readonly logged: <A extends Outcome | undefined, E, R>(outcome: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /**
   * Adds the size of the directory at `path` if sizes are wanted. Measures before `outcome` runs, because `outcome` may
   * remove the directory.
   */
  readonly measured: <A extends Outcome | undefined, E>(
    path: string,
    interruptible: Interruptible,
    outcome: Effect.Effect<A, E>
  ) => Effect.Effect<A | Outcome, E>
}

const logRemoval = (outcome: Outcome | undefined) => {
  if (outcome === undefined || outcome.action !== "removed") return Effect.void
  const { path, pid, reason, verdict } = outcome
  return Effect.logInfo("removed directory").pipe(
    Effect.annotateLogs({ path, verdict, reason, ...(pid === undefined ? {} : { pid }) })
  )
}

/** Whether a logger would print the log entries. If none would, no entry is built. */
const isHeard = Effect.gen(function* () {
  const { size } = yield* Logger.CurrentLoggers
  return size > 0 && LogLevel.isLessThanOrEqualTo(yield* References.MinimumLogLevel, "Info")
})

const nothing: Discarded = { stayed: [] }

type DiscardError = Effect.Error<ReturnType<Removable["discard"]>>

/**
 * Runs a deletion. After an interruption, `isGone` runs outside of the interrupted effect, while lock and claim are
 * still held. A directory that is gone is thus reported, whether the deletion or the interruption came first.
 */
export const discarding = <E>(
  directory: Entry,
  { isGone, isLocked }: Pick<Removable, "isGone" | "isLocked">,
  judgement: Judgement,
  deletion: Effect.Effect<Discarded, E>,
  interruptible: Interruptible
): Effect.Effect<Outcome, E> =>
  interruptible(deletion).pipe(
    Effect.catchCauseIf(Cause.hasInterruptsOnly, (cause) =>
      Effect.flatMap(isGone, (gone) => (gone ? Effect.succeed(nothing) : Effect.failCause(cause)))
    ),
    Effect.map((discarded) => Outcomes.ofDiscarded(directory, judgement, discarded, isLocked))
  )

/** Deletes a condemned directory. */
export const discard = (
  directory: Entry,
  removable: Removable,
  { judgement, mayRemove }: Examined,
  condemned: Condemned,
  interruptible: Interruptible
): Effect.Effect<Outcome, DiscardError> =>
  discarding(directory, removable, judgement, removable.discard(condemned, mayRemove), interruptible)

export const make = Effect.fnUntraced(function* (
  root: Root,
  options: Options,
  stop: Stop
): Effect.fn.Return<ReclaimSteps, never, ProcessInspector | SentinelStore | Scope.Scope> {
  const inspector = yield* ProcessInspector
  const store = yield* SentinelStore
  const examiner = yield* Examiner.make(options)

  const self: OwnSentinel = Effect.fnUntraced(
    function* (lock) {
      const identity = yield* inspector.self
      const createdAt = isoTime(yield* Clock.currentTimeMillis) ?? ""
      const acquisition = {
        nonce: yield* nonce,
        role: Sentinel.sweepRole,
        createdAt,
        ...Sentinel.lockRecord(lock, "self")
      }
      return yield* Effect.fromResult(Sentinel.fromIdentity(identity, "v3", acquisition))
    },
    Effect.mapError((cause) => new StoreFailure({ operation: "identify the sweep itself", path: root.path, cause }))
  )

  const logged: ReclaimSteps["logged"] = (yield* isHeard) ? Effect.tap(logRemoval) : (outcome) => outcome

  const measured: ReclaimSteps["measured"] = (path, interruptible, outcome) =>
    options.sizes
      ? Effect.flatMap(interruptible(Effect.option(store.usage(path))), (bytes) =>
          Effect.map(outcome, (told) =>
            told !== undefined && bytes._tag === "Some" ? { ...told, bytes: bytes.value } : told
          )
        )
      : outcome

  const judgeAgain = (claim: Claim, known: MayRemove | undefined) => {
    const lock = claim.isLocked ? "held" : "asked"
    return known === undefined
      ? examiner.examine(claim.state, lock)
      : Effect.map(examiner.examineTop(claim.state, lock), (judgement) => ({ judgement, mayRemove: known }))
  }

  const conclude: ReclaimSteps["conclude"] = (directory, claim, interruptible, allows, known) =>
    // An interrupted judgement closes the scope of the claim, whose finalizer puts the directory back.
    Effect.flatMap(interruptible(judgeAgain(claim, known)), (examined) => {
      const { judgement } = examined
      const { condemned } = judgement
      const foreseen = () => Outcomes.foretold(directory, judgement)
      const done: Effect.Effect<Outcome, DirectoryError> =
        condemned === undefined || !allows(foreseen)
          ? Effect.map(claim.restore, foreseen)
          : discard(directory, claim, examined, condemned, interruptible)
      return logged(Effect.catch(done, (error) => Effect.succeed(Outcomes.ofReclaimError(directory, judgement, error))))
    })

  const reclaimer = yield* store.reclaimer(root, { self, layout: options.layout })
  const left = new Set(options.only)
  const allows: Allows = (foreseen) => options.only === undefined || left.delete(key(foreseen()))
  const pace = yield* Slices.makePace
  return { root, store, examiner, reclaimer, options, stop, pace, allows, conclude, logged, measured }
})
