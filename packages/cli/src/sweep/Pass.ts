/**
 * One walk through one root, which judges or sweeps.
 *
 * @since 0.1.0
 */
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import type { RootError, StoreFailure } from "@vm-sentinel/core/Errors"
import * as Outcome from "@vm-sentinel/core/Outcome"
import type { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import type { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Heap from "./Heap.ts"
import * as JudgeFlags from "../JudgeFlags.ts"
import * as Output from "../Output.ts"
import * as Progress from "./Progress.ts"
import type * as Report from "./Report.ts"
import * as Roots from "./Roots.ts"
import * as Text from "../text/Text.ts"
import * as WorkingDirectory from "../WorkingDirectory.ts"

/**
 * Options that all walks of a command share.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends JudgeFlags.JudgeFlags {
  /** `true`: a missing root isn't an error. */
  readonly ifExists: boolean
  /** Measures what each directory occupies. */
  readonly sizes: boolean
  /** Whether a directory of this name is passed over. */
  readonly skip: (name: string) => boolean
  /** Gets all outcomes, also those that no reporter tells. */
  readonly seen: (outcomes: ReadonlyArray<Outcome.Outcome>) => Effect.Effect<void>
  readonly progress: Progress.Mode
  /** Whether the progress has to name the root. */
  readonly isNamed: boolean
}

/**
 * One walk. `only` and `count` come from an earlier walk through the same root.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pass {
  readonly root: string
  /** Judges, and removes nothing. */
  readonly dryRun: boolean
  /** The directories that may be removed, by `Outcome.key`. `undefined`: all. */
  readonly only: ReadonlySet<string> | undefined
  /** Number of directories in the root. `undefined`: the walk counts them if progress is shown. */
  readonly count: number | undefined
}

/**
 * The walk gives way to the event loop after each batch that brings the outcomes to a further multiple of 32. Node then
 * handles signals and shows progress.
 */
const turn = 32
const takeTurn = Effect.callback<void>((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})

/**
 * Waits 2 s at most, so that neither a removal under way nor a reader that doesn't read delays an interrupted process.
 */
const inTime = <A, E, R>(word: Effect.Effect<A, E, R>) =>
  Effect.ignore(Effect.timeoutOption(Effect.interruptible(word), "2 seconds"))

const goOn = Output.note("vm-sentinel: interrupted; run it again to go on\n")

/**
 * Walks through a root, reports each outcome, and returns the summary. After an interruption it reports the summary so
 * far. It also prints how to continue, unless the walk only judges.
 *
 * @category running
 * @since 0.1.0
 */
export const run: (
  options: Options,
  pass: Pass,
  reporter: Report.Reporter
) => Effect.Effect<
  Outcome.Summary,
  RootError | StoreFailure | Output.OutputError,
  Output.Output | ProcessInspector | SentinelStore
> = Effect.fnUntraced(function* (options, pass, reporter) {
  const { ifExists, isNamed, progress, seen, sizes, skip } = options
  const { count, dryRun, only, root } = pass
  const start = yield* Clock.currentTimeMillis
  const path = yield* WorkingDirectory.absolute(root)
  const judgeOptions = JudgeFlags.options(options)
  let summary = Outcome.empty(path, { ...judgeOptions, dryRun, sizes })

  const concluded = Effect.map(Clock.currentTimeMillis, (now) => ({ ...summary, durationMs: now - start }))
  const stop = yield* Deferred.make<void>()
  const outcomes = Cleanup.outcomes(root, {
    ...judgeOptions,
    dryRun,
    sizes,
    skip,
    ...(only === undefined ? {} : { only }),
    stopWhen: Deferred.await(stop)
  })
  let turns = 0
  const walk = Stream.runForEachArray(outcomes, (some) => {
    summary = Outcome.count(summary, some)
    const told = Effect.andThen(seen(some), reporter.outcomes(some.map((outcome) => ({ ...outcome, root: path }))))
    if (Math.floor(summary.scanned / turn) === turns) return told
    if (turns === 0) Heap.keepSmall()
    turns = Math.floor(summary.scanned / turn)
    return Effect.andThen(told, takeTurn)
  })
  const step = () => ({ done: summary.scanned, removed: summary.removed, dryRun })
  const watched = Progress.during({
    mode: progress,
    root: Text.escape(path),
    isNamed,
    step,
    total: count === undefined ? Progress.totalOf(step, Roots.count(root)) : Effect.succeed(count)
  })
  // The walk has a fiber of its own, so that after an interruption the directories that are already removed are
  // reported.
  const walking = yield* Effect.forkChild(watched(walk))
  yield* Fiber.join(walking).pipe(
    Effect.catchTag("NotFound", (error) => (ifExists && summary.scanned === 0 ? Effect.void : Effect.fail(error))),
    Effect.onInterrupt(() =>
      Effect.gen(function* () {
        yield* Deferred.succeed(stop, undefined)
        yield* inTime(Fiber.await(walking))
        yield* Fiber.interrupt(walking)
        const told = Effect.flatMap(concluded, (summary) => reporter.summary({ ...summary, interrupted: true }))
        yield* inTime(dryRun ? told : Effect.andThen(Effect.ignore(told), goOn))
      })
    )
  )
  return yield* concluded
})
