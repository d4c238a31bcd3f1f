/** One sweep of one root: its court, its workspace, and what it does with an entry. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { SweepOptions } from "../Cleanup.ts"
import { assumeDead, type Condemned, type Judgement } from "../Condemned.ts"
import { type DirectoryError, type PermissionDenied, StoreFailure } from "../Errors.ts"
import type { Holding } from "../Holding.ts"
import type { Outcome } from "../Outcome.ts"
import { ProcessInspector } from "../ProcessInspector.ts"
import * as Sentinel from "../Sentinel.ts"
import { type Claim, type Entry, type Root, SentinelStore, type Workspace } from "../SentinelStore.ts"
import * as Examination from "./examination.ts"
import { nonce } from "./nonce.ts"
import * as Outcomes from "./outcomes.ts"

export interface Sweeper {
  /** Takes up what killed sweeps left. */
  readonly resume: (entry: Entry) => Stream.Stream<Outcome, DirectoryError>
  /** Judges a VM directory, and reclaims it where it is dead. */
  readonly handle: (entry: Entry) => Effect.Effect<Outcome, DirectoryError>
  readonly judge: (entry: Entry) => Effect.Effect<Judgement, DirectoryError>
}

const removedLog = ({ path, pid, reason, verdict }: Outcome) =>
  Effect.logInfo("removed directory").pipe(
    Effect.annotateLogs({ path, verdict, reason, ...(pid === undefined ? {} : { pid }) })
  )

export const make: (
  root: Root,
  options: SweepOptions
) => Effect.Effect<Sweeper, never, ProcessInspector | SentinelStore | Scope.Scope> = Effect.fnUntraced(
  function* (root, options) {
    const inspector = yield* ProcessInspector
    const store = yield* SentinelStore
    const {
      assumeDead: assumption,
      dryRun = false,
      legacy = "trust",
      sentinelNames,
      sizes = false,
      skip = []
    } = options
    const court: Examination.Court = {
      inspector,
      probeLock: store.probeLock,
      host: yield* inspector.host,
      legacy,
      isLocal: ({ id }) => root.localFileSystem && id.dev === root.id.dev
    }

    const ownSentinel = Effect.gen(function* () {
      const identity = yield* inspector.self
      const createdAt = new Date(yield* Clock.currentTimeMillis).toISOString()
      const acquisition = { nonce: yield* nonce, role: "reaper", createdAt }
      const sentinel = Sentinel.fromIdentity(identity, "v3", acquisition)
      return yield* Effect.fromResult(sentinel)
    }).pipe(
      Effect.mapError((cause) => new StoreFailure({ operation: "identify the sweep itself", path: root.path, cause }))
    )

    /** Made when the first directory is condemned: a root where all live isn't written to. */
    const workspace = yield* Effect.cached(
      Effect.acquireRelease(
        Effect.flatMap(ownSentinel, (sentinel) => store.openWorkspace(root, sentinel)),
        store.closeWorkspace
      )
    )
    const scope = yield* Effect.scope
    const ownWorkspace = Effect.provideService(workspace, Scope.Scope, scope)

    const examine = (holding: Holding) =>
      Effect.map(Examination.examine(court, holding), (judgement) =>
        assumption === undefined ? judgement : assumeDead(judgement, assumption)
      )

    const judge = (entry: Entry) => Effect.flatMap(store.look(entry.path, sentinelNames), examine)

    /** The last look: in the workspace, where no new owner can find the directory by its name. */
    const conclude = (
      subject: Outcomes.Subject,
      claim: Claim,
      interruptible: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
    ) =>
      Effect.flatMap(examine(claim.holding), (judgement) => {
        const done: Effect.Effect<Outcome, DirectoryError> =
          judgement.condemned === undefined
            ? Effect.as(store.restore(claim), Outcomes.ofJudgement(subject, judgement, "kept"))
            : Effect.as(
                interruptible(store.discard(claim, judgement.condemned)),
                Outcomes.ofJudgement(subject, judgement, "removed")
              )
        return Effect.catch(done, (error) => Effect.succeed(Outcomes.ofReclaimError(subject, judgement, error)))
      })

    const reclaim = (entry: Entry, condemned: Condemned) =>
      Effect.uninterruptibleMask((interruptible) =>
        Effect.gen(function* () {
          const mine = yield* ownWorkspace
          const claim = yield* store.claim(mine, condemned, sentinelNames)
          return yield* conclude(entry, claim, interruptible)
        })
      )

    const measured = Effect.fnUntraced(function* (
      path: string,
      outcome: Effect.Effect<Outcome, DirectoryError>
    ): Effect.fn.Return<Outcome, DirectoryError> {
      if (!sizes) return yield* outcome
      const bytes = yield* Effect.option(store.usage(path))
      const result = yield* outcome
      return bytes._tag === "Some" ? { ...result, bytes: bytes.value } : result
    })

    const handle = Effect.fnUntraced(function* (entry: Entry): Effect.fn.Return<Outcome, DirectoryError> {
      if (skip.includes(entry.entry)) return Outcomes.skipped(entry)
      const holding = yield* Effect.result(store.look(entry.path, sentinelNames))
      if (Result.isFailure(holding)) return Outcomes.ofLookError(entry, holding.failure)
      const judgement = yield* examine(holding.success)
      const { condemned } = judgement
      if (condemned === undefined) {
        return yield* measured(entry.path, Effect.succeed(Outcomes.ofJudgement(entry, judgement, "kept")))
      }
      if (dryRun) {
        return yield* measured(entry.path, Effect.succeed(Outcomes.ofJudgement(entry, judgement, "would-remove")))
      }
      const outcome = yield* measured(
        entry.path,
        Effect.catch(reclaim(entry, condemned), (error) =>
          Effect.succeed(Outcomes.ofReclaimError(entry, judgement, error))
        )
      )
      if (outcome.action === "removed") yield* removedLog(outcome)
      return outcome
    })

    const resumeClaimed = Effect.fnUntraced(function* (
      adopted: Workspace,
      name: string
    ): Effect.fn.Return<Outcome, DirectoryError> {
      const subject = { entry: name, path: `${root.path}/${name}` }
      const claim = yield* Effect.result(store.resumeClaim(adopted, name, sentinelNames))
      if (Result.isFailure(claim)) return Outcomes.ofLookError(subject, claim.failure)
      if (dryRun) {
        const judgement = yield* examine(claim.success.holding)
        return Outcomes.ofJudgement(subject, judgement, judgement.condemned === undefined ? "kept" : "would-remove")
      }
      const outcome = yield* Effect.uninterruptibleMask((interruptible) =>
        conclude(subject, claim.success, interruptible)
      )
      if (outcome.action === "removed") yield* removedLog(outcome)
      return outcome
    })

    const resumeDead = Effect.fnUntraced(function* (adopted: Workspace, condemned: Condemned, name: string) {
      const subject = { entry: name, path: `${root.path}/${name}` }
      if (dryRun) return Outcomes.resumed(subject, "would-remove")
      const finished = store.finish(adopted, condemned, name).pipe(
        Effect.as(Outcomes.resumed(subject, "removed")),
        Effect.catch((error) => Effect.succeed({ ...Outcomes.resumed(subject, "failed"), error }))
      )
      const outcome = yield* measured(`${adopted.path}/dead/${name}`, finished)
      if (outcome.action === "removed") yield* removedLog(outcome)
      return outcome
    })

    const resumeWorkspace = Effect.fnUntraced(function* (entry: Entry) {
      const holding = yield* Effect.option(store.look(entry.path))
      if (holding._tag === "None") return Stream.empty
      const judgement = yield* Examination.examine(court, holding.value, "workspace")
      const { condemned } = judgement
      if (judgement.verdict === "alive") return Stream.empty
      if (condemned === undefined) return Stream.succeed(Outcomes.ofJudgement(entry, judgement, "kept"))
      const adopted = dryRun
        ? { path: entry.path, root: root.path }
        : yield* Effect.acquireRelease(
            Effect.flatMap(ownSentinel, (sentinel) => store.adopt(root, condemned, sentinel)),
            store.closeWorkspace
          )
      const { claimed, dead } = yield* store.leftovers(adopted)
      return Stream.concat(
        Stream.mapEffect(Stream.fromIterable(dead), (name) => resumeDead(adopted, condemned, name)),
        Stream.mapEffect(Stream.fromIterable(claimed), (name) => resumeClaimed(adopted, name))
      )
    })

    const resume = (entry: Entry): Stream.Stream<Outcome, DirectoryError> => {
      if (entry.kind === "staged") {
        return dryRun ? Stream.empty : Stream.fromEffectDrain(Effect.ignore(store.discardStaged(entry)))
      }
      const failed = (error: PermissionDenied | StoreFailure) =>
        Stream.succeed<Outcome>({ ...Outcomes.resumed(entry, "failed"), error })
      return Stream.unwrap(
        resumeWorkspace(entry).pipe(
          Effect.catchTag(["Taken", "Changed"], () => Effect.succeed(Stream.empty)),
          Effect.catchTag(["PermissionDenied", "StoreFailure"], (error) => Effect.succeed(failed(error)))
        )
      )
    }

    return { resume, handle, judge }
  }
)
