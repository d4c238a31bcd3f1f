/**
 * Enough about one process to tell it from every other, and enough about one host to know whether the two compare.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const [smallestPid, largestPid] = [1, 2_147_483_647]

/**
 * A number that can name a process: 1 to 2^31-1. Never 0 or negative, which `kill(2)` reads as process groups.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Pid = Schema.Int.check(Schema.isBetween({ minimum: smallestPid, maximum: largestPid })).pipe(
  Schema.brand("Pid")
)
export type Pid = typeof Pid.Type

/**
 * Whether a number is a {@link Pid}, at once: it is asked of each of very many.
 *
 * @category guards
 * @since 0.1.0
 */
export const isPid = (value: number): value is Pid =>
  Number.isInteger(value) && value >= smallestPid && value <= largestPid

/**
 * An integer that may pass 2^53, as decimal digits. Compare for equality only.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Decimal = Schema.String.check(Schema.isPattern(/^[0-9]{1,20}$/))

/**
 * The executable a process runs: its path as the kernel gives it (`readlink /proc/<pid>/exe`, `proc_pidpath`), and the
 * device and inode behind it, which stay right when the file is renamed or deleted.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Executable = Schema.Struct({
  path: Schema.NonEmptyString,
  dev: Schema.optionalKey(Decimal),
  ino: Schema.optionalKey(Decimal)
})
export type Executable = typeof Executable.Type

/**
 * When a process started, as an opaque token. Linux: clock ticks since boot, `proc_pid_stat(5)` field 22. Darwin:
 * microseconds since the epoch, or `s:<seconds>` where only `ps` could be asked. Kept across `execve(2)`. Never
 * converted to wall time for identity: see {@link compareStartTokens}.
 *
 * @category schemas
 * @since 0.1.0
 */
export const StartToken = Schema.String.check(Schema.isPattern(/^(s:)?[0-9]{1,20}$/))

/**
 * Schema fields shared by {@link ProcessIdentity} and the v3 record.
 *
 * @category schemas
 * @since 0.1.0
 */
export const identityFields = {
  startTime: StartToken,
  /** Never reused within one boot. Linux: inode of the pidfd on pidfs (6.9 and later). Darwin: `p_uniqueid`. */
  processId64: Schema.optionalKey(Decimal),
  /** Linux `/proc/sys/kernel/random/boot_id`, Darwin `kern.bootsessionuuid`. */
  bootId: Schema.optionalKey(Schema.NonEmptyString),
  /** PID namespace of the process that recorded the identity, as `readlink /proc/self/ns/pid` gives it. */
  pidNamespace: Schema.optionalKey(Schema.NonEmptyString),
  /** Time namespace of the process that recorded the identity: the kernel shifts start ticks by the reader's offset. */
  timeNamespace: Schema.optionalKey(Schema.NonEmptyString),
  /** `machine-id(5)`; Darwin `gethostuuid(2)`. */
  machineId: Schema.optionalKey(Schema.NonEmptyString),
  hostname: Schema.String,
  /** Effective uid of the process. */
  uid: Schema.optionalKey(Schema.Natural),
  exe: Schema.optionalKey(Executable)
} as const

/**
 * One process, told from every other process of every boot of every machine.
 *
 * @category models
 * @since 0.1.0
 */
export class ProcessIdentity extends Schema.Class<ProcessIdentity>("@vm-sentinel/core/ProcessIdentity")({
  pid: Pid,
  ...identityFields
}) {}

/**
 * What the reader knows about its own kernel and its own place in it. A missing key is *unknown*, never *different*.
 *
 * @category models
 * @since 0.1.0
 */
export interface HostIdentity {
  readonly bootId?: string
  readonly machineId?: string
  readonly hostname: string
  /** `none`: this kernel has no PID or time namespaces (Darwin), so there is nothing to compare. */
  readonly namespaces: "supported" | "none"
  readonly pidNamespace?: string
  readonly timeNamespace?: string
}

/**
 * The answer to "are these two the same?", where not knowing is an answer of its own.
 *
 * @category models
 * @since 0.1.0
 */
export type Comparison = "equal" | "different" | "unknown" | "not-applicable"

/**
 * Compares two values for equality; a missing one makes the answer `unknown`.
 *
 * @category comparing
 * @since 0.1.0
 */
export const compare = (recorded: string | undefined, observed: string | undefined): Comparison =>
  recorded === undefined || observed === undefined ? "unknown" : recorded === observed ? "equal" : "different"

/**
 * Compares two start tokens of one boot. A token in seconds (`s:`, from `ps`) is compared with one in microseconds at
 * the coarser grain.
 *
 * @category comparing
 * @since 0.1.0
 */
export const compareStartTokens = (recorded: string | undefined, observed: string | undefined): Comparison => {
  if (recorded === undefined || observed === undefined) return "unknown"
  if (recorded.startsWith("s:") === observed.startsWith("s:")) return compare(recorded, observed)
  return compare(wholeSeconds(recorded), wholeSeconds(observed))
}

const wholeSeconds = (token: string): string | undefined => {
  if (token.startsWith("s:")) return token.slice(2)
  return /^[0-9]+$/.test(token) ? (BigInt(token) / 1_000_000n).toString() : undefined
}
