/**
 * The cleanup program: judge every directory under a root, reclaim the dead ones, explain all.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Judgement } from "./Condemned.ts"
import { type DirectoryError, RefusedRoot, type RootError } from "./Errors.ts"
import * as Judging from "./internal/judging.ts"
import * as Resumption from "./internal/resumption.ts"
import * as Sweeper from "./internal/sweeper.ts"
import * as UnderWay from "./internal/underWay.ts"
import * as Outcome from "./Outcome.ts"
import type { ProcessInspector } from "./ProcessInspector.ts"
import { type Entry, type LookError, SentinelStore } from "./SentinelStore.ts"

/**
 * How directories are judged.
 *
 * @category models
 * @since 0.1.0
 */
export interface JudgeOptions {
  /** Base names of the sentinels to read, default `.vm-sentinel`. Known names left out make a directory `unknown`. */
  readonly sentinelNames?: ReadonlyArray<string>
  /** What a v1 or v2 record, which names no boot and no namespace, can do. Default `trust`. */
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
  /** `keep` (default): a directory's own error is kept in its outcome. `fail`: the first one ends the sweep. */
  readonly onError?: "keep" | "fail"
  /** Directories handled at once. Default: what the store finds worth while. */
  readonly concurrency?: number
  /**
   * When it ends, the sweep ends early and in good order: no other directory is begun, what is under way is stopped, and
   * every directory that is gone by then is told. An interruption can't tell those. Default: never.
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

/** `undefined`: not ours to tell. */
type Work = Entry | UnderWay.Later<Outcome.Outcome | undefined>

/** Comes between two batches: what one leaves under way is done before the next is begun, and the event loop waits less. */
const allDone: Work = new UnderWay.Later(() => Effect.undefined, { isAlone: true })

/** What removes, and what may end the sweep, is told before anything else is done. */
const isUrgent = ({ action, error }: Outcome.Outcome): boolean => action !== "kept" || error !== undefined

/**
 * Where directories are looked at one after the other, so many removals may be under way meanwhile.
 * V8 copies what belongs to them when it collects garbage: of more, the event loop would wait for that longer.
 */
const removalsUnderWay = 64

const failOnError = (outcome: Outcome.Outcome): Effect.Effect<Outcome.Outcome, DirectoryError> =>
  outcome.error === undefined ? Effect.succeed(outcome) : Effect.fail(outcome.error)

/**
 * Sweeps a root, lazily: one outcome for each directory, as it is done. First what a killed sweep left is taken up,
 * then each directory is judged, and the dead ones are claimed, judged once more, and removed. Running two at once is
 * safe: each directory is reported `removed` once. Interruption leaves a state that the next sweep resumes.
 *
 * @category running
 * @since 0.1.0
 */
export const outcomes = (
  root: string,
  options: SweepOptions = {}
): Stream.Stream<Outcome.Outcome, RootError | DirectoryError, ProcessInspector | SentinelStore> => {
  const { onError = "keep", stopWhen = Effect.never } = options
  const all = Stream.unwrap(
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const opened = yield* store.openRoot(root)
      const sweeper = yield* Sweeper.make(opened, options)
      const { concurrency = store.parallelism } = options
      const isOneByOne = concurrency === 1
      const begin = (work: Work) =>
        work instanceof UnderWay.Later ? work : isOneByOne ? sweeper.begin(work) : sweeper.handle(work)
      const work = Stream.unwrap(
        Effect.map(store.list(opened), ({ directories, left }): Stream.Stream<Work> => {
          const resumed = Stream.flatMap(Stream.fromIterable(left), (entry) => Resumption.resume(sweeper, entry))
          // One batch is expected while the one before it is handed on.
          const rest = Stream.mapAccumArray(
            directories,
            (): ReadonlyArray<Work> => [],
            (before, batch) => {
              sweeper.expect(batch)
              return [[...batch, allDone], before] as const
            },
            { onHalt: (last) => last }
          )
          return Stream.concat(resumed, rest)
        })
      )
      return UnderWay.map(work, begin, {
        isUrgent,
        stopWhen,
        window: isOneByOne ? (options.concurrency ?? removalsUnderWay) : concurrency
      })
    })
  )
  return onError === "keep" ? all : Stream.mapEffect(all, failOnError)
}

/** What the operator said, for the summary. */
const toldKnowledge = ({ assumeMoved, lock, shared }: JudgeOptions) => ({
  ...(lock === "inherited" ? { lock } : {}),
  ...(shared === "trust" ? { shared } : {}),
  ...(assumeMoved === undefined ? {} : { assumeMoved })
})

/**
 * {@link outcomes}, collected. Fails for the root itself; with `onError: "fail"` also for the first directory that
 * can't be judged or removed.
 *
 * @category running
 * @since 0.1.0
 */
export const sweep: (
  root: string,
  options?: SweepOptions
) => Effect.Effect<Report, RootError | DirectoryError, ProcessInspector | SentinelStore> = Effect.fn("Cleanup.sweep")(
  function* (root, options = {}) {
    const start = yield* Clock.currentTimeMillis
    let interrupted = false
    const stopWhen = Effect.tap(options.stopWhen ?? Effect.never, () => Effect.sync(() => (interrupted = true)))
    const all = yield* Stream.runCollect(outcomes(root, { ...options, stopWhen }))
    const empty = { ...Outcome.empty(root, options.dryRun ?? false, options.sizes ?? false), ...toldKnowledge(options) }
    const summary = Outcome.count(empty, all)
    const durationMs = (yield* Clock.currentTimeMillis) - start
    return { outcomes: all, summary: { ...summary, durationMs, ...(interrupted ? { interrupted } : {}) } }
  }
)

/**
 * Judges one directory and removes it where it is dead. What a sweep would keep in the outcome, this fails with.
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
  yield* store.look(entry.path, options.sentinelNames)
  const sweeper = yield* Sweeper.make(root, options)
  return yield* Effect.flatMap(Effect.uninterruptibleMask(sweeper.handle(entry).run), failOnError)
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
  const { examine } = yield* Judging.make(options)
  const { judgement } = yield* examine(yield* store.look(directory, options.sentinelNames), "asked")
  return judgement
})
