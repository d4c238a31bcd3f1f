/**
 * The cleanup program: judge every directory under a root, reclaim the dead ones, explain all.
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type DirectoryError, type LookError, RefusedRoot, type RootError } from "./Errors.ts"
import * as Examiner from "./internal/examiner.ts"
import * as Outcomes from "./internal/outcomes.ts"
import { reclaimDirectory } from "./internal/reclaimDirectory.ts"
import * as ReclaimSteps from "./internal/reclaimSteps.ts"
import * as ResumeLeftovers from "./internal/resumeLeftovers.ts"
import * as Stopping from "./internal/stopping.ts"
import * as Triage from "./internal/triage.ts"
import type { Judgement } from "./Condemned.ts"
import * as Layout from "./Layout.ts"
import * as Outcome from "./Outcome.ts"
import type { ProcessInspector } from "./ProcessInspector.ts"
import type { Entry } from "./Root.ts"
import { SentinelStore } from "./SentinelStore.ts"

/**
 * How directories are judged.
 *
 * @category models
 * @since 0.1.0
 */
export interface JudgeOptions {
  /** Base names of the sentinels to read, default `.vm-sentinel`. Known names left out make a directory `unknown`. */
  readonly sentinelNames?: ReadonlyArray<string>
  /** `keep`: a v1 or v2 record, which names no boot and no namespace, never condemns. Default `trust`. */
  readonly legacy?: "trust" | "keep"
  /** `inherited`: commands keep the lock that they were started with, so that a free one proves that they ended. */
  readonly lock?: "self" | "inherited"
  /** `trust`: no other kernel has this one's boot id, though it runs in a virtual machine. Default `keep`. */
  readonly shared?: "trust" | "keep"
  /** Why records of another directory are of this one: an operator moved the root. Blank: they aren't. */
  readonly assumeMoved?: string
}

/**
 * @category models
 * @since 0.1.0
 */
export interface ReclaimOptions extends JudgeOptions {
  /** Judge only; nothing is written. */
  readonly dryRun?: boolean
  /** Measure what each directory occupies. */
  readonly sizes?: boolean
  /** An operator's reason for removing what stays `unknown`. Never overrides `alive`. */
  readonly assumeDead?: string
}

/**
 * @category models
 * @since 0.1.0
 */
export interface SweepOptions extends ReclaimOptions {
  /** Names of directories that aren't even judged. */
  readonly skip?: ReadonlyArray<string>
  /** Directories reclaimed at once. Default 32. */
  readonly concurrency?: number
  /**
   * The sweep ends early when this effect does: no other directory is begun, each deletion under way is stopped, and every
   * directory that is gone by then is told. An interruption can't tell those. Default: never.
   */
  readonly stopWhen?: Effect.Effect<unknown>
}

/**
 * Every outcome of a sweep, and their count.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report {
  readonly outcomes: ReadonlyArray<Outcome.Outcome>
  readonly summary: Outcome.Summary
}

/** Bounds what is in memory at once, and the descriptors that are open. */
const defaultConcurrency = 32

const withDefaults = (options: SweepOptions): ReclaimSteps.Options => {
  const { dryRun = false, sentinelNames, sizes = false, skip = [] } = options
  return { ...options, dryRun, sizes, skip, layout: Layout.ofNames(sentinelNames) }
}

/**
 * Fails with the error of an outcome; to be put behind {@link outcomes} where the first error of a directory ends all:
 * `Stream.mapEffect(outcomes(root), failOnError)`.
 *
 * @category running
 * @since 0.1.0
 */
export const failOnError = (outcome: Outcome.Outcome): Effect.Effect<Outcome.Outcome, DirectoryError> =>
  outcome.error === undefined ? Effect.succeed(outcome) : Effect.fail(outcome.error)

/**
 * Sweeps a root, lazily: one outcome for each directory, as it is done. First what a killed sweep left is taken up. Then pages of
 * 256 directories go through triage, which can only keep, and each directory that is left open goes the careful path, which alone can
 * remove: it is judged, claimed, judged once more, and deleted. Running two sweeps at once is safe: each directory is reported
 * `removed` once. Interruption leaves a state that the next sweep resumes.
 *
 * @category running
 * @since 0.1.0
 */
export const outcomes = (
  root: string,
  options: SweepOptions = {}
): Stream.Stream<Outcome.Outcome, RootError, ProcessInspector | SentinelStore> => {
  const { concurrency = defaultConcurrency, stopWhen } = options
  const full = withDefaults(options)
  const { skip } = full
  return Stream.unwrap(
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const opened = yield* store.openRoot(root)
      const stop = yield* Stopping.make
      if (stopWhen !== undefined) yield* Effect.forkScoped(Effect.andThen(stopWhen, stop.request))
      const steps = yield* ReclaimSteps.make(opened, full, stop)
      const { directories, leftovers } = yield* store.list(opened)
      const triage = Triage.make(store, steps.examiner.context, opened, full.layout)

      const triaged = Effect.fnUntraced(function* (page: Arr.NonEmptyReadonlyArray<Entry>) {
        // `mapEffect` begins an effect before its scope owns the fiber: an interruption in that moment would not wait for it.
        yield* Effect.yieldNow
        if (stop.isRequested()) return { kept: [], open: [] }
        const isSkipped = ({ entry }: Entry) => skip.includes(entry)
        const skipped = page.filter(isSkipped).map(Outcomes.skipped)
        const [first, ...others] = page.filter((entry) => !isSkipped(entry))
        if (first === undefined) return { kept: skipped, open: [] }
        const { kept, open } = yield* triage([first, ...others])
        return { kept: [...skipped, ...kept], open }
      })
      const sized = (outcome: Outcome.Outcome) =>
        stop.stoppable((interruptible) => steps.measured(outcome.path, interruptible, Effect.succeed(outcome)))
      const told = (outcome: Outcome.Outcome | undefined) => (outcome === undefined ? [] : [outcome])

      /** What is left to do for a page: each directory that is open, or that has to be measured, is work of its own. */
      const work = ({ kept, open }: Triage.Triaged): ReadonlyArray<Effect.Effect<ReadonlyArray<Outcome.Outcome>>> => [
        ...(full.sizes ? kept.map((outcome) => Effect.map(sized(outcome), told)) : [Effect.succeed(kept)]),
        ...open.map((entry) => Effect.map(reclaimDirectory(steps, entry), told))
      ]

      const resumed = Stream.fromIterable(leftovers).pipe(
        Stream.flatMap(ResumeLeftovers.make(steps)),
        Stream.haltWhen(stop.requested)
      )
      const swept = directories.pipe(
        Stream.chunks,
        // Drops pages, never a removal.
        Stream.interruptWhen(stop.requested),
        Stream.mapEffect(triaged, { concurrency: 2 }),
        Stream.flatMap((page) => Stream.fromArray(work(page))),
        // A directory that takes minutes holds up no other.
        Stream.mapEffect((effect) => effect, {
          concurrency: Math.max(1, Math.floor(concurrency) || 1),
          unordered: true
        }),
        Stream.flatMap(Stream.fromArray)
      )
      return Stream.concat(resumed, swept)
    })
  )
}

/** The operator's word, for the summary. */
const toldKnowledge = ({ assumeMoved, lock, shared }: JudgeOptions) => ({
  ...(lock === "inherited" ? { lock } : {}),
  ...(shared === "trust" ? { shared } : {}),
  ...(assumeMoved === undefined ? {} : { assumeMoved })
})

/**
 * {@link outcomes}, collected. Fails for the root alone: a directory's own error is kept in its outcome.
 *
 * @category running
 * @since 0.1.0
 */
export const sweep: (
  root: string,
  options?: SweepOptions
) => Effect.Effect<Report, RootError, ProcessInspector | SentinelStore> = Effect.fn("Cleanup.sweep")(function* (
  root,
  options = {}
) {
  const start = yield* Clock.currentTimeMillis
  let interrupted = false
  const stopWhen = Effect.tap(options.stopWhen ?? Effect.never, () => Effect.sync(() => (interrupted = true)))
  const all = yield* Stream.runCollect(outcomes(root, { ...options, stopWhen }))
  const empty = { ...Outcome.empty(root, options.dryRun ?? false, options.sizes ?? false), ...toldKnowledge(options) }
  const summary = Outcome.count(empty, all)
  const durationMs = (yield* Clock.currentTimeMillis) - start
  return { outcomes: all, summary: { ...summary, durationMs, ...(interrupted ? { interrupted } : {}) } }
})

/**
 * Judges one directory and removes it where it is dead. Fails with the error that a sweep would keep in the outcome.
 *
 * @category running
 * @since 0.1.0
 */
export const reclaim: (
  directory: string,
  options?: ReclaimOptions
) => Effect.Effect<Outcome.Outcome, RootError | DirectoryError, ProcessInspector | SentinelStore> = Effect.fn(
  "Cleanup.reclaim"
)(function* (directory, options = {}) {
  const store = yield* SentinelStore
  const { entry, root } = yield* store.openDirectory(directory)
  if (entry.kind !== "directory") {
    // It may hold directories that live: only a sweep knows how to take it up.
    return yield* new RefusedRoot({ path: entry.path, problem: "a sweep's own directory; sweep the root it lies in" })
  }
  const full = withDefaults(options)
  yield* store.look(entry.path, full.layout)
  const steps = yield* ReclaimSteps.make(root, full, yield* Stopping.make)
  const outcome = yield* reclaimDirectory(steps, entry)
  return outcome === undefined ? yield* Effect.interrupt : yield* failOnError(outcome)
}, Effect.scoped)

/**
 * Judges one directory. Writes nothing. The judgement carries every comparison of every sentinel.
 *
 * @category running
 * @since 0.1.0
 */
export const judge: (
  directory: string,
  options?: JudgeOptions
) => Effect.Effect<Judgement, LookError, ProcessInspector | SentinelStore> = Effect.fn("Cleanup.judge")(function* (
  directory,
  options = {}
) {
  const store = yield* SentinelStore
  const layout = Layout.ofNames(options.sentinelNames)
  const { examine } = yield* Examiner.make({ ...options, layout })
  const { judgement } = yield* examine(yield* store.look(directory, layout), "asked")
  return judgement
})
