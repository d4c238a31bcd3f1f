/**
 * Shows on stderr how far a walk through a root has come.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { Stdio } from "effect/Stdio"
import * as Output from "../Output.ts"
import * as Text from "../text/Text.ts"

/**
 * The progress of a walk.
 *
 * @category models
 * @since 0.1.0
 */
export interface Step {
  /** Directories with an outcome. */
  readonly done: number
  /** Directories that are removed, or would be. */
  readonly removed: number
  /** All directories. `undefined`: not counted yet. */
  readonly total: number | undefined
  readonly milliseconds: number
  /** `true`: the walk judges, and removes nothing. */
  readonly dryRun: boolean
}

/**
 * `bar`: one line of a terminal, shown after 1 s and again every 200 ms. `lines`: a line every 30 seconds.
 *
 * @category models
 * @since 0.1.0
 */
export type Mode = "bar" | "lines" | "none"

/**
 * The mode for this stderr. `none`: `quiet`, or lines of JSON on a terminal, which show the progress themselves.
 * `lines`: stderr isn't a terminal, or `TERM` is `dumb`.
 *
 * @category getters
 * @since 0.1.0
 */
export const modeOf = (options: {
  readonly json: boolean
  readonly quiet: boolean
}): Effect.Effect<Mode, never, Stdio> =>
  Effect.gen(function* () {
    const { stderrIsTerminal, stdoutIsTerminal } = yield* Stdio
    if (options.quiet || (options.json && (yield* stdoutIsTerminal))) return "none"
    return (yield* stderrIsTerminal) && process.env.TERM !== "dumb" ? "bar" : "lines"
  })

/**
 * The counts in words: total, removals, rate and time left, as far as they are known.
 *
 * @category rendering
 * @since 0.1.0
 */
export const words = ({ done, dryRun, milliseconds, removed, total }: Step): string => {
  const rate = milliseconds === 0 ? 0 : done / (milliseconds / 1000)
  const left = total === undefined ? 0 : total - done
  return [
    `${done}${left > 0 ? ` of ${total}` : ""} ${dryRun ? "judged" : "scanned"}`,
    `${removed} ${dryRun ? "would go" : "removed"}`,
    ...(rate === 0 ? [] : [`${rate < 10 ? rate.toFixed(1) : Math.round(rate)}/s`]),
    ...(rate === 0 || left <= 0 ? [] : [`${Text.age((left / rate) * 1000)} left`])
  ].join(", ")
}

const narrowestBar = 6
const widestBar = 40

/**
 * The label, a bar and the words. A narrow terminal gets no label, and a narrower one only the words. The text takes
 * fewer than `width` columns, because some terminals go to the next line after their last column.
 *
 * @category rendering
 * @since 0.1.0
 */
export const bar = (label: string, step: Step, width: number): string => {
  const { done, total } = step
  const head = label === "" ? "" : `${Text.shorten(label, Math.floor(width / 4))}  `
  const text = `${head}${words(step)}`
  const barWidth = Math.min(widestBar, width - 1 - Text.width(text) - "[]  ".length)
  if (total === undefined || total === 0) return Text.shorten(text, width - 1)
  if (barWidth < narrowestBar) return label === "" ? Text.shorten(text, width - 1) : bar("", step, width)
  const filled = Math.floor(barWidth * Math.min(1, done / total))
  return `${head}[${"#".repeat(filled)}${".".repeat(barWidth - filled)}]  ${words(step)}`
}

/**
 * Options of {@link during}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<R> {
  readonly mode: Mode
  /** The root, escaped. */
  readonly root: string
  /** Whether a bar names the root. A line always does. */
  readonly isNamed: boolean
  readonly step: () => Omit<Step, "total" | "milliseconds">
  /** Counts the directories. Runs beside the walk, and only if something is shown. */
  readonly total: Effect.Effect<number | undefined, never, R>
}

/**
 * All directories of a walk under way: those in the root now, and those that the walk has removed.
 *
 * @category getters
 * @since 0.1.0
 */
export const totalOf = <R>(
  step: Options<R>["step"],
  inRoot: Effect.Effect<number | undefined, never, R>
): Effect.Effect<number | undefined, never, R> =>
  Effect.suspend(() => {
    const { dryRun, removed } = step()
    const gone = dryRun ? 0 : removed
    return Effect.map(inRoot, (found) => (found === undefined ? undefined : found + gone))
  })

const clearLine = "\r\u001b[2K"

const usualWidth = 80

const times = { bar: ["1 second", "200 millis"], lines: ["30 seconds", "30 seconds"] } as const

/**
 * Runs an effect and shows its progress meanwhile: a bar after 1 second, or a line after each 30 seconds. Clears the
 * bar at the end.
 *
 * @category running
 * @since 0.1.0
 */
export const during =
  <RT>({ isNamed, mode, root, step, total }: Options<RT>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | RT | Output.Output> => {
    if (mode === "none") return effect
    const [first, then] = times[mode]
    return Effect.scoped(
      Effect.gen(function* () {
        const start = yield* Clock.currentTimeMillis
        let all: number | undefined
        let shown = false
        const count = Effect.map(total, (count) => {
          all = count
        })
        const show = Effect.gen(function* () {
          const now: Step = { ...step(), total: all, milliseconds: (yield* Clock.currentTimeMillis) - start }
          if (mode === "lines") return yield* Output.note(`vm-sentinel: ${root}: ${words(now)}\n`)
          shown = true
          const width = (yield* Output.errorColumns) ?? usualWidth
          yield* Output.show(`${clearLine}${bar(isNamed ? root : "", now, width)}`)
        })
        if (mode === "bar") {
          yield* Effect.addFinalizer(() => Effect.suspend(() => (shown ? Output.show(clearLine) : Effect.void)))
        }
        const shows = Effect.repeat(show, Schedule.spaced(then))
        yield* Effect.all([count, shows], { concurrency: 2, discard: true }).pipe(
          Effect.delay(first),
          Effect.forkScoped
        )
        return yield* effect
      })
    )
  }
