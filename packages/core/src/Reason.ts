/**
 * Why a directory is judged as it is, and why it is kept: every reason there is.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The four answers of a judgement. `none`: the directory has no owner that is ours.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Answer = Schema.Literals(["alive", "dead", "unknown", "none"])
export type Answer = typeof Answer.Type

/**
 * Reasons of `alive`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const AliveReason = Schema.Literals(["lock-held", "matches", "pid-alive"])
export type AliveReason = typeof AliveReason.Type

/**
 * Reasons of `dead`. An operator says `assumed-dead`; a sweep that was killed leaves `abandoned` and `resumed`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const DeadReason = Schema.Literals([
  "rebooted",
  "pid-dead",
  "not-a-process",
  "zombie",
  "identity-mismatch",
  "start-time-mismatch",
  "exe-mismatch",
  "lock-free",
  "namespace-gone",
  "process-gone",
  "assumed-dead",
  "abandoned",
  "resumed"
])
export type DeadReason = typeof DeadReason.Type

/**
 * Reasons of `unknown` that a comparison gives.
 *
 * @category schemas
 * @since 0.1.0
 */
export const UnknownReason = Schema.Literals([
  "other-directory",
  "other-machine",
  "machine-unknown",
  "lock-unknown",
  "boot-unknown",
  "other-pid-namespace",
  "permission-denied",
  "not-comparable",
  "exe-changed",
  "no-procfs",
  "inspection-failed",
  "legacy-kept",
  "not-local"
])
export type UnknownReason = typeof UnknownReason.Type

/**
 * Reasons of `unknown` where no process is judged: what is wrong with a sentinel, or whose it is.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FileReason = Schema.Literals([
  "oversized-sentinel",
  "malformed-sentinel",
  "untrusted-sentinel",
  "unsupported-version",
  "unreadable",
  "other-owner"
])
export type FileReason = typeof FileReason.Type

/**
 * Reasons for keeping a directory that its verdict doesn't give.
 *
 * @category schemas
 * @since 0.1.0
 */
export const KeptReason = Schema.Literals(["skipped", "mount-inside", "owner-inside", "taken", "changed", "name-taken"])
export type KeptReason = typeof KeptReason.Type

/**
 * Every reason, by the answer that it comes with; `kept` comes with any.
 *
 * @category constants
 * @since 0.1.0
 */
export const reasons = {
  alive: AliveReason.literals,
  dead: DeadReason.literals,
  unknown: [...UnknownReason.literals, ...FileReason.literals],
  none: ["no-sentinel"],
  kept: KeptReason.literals
} as const

/**
 * Any reason.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Reason = Schema.Literals([
  ...reasons.alive,
  ...reasons.dead,
  ...reasons.unknown,
  ...reasons.none,
  ...reasons.kept
])
export type Reason = typeof Reason.Type
