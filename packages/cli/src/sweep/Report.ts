/**
 * Reports outcomes, as JSON lines while they happen or as one table at the end of each root.
 *
 * @since 0.1.0
 */
import * as Outcome from "@vm-sentinel/core/Outcome"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Output from "../Output.ts"
import * as Overview from "../text/Overview.ts"
import * as Text from "../text/Text.ts"

/**
 * Prints the outcomes of a command, one root after the other.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reporter {
  /** Reports further outcomes, in order. */
  readonly outcomes: (
    outcomes: ReadonlyArray<Outcome.Outcome>
  ) => Effect.Effect<void, Output.OutputError, Output.Output>
  /** Reports the summary of a root, after all of its outcomes. */
  readonly summary: (summary: Outcome.Summary) => Effect.Effect<void, Output.OutputError, Output.Output>
}

const active = /[\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g

/** The escape that `JSON.stringify` makes of a lone surrogate, after an even number of backslashes. */
const loneSurrogate = /(?<!\\)((?:\\\\)*)\\ud[89a-f][0-9a-f]{2}/g

/**
 * One line of JSON. Escapes also the characters that JSON allows and terminals act on: DEL, C1, and characters that are
 * invisible or change the direction of the text. A lone surrogate, which stands for a byte that isn't UTF-8, becomes
 * U+FFFD, because many readers refuse it.
 *
 * @category encoding
 * @since 0.1.0
 */
export const jsonLine = (value: unknown): string => {
  const text = JSON.stringify(value).replace(loneSurrogate, "$1\\ufffd")
  return `${text.replace(active, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)}\n`
}

const encodeLine = Schema.encodeEffect(Outcome.Line)

/** Encodes only an outcome with an error or a size. The schema changes nothing in any other outcome. */
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
 * Maximum rows of a table. Nobody reads more, and a root may hold millions of directories.
 *
 * @category constants
 * @since 0.1.0
 */
export const mostRows = 1000

/**
 * Whether an outcome has precedence for one of the 1000 rows: its directory isn't kept, is unknown, or has an error.
 */
const isNews = ({ action, error, verdict }: Outcome.Outcome): boolean =>
  action !== "kept" || error !== undefined || verdict === "unknown"

/**
 * Keeps at most 1000 outcomes of a root, news first, and writes one table, sorted by name, together with the summary.
 * The text gives the number of directories without a row. `isNamed`: the path of the root stands before its table.
 *
 * @category reporting
 * @since 0.1.0
 */
export const human = ({ isNamed = false }: { readonly isNamed?: boolean } = {}): Reporter => {
  let news: Array<Outcome.Outcome> = []
  let others: Array<Outcome.Outcome> = []
  let count = 0
  let gap = ""
  return {
    outcomes: (some) =>
      Effect.sync(() => {
        count += some.length
        for (const outcome of some) {
          const rows = isNews(outcome) ? news : others
          if (rows.length < mostRows) rows.push(outcome)
        }
      }),
    summary: Effect.fnUntraced(function* (summary) {
      const outcomes = [...news, ...others].slice(0, mostRows).sort((a, b) => (a.name < b.name ? -1 : 1))
      const options = {
        now: yield* DateTime.now,
        colors: yield* Output.hasColors("stdout"),
        width: yield* Output.columns,
        left: count - outcomes.length
      }
      const head = isNamed ? `${gap}${Text.escape(summary.root)}:\n` : ""
      ;[news, others, count, gap] = [[], [], 0, "\n"]
      yield* Output.write(`${head}${Overview.render(outcomes, summary, options)}`)
    })
  }
}

/**
 * Reports only what failed, and the summary.
 *
 * @category reporting
 * @since 0.1.0
 */
export const quiet = (reporter: Reporter): Reporter => ({
  outcomes: (some) => {
    const failed = some.filter(({ action }) => action === "failed")
    return failed.length === 0 ? Effect.void : reporter.outcomes(failed)
  },
  summary: reporter.summary
})

/**
 * Makes a reporter that continues after stdout has failed, because the sweep matters more than its report. It reports
 * the failure on stderr at once, drops further outcomes, and writes the summary to stderr. A closed stdout (EPIPE)
 * still fails, which ends the sweep.
 *
 * @category reporting
 * @since 0.1.0
 */
export const patient = (
  reporter: Reporter
): Reporter & {
  /** The error of stdout, if there was one. */
  readonly failure: Effect.Effect<Output.OutputError | undefined>
} => {
  let failure: Output.OutputError | undefined
  const attempt = <R>(report: Effect.Effect<void, Output.OutputError, R>) =>
    Effect.suspend(() => (failure === undefined ? report : Effect.void)).pipe(
      Effect.catch((error) => {
        if (error.errno === "EPIPE") return Effect.fail(error)
        failure = error
        return Output.note(`vm-sentinel: ${error.message}; the sweep goes on, and prints only its summary, on stderr\n`)
      })
    )
  return {
    outcomes: (some) => attempt(reporter.outcomes(some)),
    summary: (summary) =>
      Effect.andThen(
        attempt(reporter.summary(summary)),
        Effect.suspend(() =>
          failure === undefined ? Effect.void : Output.note(`vm-sentinel: ${Overview.summaryLine(summary)}`)
        )
      ),
    failure: Effect.sync(() => failure)
  }
}
