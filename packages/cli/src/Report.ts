/**
 * Reports outcomes: as JSON lines while they happen, or as one table at the end.
 *
 * @since 0.1.0
 */
import * as Outcome from "@vm-sentinel/core/Outcome"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Output from "./Output.ts"
import * as Overview from "./Overview.ts"

/**
 * Prints the outcomes of a sweep.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reporter {
  /** Reports further outcomes, in order. */
  readonly outcomes: (
    outcomes: ReadonlyArray<Outcome.Outcome>
  ) => Effect.Effect<void, Output.OutputError, Output.Output>
  /** Reports the summary, after all outcomes. */
  readonly summary: (summary: Outcome.Summary) => Effect.Effect<void, Output.OutputError, Output.Output>
}

/**
 * One line of JSON. DEL and C1, which JSON needn't escape but some terminals act on, are escaped, too.
 *
 * @category encoding
 * @since 0.1.0
 */
export const jsonLine = (value: unknown): string =>
  `${JSON.stringify(value).replace(/[\u007f-\u009f]/g, (control) => `\\u00${control.charCodeAt(0).toString(16)}`)}\n`

const encodeLine = Schema.encodeEffect(Outcome.Line)

/** Skips encoding an outcome without error and size: only these two differ in their encoded form. */
const outcomeLine = (outcome: Outcome.Outcome): Effect.Effect<string> =>
  outcome.error === undefined && outcome.bytes === undefined
    ? Effect.succeed(jsonLine(outcome))
    : Effect.map(Effect.orDie(encodeLine(outcome)), jsonLine)

/**
 * Writes outcomes as JSON lines at once, and the summary as the last line.
 *
 * @category reporting
 * @since 0.1.0
 */
export const json: Reporter = {
  outcomes: (outcomes) =>
    Effect.flatMap(Effect.forEach(outcomes, outcomeLine), (lines) => Output.write(lines.join(""))),
  summary: (summary) => Effect.flatMap(Effect.orDie(encodeLine(summary)), (encoded) => Output.write(jsonLine(encoded)))
}

/**
 * Keeps all outcomes, and writes one table, sorted by name, together with the summary.
 *
 * @category reporting
 * @since 0.1.0
 */
export const human = (): Reporter => {
  const outcomes: Array<Outcome.Outcome> = []
  return {
    outcomes: (some) => Effect.sync(() => outcomes.push(...some)),
    summary: Effect.fnUntraced(function* (summary) {
      const options = {
        now: yield* DateTime.now,
        colors: yield* Output.hasColors("stdout"),
        width: yield* Output.columns
      }
      outcomes.sort((a, b) => (a.name < b.name ? -1 : 1))
      yield* Output.write(Overview.render(outcomes, summary, options))
    })
  }
}
