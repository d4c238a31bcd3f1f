/**
 * How outcomes are told: as JSON lines, as they happen; or as one picture at the end.
 *
 * @since 0.1.0
 */
import * as Outcome from "@vm-sentinel/core/Outcome"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Output, type OutputError } from "./Output.ts"
import * as Overview from "./Overview.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Reporter {
  readonly outcome: (outcome: Outcome.Outcome) => Effect.Effect<void, OutputError>
  /** The last line. */
  readonly summary: (summary: Outcome.Summary) => Effect.Effect<void, OutputError>
}

/**
 * One line of JSON. What JSON may hold as it is but some terminals act on (DEL and C1) is escaped too.
 *
 * @category encoding
 * @since 0.1.0
 */
export const jsonLine = (value: unknown): string =>
  `${JSON.stringify(value).replace(/[\u007f-\u009f]/g, (control) => `\\u00${control.charCodeAt(0).toString(16)}`)}\n`

const encodeLine = Schema.encodeEffect(Outcome.Line)

/**
 * @category reporting
 * @since 0.1.0
 */
export const json: Effect.Effect<Reporter, never, Output> = Effect.map(Output, ({ write }) => {
  const line = (value: typeof Outcome.Line.Type) =>
    Effect.flatMap(Effect.orDie(encodeLine(value)), (encoded) => write(jsonLine(encoded)))
  return { outcome: line, summary: line }
})

/**
 * @category reporting
 * @since 0.1.0
 */
export const human: Effect.Effect<Reporter, never, Output> = Effect.map(Output, ({ stdout, write }) => {
  const outcomes: Array<Outcome.Outcome> = []
  return {
    outcome: (outcome) => Effect.sync(() => outcomes.push(outcome)),
    summary: Effect.fnUntraced(function* (summary) {
      const { colors, columns } = yield* stdout
      yield* write(Overview.render(outcomes, summary, { now: yield* Clock.currentTimeMillis, colors, width: columns }))
    })
  }
})
