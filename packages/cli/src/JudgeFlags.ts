/**
 * How the commands judge: what their flags say, as core takes it and as the summary shows it. Pure.
 *
 * @since 0.1.0
 */
import type * as Cleanup from "@vm-sentinel/core/Cleanup"
import type { Summary } from "@vm-sentinel/core/Outcome"
import * as Option from "effect/Option"

/**
 * What `sweep`, `list`, `explain` and `reclaim` have in common.
 *
 * @category models
 * @since 0.1.0
 */
export interface JudgeFlags {
  /** Empty: the default. */
  readonly sentinelNames: ReadonlyArray<string>
  readonly legacy: "trust" | "keep"
  readonly lock: "self" | "inherited"
  readonly shared: "trust" | "keep"
  /** Why records of another directory are of this one. */
  readonly assumeMoved: Option.Option<string>
}

const moved = (reason: Option.Option<string>) => (Option.isNone(reason) ? {} : { assumeMoved: reason.value })

/**
 * @category converting
 * @since 0.1.0
 */
export const options = ({ assumeMoved, legacy, lock, sentinelNames, shared }: JudgeFlags): Cleanup.JudgeOptions => ({
  legacy,
  lock,
  shared,
  ...moved(assumeMoved),
  ...(sentinelNames.length === 0 ? {} : { sentinelNames })
})

/**
 * What the operator says that they know better, where they do.
 *
 * @category converting
 * @since 0.1.0
 */
export const vouched = ({
  assumeMoved,
  lock,
  shared
}: JudgeFlags): Pick<Summary, "lock" | "shared" | "assumeMoved"> => ({
  ...(lock === "inherited" ? { lock } : {}),
  ...(shared === "trust" ? { shared } : {}),
  ...moved(assumeMoved)
})
