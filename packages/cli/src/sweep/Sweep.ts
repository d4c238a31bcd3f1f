/**
 * `sweep` and `list`: every directory under some roots.
 *
 * @since 0.1.0
 */
import type { RootError, StoreFailure } from "@vm-sentinel/core/Errors"
import type { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import type { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import type { Summary } from "@vm-sentinel/core/Outcome"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Confirmation from "./Confirmation.ts"
import { ExitCode, Quit, worst } from "../ExitCode.ts"
import * as Failure from "../Failure.ts"
import type * as JudgeFlags from "../JudgeFlags.ts"
import * as Output from "../Output.ts"
import * as Pass from "./Pass.ts"
import * as Plan from "./Plan.ts"
import * as Progress from "./Progress.ts"
import * as Report from "./Report.ts"
import * as Roots from "./Roots.ts"
import * as Skip from "./Skip.ts"
import * as Text from "../text/Text.ts"

/**
 * Options of {@link sweep}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends JudgeFlags.JudgeFlags {
  readonly roots: ReadonlyArray<string>
  /** Judges, and removes nothing. */
  readonly dryRun: boolean
  readonly json: boolean
  /** Reports only what failed, and the summary. */
  readonly quiet: boolean
  /** Patterns of names of directories to pass over. */
  readonly skip: ReadonlyArray<string>
  /** `true`: a missing root isn't an error. */
  readonly ifExists: boolean
  /** Fails if a directory was unknown or failed, or a pattern of `skip` matched nothing. */
  readonly strict: boolean
  /** Measures what each directory occupies. */
  readonly sizes: boolean
  /** Asks for no confirmation. */
  readonly yes: boolean
  /** If more directories than this would be removed, the command removes none. */
  readonly maxRemovals: Option.Option<number>
}

/** Maximum number of removals before which nobody is asked. */
const mostUnasked = 10

type Services = Output.Output | ProcessInspector | SentinelStore

/** Reports the error of one root, and succeeds with `None`, so that the other roots are still swept. */
const told = <A, R>(
  walk: Effect.Effect<A, RootError | StoreFailure | Output.OutputError, R>,
  options: Options
): Effect.Effect<Option.Option<A>, Output.OutputError, R | Output.Output> =>
  Effect.catch(Effect.asSome(walk), (error) =>
    error._tag === "OutputError" ? Effect.fail(error) : Effect.as(Failure.report(error, options), Option.none())
  )

const tellUnmatched = (patterns: ReadonlyArray<Skip.Pattern>) =>
  Effect.forEach(patterns, ({ text }) =>
    Output.note(`vm-sentinel: --skip ${Text.escape(text)}: no directory matches\n`)
  )

const tellLimit = (removals: number, limit: number) =>
  Output.note(
    `vm-sentinel: ${removals} would be removed, more than --max-removals ${limit} allows; nothing was removed\n`
  )

const refusalCodes = {
  "max-removals": ExitCode.limited,
  declined: ExitCode.declined,
  "unmatched-skip": ExitCode.undecided
} as const

type Refusal = keyof typeof refusalCodes

/** The limit, if it is lower than the number of removals. */
const exceeded = ({ maxRemovals }: Options, removals: number) => Option.filter(maxRemovals, (limit) => removals > limit)

const codeOf = ({ strict }: Options, { failed, unknown }: Summary): number =>
  strict && unknown + failed > 0 ? ExitCode.undecided : ExitCode.done

/** The reason why nothing may be removed, after it was printed. `undefined`: removals are allowed. */
const refusalOf = Effect.fnUntraced(function* (
  options: Options,
  unmatched: ReadonlyArray<Skip.Pattern>,
  plans: ReadonlyArray<Plan.Plan>,
  canAsk: boolean
): Effect.fn.Return<Refusal | undefined, never, Output.Output> {
  const removals = Plan.removals(plans)
  yield* tellUnmatched(unmatched)
  if (options.strict && unmatched.length > 0) return "unmatched-skip"
  const limit = exceeded(options, removals)
  if (Option.isSome(limit)) {
    yield* tellLimit(removals, limit.value)
    return "max-removals"
  }
  if (!canAsk || removals <= mostUnasked) return undefined
  return (yield* Plan.confirm(plans)) ? undefined : "declined"
})

/**
 * Sweeps roots. With `dryRun` it only judges them. It reports the outcome of each directory and the summary of each
 * root. It judges all roots first if it may have to ask, or if `maxRemovals` or an unmatched `skip` under `strict` may
 * forbid all removals. It then removes only directories that this first judgement found dead, because a person who
 * answers yes agrees only to those. A closed stdout (EPIPE) ends the sweep with an `OutputError`, and no other failure
 * of stdout ends it. Fails with {@link Quit} for every other exit code but 0.
 *
 * @category running
 * @since 0.1.0
 */
export const sweep: (options: Options) => Effect.Effect<void, Output.OutputError | Quit, Services> = Effect.fn("sweep")(
  function* (options) {
    const { dryRun, json, maxRemovals, quiet, strict, yes } = options
    const isNamed = options.roots.length > 1
    const detailed = json ? Report.json : Report.human({ isNamed })
    const reporter = Report.patient(quiet ? Report.quiet(detailed) : detailed)
    const patterns = options.skip.map(Skip.make)
    const unmatched = yield* Ref.make<ReadonlyArray<Skip.Pattern>>(patterns)
    const walking: Pass.Options = {
      ...options,
      skip: Skip.anyOf(patterns),
      seen: (outcomes) => Ref.update(unmatched, (left) => Skip.unmatched(left, outcomes)),
      progress: yield* Progress.modeOf(options),
      isNamed
    }
    const roots = yield* Roots.distinct(options.roots)

    const walk = (pass: Pass.Pass) =>
      told(
        Effect.tap(Pass.run(walking, pass, reporter), (summary) => reporter.summary(summary)),
        options
      )

    const codesOf = (summaries: ReadonlyArray<Option.Option<Summary>>) =>
      summaries.map(Option.match({ onNone: () => ExitCode.failed, onSome: (summary) => codeOf(options, summary) }))

    const atOnce = Effect.gen(function* () {
      const summaries = yield* Effect.forEach(roots, (root) =>
        walk({ root, dryRun, only: undefined, count: undefined })
      )
      const left = yield* Ref.get(unmatched)
      yield* tellUnmatched(left)
      const removals = Arr.getSomes(summaries).reduce((sum, { removed }) => sum + removed, 0)
      const limit = exceeded(options, removals)
      if (Option.isSome(limit)) yield* tellLimit(removals, limit.value)
      return [
        ...codesOf(summaries),
        ...(Option.isSome(limit) ? [ExitCode.limited] : []),
        ...(strict && left.length > 0 ? [ExitCode.undecided] : [])
      ]
    })

    const judgedFirst = Effect.fnUntraced(function* (canAsk: boolean) {
      const limit = Option.getOrElse(maxRemovals, () => Infinity)
      const found = yield* Effect.forEach(roots, (root) => told(Plan.make(walking, root, limit, reporter), options))
      const plans = Arr.getSomes(found)
      const refused = yield* refusalOf(options, yield* Ref.get(unmatched), plans, canAsk)
      if (refused === undefined) {
        const sweepOf = ({ keys, root, summary }: Plan.Plan) =>
          walk({ root, dryRun: false, only: keys, count: summary.scanned })
        // A root that couldn't be judged is left out. The codes are those of this second walk, because a directory that
        // was unknown at the first look may be known now.
        const sweepPlanned = Option.match({ onNone: () => Effect.succeedNone, onSome: sweepOf })
        return codesOf(yield* Effect.forEach(found, (plan) => sweepPlanned(plan)))
      }
      for (const { rows, summary } of plans) {
        // An operator who declined has already seen the first 12 of these rows.
        if (refused !== "declined") yield* reporter.outcomes(rows)
        yield* reporter.summary({ ...summary, refused })
      }
      return [...codesOf(found.map(Option.map(({ summary }) => summary))), refusalCodes[refused]]
    })

    const canAsk = !yes && (yield* Confirmation.isPossible)
    const canForbid = Option.isSome(maxRemovals) || (strict && options.skip.length > 0)
    const codes = yield* !dryRun && (canAsk || canForbid) ? judgedFirst(canAsk) : atOnce
    const code = (yield* reporter.failure) === undefined ? worst(codes) : ExitCode.failed
    if (code !== ExitCode.done) return yield* new Quit({ code })
  }
)
