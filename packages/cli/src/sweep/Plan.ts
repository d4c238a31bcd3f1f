/**
 * The plan of a sweep: the directories that it would remove. The command judges all directories first, so that it can
 * show and count them, and ask.
 *
 * @since 0.1.0
 */
import type { RootError, StoreFailure } from "@vm-sentinel/core/Errors"
import * as Outcome from "@vm-sentinel/core/Outcome"
import type { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import type { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Stdio from "effect/Stdio"
import * as Confirmation from "./Confirmation.ts"
import * as Output from "../Output.ts"
import * as Overview from "../text/Overview.ts"
import * as Pass from "./Pass.ts"
import * as Report from "./Report.ts"
import * as Text from "../text/Text.ts"

/**
 * What a sweep of one root would do.
 *
 * @category models
 * @since 0.1.0
 */
export interface Plan {
  readonly root: string
  /**
   * The directories that would be removed, by `Outcome.key`. If they are more than the limit, only as many as the
   * limit.
   */
  readonly keys: ReadonlySet<string>
  /** The outcomes of the first 1000 directories that would be removed, whatever the limit. */
  readonly rows: ReadonlyArray<Outcome.Outcome>
  readonly summary: Outcome.Summary
}

/**
 * Judges a root and removes nothing. `limit`: no sweep follows if more directories would be removed, so the plan keeps
 * no more of them. An interruption reports the summary so far to `reporter`, and no outcome.
 *
 * @category running
 * @since 0.1.0
 */
export const make: (
  options: Pass.Options,
  root: string,
  limit: number,
  reporter: Report.Reporter
) => Effect.Effect<
  Plan,
  RootError | StoreFailure | Output.OutputError,
  Output.Output | ProcessInspector | SentinelStore
> = Effect.fnUntraced(function* (options, root, limit, reporter) {
  const keys = new Set<string>()
  const rows: Array<Outcome.Outcome> = []
  const collect = (some: ReadonlyArray<Outcome.Outcome>) =>
    Effect.sync(() => {
      for (const outcome of some) {
        if (outcome.action !== "would-remove") continue
        if (keys.size < limit) keys.add(Outcome.key(outcome))
        if (rows.length < Report.mostRows) rows.push(outcome)
      }
    })
  const pass = { root, dryRun: true, only: undefined, count: undefined }
  const summary = yield* Pass.run(options, pass, { outcomes: collect, summary: reporter.summary })
  return { root, keys, rows, summary }
})

/**
 * The number of removals.
 *
 * @category counting
 * @since 0.1.0
 */
export const removals = (plans: ReadonlyArray<Plan>): number =>
  plans.reduce((sum, { summary }) => sum + summary.removed, 0)

/**
 * Shows what would be removed, and asks once whether to remove it.
 *
 * @category asking
 * @since 0.1.0
 */
export const confirm: (plans: ReadonlyArray<Plan>) => Effect.Effect<boolean, never, Stdio.Stdio> = Effect.fnUntraced(
  function* (plans) {
    const options = {
      now: yield* DateTime.now,
      colors: yield* Output.hasColors("stderr"),
      width: yield* Output.errorColumns
    }
    for (const { rows, summary } of plans) {
      if (rows.length === 0) continue
      const { removed, root, scanned } = summary
      yield* Output.note(`${Text.escape(root)}: ${removed} of ${scanned} would be removed:\n\n`)
      yield* Output.show(`${Overview.preview(rows, removed, options)}\n`)
    }
    const bytes = plans.reduce((sum, { summary }) => sum + (summary.bytesFreed ?? 0), 0)
    const size = bytes === 0 ? "" : ` (${Text.size(bytes)})`
    return yield* Confirmation.ask(`Remove these ${removals(plans)} directories${size}?`)
  }
)
