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
import * as Confirmation from "./Confirmation.ts"
import { ExitCode, Quit } from "../ExitCode.ts"
import * as Failure from "../Failure.ts"
import * as JudgeFlags from "../JudgeFlags.ts"
import { columns, errorColumns, hasColors, type Output, type OutputError, show, write } from "../Output.ts"
import * as Overview from "../text/Overview.ts"
import * as Report from "./Report.ts"
import * as Text from "../text/Text.ts"

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
  /** Asks for no confirmation. */
  readonly yes: boolean
}

const encode = Schema.encodeEffect(Outcome.Outcome)

type Error = RootError | DirectoryError | OutputError | Quit

/**
 * Whether the content of the directory causes the error. Such a directory counts as kept, since it would fail again.
 */
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

const encoded = (outcome: Outcome.Outcome) => Effect.map(Effect.orDie(encode(outcome)), Report.jsonLine)

/**
 * The operator's reason, and the key of the directory that it is about (`Outcome.key`). `only` is `undefined`: the
 * reason is about any directory at the path.
 */
interface Agreed {
  readonly assumeDead: Option.Option<string>
  readonly only: ReadonlySet<string> | undefined
}

/**
 * The operator's reason. At a terminal, and without `yes`, somebody first has to agree to the removal that it would
 * cause. Fails with {@link Quit} after a no. A reason that decides nothing at this look is dropped, so that it can't
 * decide at the next look without a question. A yes counts only for the directory that was shown, because another
 * directory may take its name before the answer.
 */
const agreed = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Agreed, Error, Output | ProcessInspector | SentinelStore> {
  const { assumeDead, directory, json, yes } = options
  if (Option.isNone(assumeDead) || yes || !(yield* Confirmation.isPossible)) return { assumeDead, only: undefined }
  const reason = assumeDead.value
  const outcome = yield* Cleanup.reclaim(directory, {
    ...JudgeFlags.options(options),
    assumeDead: reason,
    dryRun: true
  })
  if (outcome.reason !== "assumed-dead") return { assumeDead: Option.none(), only: undefined }
  const shown = { now: yield* DateTime.now, colors: yield* hasColors("stderr"), width: yield* errorColumns }
  yield* show(`${Overview.single(outcome, shown)}\n`)
  if (yield* Confirmation.ask(`Remove it on your word (${Text.escape(reason)})?`)) {
    return { assumeDead, only: new Set([Outcome.key(outcome)]) }
  }
  if (json) yield* write(yield* encoded(outcome))
  return yield* new Quit({ code: ExitCode.declined })
})

const assumed = (reason: Option.Option<string>, decided: boolean) => Option.filter(reason, () => decided)

/**
 * Reclaims one directory and prints the outcome. At a terminal, and without `yes`, it asks first if only `assumeDead`
 * would remove the directory. Logs a warning if `assumeDead` or `assumeMoved` decided a removal. Fails with {@link
 * Quit} if the directory was kept, or removed only in part.
 *
 * @category running
 * @since 0.1.0
 */
export const reclaim: (options: Options) => Effect.Effect<void, Error, Output | ProcessInspector | SentinelStore> =
  Effect.fn("reclaim")(
    function* (options) {
      const { directory, json } = options
      const { assumeDead, only } = yield* agreed(options)
      const outcome = yield* Cleanup.reclaim(directory, {
        ...JudgeFlags.options(options),
        ...(Option.isNone(assumeDead) ? {} : { assumeDead: assumeDead.value }),
        ...(only === undefined ? {} : { only })
      })
      const isKept = outcome.action === "kept" || outcome.action === "would-remove"
      const word = Option.orElse(assumed(assumeDead, !isKept && outcome.reason === "assumed-dead"), () =>
        assumed(options.assumeMoved, !isKept && outcome.evidence["moved"] !== undefined)
      )
      if (Option.isSome(word)) {
        const removed = outcome.action === "removed"
        yield* Effect.logWarning(
          removed ? "removed on an operator's word" : "a removal on an operator's word failed"
        ).pipe(Effect.annotateLogs({ path: outcome.path, operatorReason: word.value }))
      }
      yield* write(
        json
          ? yield* encoded(outcome)
          : Overview.single(outcome, {
              now: yield* DateTime.now,
              colors: yield* hasColors("stdout"),
              width: yield* columns
            })
      )
      if (isKept) return yield* new Quit({ code: ExitCode.kept })
      if (outcome.action === "failed") return yield* new Quit({ code: ExitCode.failed })
    },
    (reclaimed, options) =>
      Effect.catch(reclaimed, (error) =>
        keptBy(error) ? Failure.end(error, ExitCode.kept, options) : Effect.fail(error)
      )
  )
