/**
 * All reasons of judgements, and all reasons for keeping a directory.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The four answers of a judgement. `none`: the directory has no sentinel under a known name or a name that was looked
 * for.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Answer = Schema.Literals(["alive", "dead", "unknown", "none"])
export type Answer = typeof Answer.Type

/**
 * Reasons of `alive`.
 *
 * - `lock-held`: a process holds the directory's lock.
 * - `matches`: a living process has the recorded identity (v3), or the recorded PID and executable (v2).
 * - `pid-alive`: a process has the PID of a v1 sentinel, which records nothing else to compare.
 *
 * @category schemas
 * @since 0.1.0
 */
export const AliveReason = Schema.Literals(["lock-held", "matches", "pid-alive"])
export type AliveReason = typeof AliveReason.Type

/**
 * Reasons of `dead`. `assumed-dead` is an operator's assertion. `abandoned`: a sweep's own directory without a
 * sentinel. `resumed`: an earlier sweep had marked the directory for deletion. All others are proofs that the recorded
 * process has ended.
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
 * Reasons of `unknown` for an owner whose record was judged.
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
 * Reasons of `unknown` that don't come from the judgement of a record. For example, a sentinel can't be read, parsed or
 * believed, or the directory holds a known owner's file that the caller doesn't read (`other-owner`).
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
 * Reasons for keeping a directory that don't come from its verdict.
 *
 * @category schemas
 * @since 0.1.0
 */
export const KeptReason = Schema.Literals(["skipped", "mount-inside", "owner-inside", "taken", "changed", "name-taken"])
export type KeptReason = typeof KeptReason.Type

/**
 * All reasons, by the answer that they explain. Those of `kept` can accompany every answer but `alive`.
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
 * Any reason of {@link reasons}.
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
]).annotate({ identifier: "Reason" })
export type Reason = typeof Reason.Type
