/**
 * The flags that decide how a directory is judged, converted to options of core and to fields of a summary. Pure.
 *
 * @since 0.1.0
 */
import type * as Cleanup from "@vm-sentinel/core/Cleanup"
import type { Summary } from "@vm-sentinel/core/Outcome"
import * as Option from "effect/Option"

/**
 * The flags that `sweep`, `list`, `explain` and `reclaim` share.
 *
 * @category models
 * @since 0.1.0
 */
export interface JudgeFlags {
  /** Names of sentinels to read. Empty: the default name. */
  readonly sentinelNames: ReadonlyArray<string>
  /** `keep`: a v1 or v2 sentinel never condemns. */
  readonly legacy: "trust" | "keep"
  /** `inherited`: commands keep the lock that they were started with. */
  readonly lock: "self" | "inherited"
  /** `trust`: no other kernel has the ids of this one. */
  readonly shared: "trust" | "keep"
  /** The operator's reason to judge records of another directory as records of this one. */
  readonly assumeMoved: Option.Option<string>
}

const moved = (reason: Option.Option<string>) => (Option.isNone(reason) ? {} : { assumeMoved: reason.value })

/**
 * The flags as options of `Cleanup`.
 *
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
 * The operator's assertions as fields of a summary. Flags at their defaults are left out.
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
