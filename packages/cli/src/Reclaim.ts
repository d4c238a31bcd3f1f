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
import * as JudgeFlags from "./JudgeFlags.ts"
import { hasColors, type Output, type OutputError, write } from "./Output.ts"
import * as Overview from "./Overview.ts"
import * as Report from "./Report.ts"
import * as Table from "./Table.ts"

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

const assumed = (reason: Option.Option<string>, decided: boolean) => Option.filter(reason, () => decided)

/**
 * Reclaims one directory and prints the outcome. Logs a warning if the operator's word decided.
 *
 * @category running
 * @since 0.1.0
 */
export const reclaim: (
  options: Options
) => Effect.Effect<void, RootError | DirectoryError | OutputError, Output | ProcessInspector | SentinelStore> =
  Effect.fn("reclaim")(function* (options) {
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
    if (json) return yield* write(Report.jsonLine(yield* Effect.orDie(encode(outcome))))
    const colors = yield* hasColors("stdout")
    const row = Overview.row(outcome, yield* DateTime.now)
    yield* write(Table.render(Overview.columns, [row], { colors }))
  })
