/**
 * `reclaim`: judges one directory, and removes it if its owners are gone.
 *
 * @since 0.1.0
 */
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import type { DirectoryError, RootError } from "@vm-sentinel/core/Errors"
import * as Outcome from "@vm-sentinel/core/Outcome"
import type { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import type { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ExitCode, Quit } from "./ExitCode.ts"
import * as Failure from "./Failure.ts"
import * as JudgeFlags from "./JudgeFlags.ts"
import { columns, hasColors, type Output, type OutputError, write } from "./Output.ts"
import * as Overview from "./Overview.ts"
import * as Report from "./Report.ts"

/**
 * Options of {@link reclaim}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends JudgeFlags.JudgeFlags {
  readonly directory: string
  /** The operator's reason to treat owners as dead although their death can't be proven. */
  readonly assumeDead: Option.Option<string>
  readonly json: boolean
}

const encode = Schema.encodeEffect(Outcome.Outcome)

type Error = RootError | DirectoryError | OutputError | Quit

/** Whether an error is about what lies in the directory, which is kept for it: the same directory fails again. */
const keptBy = (error: Error): error is Exclude<Error, Quit> => {
  switch (error._tag) {
    case "OversizedSentinel":
    case "MalformedSentinel":
    case "UnsupportedVersion":
    case "UntrustedSentinel":
    case "MountInside":
      return true
    default:
      return false
  }
}

const assumed = (reason: Option.Option<string>, decided: boolean) => Option.filter(reason, () => decided)

/**
 * Reclaims one directory and prints the outcome. Logs a warning if the operator's word decided. Fails with {@link Quit}
 * if the directory was kept, or not removed whole.
 *
 * @category running
 * @since 0.1.0
 */
export const reclaim: (options: Options) => Effect.Effect<void, Error, Output | ProcessInspector | SentinelStore> =
  Effect.fn("reclaim")(
    function* (options) {
      const { assumeDead, directory, json } = options
      const outcome = yield* Cleanup.reclaim(directory, {
        ...JudgeFlags.options(options),
        ...(Option.isNone(assumeDead) ? {} : { assumeDead: assumeDead.value })
      })
      const word = Option.orElse(assumed(assumeDead, outcome.reason === "assumed-dead"), () =>
        assumed(options.assumeMoved, outcome.action === "removed" && outcome.evidence["moved"] !== undefined)
      )
      if (Option.isSome(word)) {
        yield* Effect.logWarning("removed on an operator's word").pipe(
          Effect.annotateLogs({ path: outcome.path, operatorReason: word.value })
        )
      }
      yield* write(
        json
          ? Report.jsonLine(yield* Effect.orDie(encode(outcome)))
          : Overview.single(outcome, {
              now: yield* DateTime.now,
              colors: yield* hasColors("stdout"),
              width: yield* columns
            })
      )
      if (outcome.action === "kept") return yield* new Quit({ code: ExitCode.kept })
      if (outcome.action === "failed") return yield* new Quit({ code: ExitCode.failed })
    },
    Effect.catch((error) => (keptBy(error) ? Failure.end(error, ExitCode.kept) : Effect.fail(error)))
  )
