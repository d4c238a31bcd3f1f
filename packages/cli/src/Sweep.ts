/**
 * `sweep` and `list`: every directory under a root.
 *
 * @since 0.1.0
 */
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import type { DirectoryError, RootError } from "@vm-sentinel/core/Errors"
import * as Outcome from "@vm-sentinel/core/Outcome"
import type { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import type { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Stdio } from "effect/Stdio"
import * as Stream from "effect/Stream"
import { ExitCode, Quit } from "./ExitCode.ts"
import type { Output, OutputError } from "./Output.ts"
import * as JudgeFlags from "./JudgeFlags.ts"
import * as Progress from "./Progress.ts"
import * as Report from "./Report.ts"
import * as WorkingDirectory from "./WorkingDirectory.ts"

/**
 * Options of {@link sweep}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends JudgeFlags.JudgeFlags {
  readonly root: string
  /** Judges, and removes nothing. */
  readonly dryRun: boolean
  readonly json: boolean
  /** Names of directories to pass over. */
  readonly skip: ReadonlyArray<string>
  /** A missing root is no failure. */
  readonly ifExists: boolean
  /** Fails when a directory was unknown or failed. */
  readonly strict: boolean
  /** Measures what each directory occupies. */
  readonly sizes: boolean
}

/** Outcomes between two turns of the event loop. Signals are handled, and progress is shown, in such a turn. */
const turn = 32
const takeTurn = Effect.callback<void>((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})

/** Waits 2 s at most: a reader that doesn't read must not hold up an interrupted process. */
const inTime = <A, E, R>(word: Effect.Effect<A, E, R>) =>
  Effect.ignore(Effect.timeoutOption(Effect.interruptible(word), "2 seconds"))

/**
 * Sweeps a root, or with `dryRun` only judges, and reports the outcome of each directory. After an interruption it
 * reports the summary so far. A full stdout doesn't end the sweep. Fails with {@link Quit} if stdout was full, or if
 * `strict` is set and a directory was unknown or failed.
 *
 * @category running
 * @since 0.1.0
 */
export const sweep: (
  options: Options
) => Effect.Effect<void, RootError | DirectoryError | OutputError | Quit, Output | ProcessInspector | SentinelStore> =
  Effect.fn("sweep")(function* (options) {
    const { dryRun, ifExists, json, root, sizes, skip, strict } = options
    const { stderrIsTerminal, stdoutIsTerminal } = yield* Stdio
    const start = yield* Clock.currentTimeMillis
    const reporter = Report.patient(json ? Report.json : Report.human())
    let summary: Outcome.Summary = {
      ...Outcome.empty(yield* WorkingDirectory.absolute(root), dryRun, sizes),
      ...JudgeFlags.vouched(options)
    }

    const conclude = Effect.fnUntraced(function* (interrupted: boolean) {
      const durationMs = (yield* Clock.currentTimeMillis) - start
      yield* reporter.summary({ ...summary, durationMs, ...(interrupted ? { interrupted } : {}) })
    })

    const stop = yield* Deferred.make<void>()
    const outcomes = Cleanup.outcomes(root, {
      ...JudgeFlags.options(options),
      dryRun,
      sizes,
      skip,
      stopWhen: Deferred.await(stop)
    })
    let turns = 0
    const run = Stream.runForEachArray(outcomes, (some) => {
      summary = Outcome.count(summary, some)
      const told = reporter.outcomes(some)
      if (Math.floor(summary.scanned / turn) === turns) return told
      turns = Math.floor(summary.scanned / turn)
      return Effect.andThen(told, takeTurn)
    })

    const isWatched = (yield* stderrIsTerminal) && !(json && (yield* stdoutIsTerminal))
    const watched = isWatched
      ? Progress.during(() => `${summary.scanned} scanned, ${summary.removed} removed`)(run)
      : run
    // A fiber of its own: after an interruption the directories that are already removed are still reported.
    const sweeping = yield* Effect.forkChild(watched)
    yield* Fiber.join(sweeping).pipe(
      Effect.catchTag("NotFound", (error) => (ifExists && summary.scanned === 0 ? Effect.void : Effect.fail(error))),
      Effect.onInterrupt(() =>
        Effect.gen(function* () {
          yield* Deferred.succeed(stop, undefined)
          yield* inTime(Fiber.await(sweeping))
          yield* Fiber.interrupt(sweeping)
          yield* inTime(conclude(true))
        })
      )
    )
    yield* conclude(false)
    if ((yield* reporter.failure) !== undefined) return yield* new Quit({ code: ExitCode.failed })
    if (strict && summary.unknown + summary.failed > 0) return yield* new Quit({ code: ExitCode.undecided })
  })
