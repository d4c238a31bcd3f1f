/**
 * The flags that decide how a directory is judged, converted to options of core. Pure.
 *
 * @since 0.1.0
 */
import type * as Cleanup from "@vm-sentinel/core/Cleanup"
import type { Knowledge } from "@vm-sentinel/core/JudgeInputs"
import * as Option from "effect/Option"

/**
 * The flags that `sweep`, `list`, `explain` and `reclaim` share.
 *
 * @category models
 * @since 0.1.0
 */
export interface JudgeFlags extends Pick<Knowledge, "legacy" | "lock" | "shared"> {
  /** Names of sentinels to read. Empty: the default name. */
  readonly sentinelNames: ReadonlyArray<string>
  /** The operator's reason to judge records of another directory as records of this one. */
  readonly assumeMoved: Option.Option<string>
}

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
  ...(Option.isNone(assumeMoved) ? {} : { assumeMoved: assumeMoved.value }),
  ...(sentinelNames.length === 0 ? {} : { sentinelNames })
})
