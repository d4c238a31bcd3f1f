/**
 * Data that distinguish one process from every other process, and data of a host that show whether two such identities
 * can be compared.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const [smallestPid, largestPid] = [1, 2_147_483_647]

/**
 * A number that can name a process: 1 to 2^31-1. `kill(2)` reads 0 and negative numbers as process groups.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Pid = Schema.Int.check(Schema.isBetween({ minimum: smallestPid, maximum: largestPid })).pipe(
  Schema.brand("Pid")
)
export type Pid = typeof Pid.Type

/**
 * Whether a number is a {@link Pid}. A sweep calls `isPid` once for each sentinel, and the schema would be slower.
 *
 * @category guards
 * @since 0.1.0
 */
export const isPid = (value: number): value is Pid =>
  Number.isInteger(value) && value >= smallestPid && value <= largestPid

/**
 * An integer that may exceed 2^53, as up to 20 decimal digits. Compare for equality only.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Decimal = Schema.String.check(Schema.isPattern(/^[0-9]{1,20}$/))

/**
 * The executable of a process: its path as the kernel gives it (`readlink /proc/<pid>/exe`, `proc_pidpath`), and the
 * device and inode of the file. Device and inode stay right when the file is renamed or deleted.
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
 * Start of a process, as an opaque token. Linux: clock ticks since boot, `proc_pid_stat(5)` field 22. Darwin:
 * microseconds since the epoch, or `s:<seconds>` if only `ps` could be asked. `execve(2)` doesn't change the start. The
 * judgement of a v3 record converts no token to wall time, see {@link compareStartTokens}.
 *
 * @category schemas
 * @since 0.1.0
 */
export const StartToken = Schema.String.check(Schema.isPattern(/^(s:)?[0-9]{1,20}$/))

/**
 * The first process of a PID namespace (PID 1 in it). The kernel reuses a namespace's number within seconds. Only
 * number and first process together name one namespace of one boot.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FirstProcess = Schema.Struct({ startTime: StartToken, processId64: Schema.optionalKey(Decimal) })
export type FirstProcess = typeof FirstProcess.Type

/**
 * Nanoseconds that a time namespace adds to the time since boot: `boottime` of `/proc/self/timens_offsets`,
 * `time_namespaces(7)`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TimeOffset = Schema.String.check(Schema.isPattern(/^-?[0-9]{1,20}$/))

/**
 * Schema fields shared by {@link ProcessIdentity} and the v3 record.
 *
 * @category schemas
 * @since 0.1.0
 */
export const identityFields = {
  startTime: StartToken,
  /** 64-bit id, never reused within one boot. Linux 6.9 or later: inode of the pidfd on pidfs. Darwin: `p_uniqueid`. */
  processId64: Schema.optionalKey(Decimal),
  /** Linux `/proc/sys/kernel/random/boot_id`, Darwin `kern.bootsessionuuid`. */
  bootId: Schema.optionalKey(Schema.NonEmptyString),
  /**
   * PID namespace of the recording process: `readlink /proc/self/ns/pid`. `pid` is the recorded process's number in it.
   */
  pidNamespace: Schema.optionalKey(Schema.NonEmptyString),
  /** The first process of `pidNamespace`, as the recording process saw it. */
  pidNamespaceInit: Schema.optionalKey(FirstProcess),
  /**
   * Offset of the recording process's time namespace. The kernel added it to `startTime` and to the one of
   * `pidNamespaceInit`.
   */
  timeOffset: Schema.optionalKey(TimeOffset),
  /** Linux `machine-id(5)`, Darwin `gethostuuid(2)`. */
  machineId: Schema.optionalKey(Schema.NonEmptyString),
  hostname: Schema.String,
  /** Effective uid of the process. */
  uid: Schema.optionalKey(Schema.Natural),
  exe: Schema.optionalKey(Executable)
} as const

/**
 * Identity of one process among all processes of all boots of all machines.
 *
 * @category models
 * @since 0.1.0
 */
export class ProcessIdentity extends Schema.Class<ProcessIdentity>("@vm-sentinel/core/ProcessIdentity")({
  pid: Pid,
  ...identityFields
}) {}

/**
 * The reader's own kernel, and the namespaces from which the reader sees it. A missing key compares as *unknown*, never
 * as *different*.
 *
 * @category schemas
 * @since 0.1.0
 */
export const HostIdentity = Schema.Struct({
  /**
   * Boot id of the kernel. Missing if it can't be read, for example because another file is mounted over the kernel's.
   */
  bootId: Schema.optionalKey(Schema.String),
  /** The cause of a missing `bootId`, in words. */
  bootIdProblem: Schema.optionalKey(Schema.String),
  machineId: Schema.optionalKey(Schema.String),
  /** Why a machine id that may exist wasn't read, in words. Missing: the machine has none, or `machineId` is that id. */
  machineIdProblem: Schema.optionalKey(Schema.String),
  hostname: Schema.String,
  /** `none`: the kernel has neither PID nor time namespaces (Darwin), and neither is compared. */
  namespaces: Schema.Literals(["supported", "none"]),
  pidNamespace: Schema.optionalKey(Schema.String),
  /** The first process of `pidNamespace`. */
  pidNamespaceInit: Schema.optionalKey(FirstProcess),
  /** Nanoseconds, as {@link TimeOffset}. */
  timeOffset: Schema.optionalKey(Schema.String),
  /**
   * Whether the kernel runs in a VM. If a VM's state is restored twice, two kernels have equal ids. Missing: unknown.
   */
  virtualMachine: Schema.optionalKey(Schema.Boolean)
})
export type HostIdentity = typeof HostIdentity.Type

/**
 * Result of a comparison of a recorded and an observed value. `unknown`: at least one of the two isn't known, or the
 * two can't be compared. `not-applicable`: the two aren't compared.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Comparison = Schema.Literals(["equal", "different", "unknown", "not-applicable"])
export type Comparison = typeof Comparison.Type

/**
 * Compares two values for equality. A missing value makes the answer `unknown`.
 *
 * @category comparing
 * @since 0.1.0
 */
export const compare = (recorded: string | undefined, observed: string | undefined): Comparison =>
  recorded === undefined || observed === undefined ? "unknown" : recorded === observed ? "equal" : "different"

/** Nanoseconds of one clock tick of `proc_pid_stat(5)`. `CLK_TCK` is 100 on every Linux in use. */
const tickNanos = 10_000_000n

/**
 * Compares two start tokens that were read in time namespaces. With equal offsets the tokens must be equal. With
 * different offsets each offset is subtracted first, and the tokens must agree within one tick of 10 ms. The answer is
 * `unknown` if a token or an offset is missing, or if the offsets differ and a token is in seconds.
 *
 * **Example** (Comparing with a time namespace that is an hour ahead)
 *
 * ```ts
 * import { compareShiftedTokens } from "@vm-sentinel/core/ProcessIdentity"
 * import * as assert from "node:assert"
 *
 * // An hour is 360000 ticks.
 * const hour = `${3600n * 1_000_000_000n}`
 * assert.strictEqual(compareShiftedTokens("1000", "0", "361000", hour), "equal")
 * assert.strictEqual(compareShiftedTokens("1000", "0", "1000", hour), "different")
 * assert.strictEqual(compareShiftedTokens("1000", undefined, "1000", hour), "unknown")
 * ```
 *
 * @category comparing
 * @since 0.1.0
 */
export const compareShiftedTokens = (
  recorded: string | undefined,
  recordedOffset: string | undefined,
  observed: string | undefined,
  observedOffset: string | undefined
): Comparison => {
  if (recordedOffset === undefined || observedOffset === undefined) return "unknown"
  if (recordedOffset === observedOffset) return compareStartTokens(recorded, observed)
  if (recorded === undefined || observed === undefined) return "unknown"
  if (recorded.startsWith("s:") || observed.startsWith("s:")) return "unknown"
  const shift = BigInt(observedOffset) - BigInt(recordedOffset)
  // The kernel adds the offset to nanoseconds in unsigned 64-bit arithmetic, then truncates to ticks.
  const apart = BigInt.asIntN(64, (BigInt(observed) - BigInt(recorded)) * tickNanos - shift)
  return -tickNanos < apart && apart < tickNanos ? "equal" : "different"
}

/**
 * Number of the initial PID namespace, `PROC_PID_INIT_INO` of `linux/proc_ns.h`. It is the same in every boot of every
 * kernel, and no other namespace ever gets it.
 *
 * @category constants
 * @since 0.1.0
 */
export const initialPidNamespace = "pid:[4026531836]"

/**
 * Compares two start tokens of one boot. A token in seconds (`s:`, from `ps`) and one in microseconds compare by whole
 * seconds.
 *
 * **Example** (Comparing the starts of two processes)
 *
 * ```ts
 * import { compareStartTokens } from "@vm-sentinel/core/ProcessIdentity"
 * import * as assert from "node:assert"
 *
 * assert.strictEqual(compareStartTokens("81234", "81234"), "equal")
 * assert.strictEqual(compareStartTokens("81234", "81235"), "different")
 * assert.strictEqual(compareStartTokens("1700000000123456", "s:1700000000"), "equal")
 * assert.strictEqual(compareStartTokens("81234", undefined), "unknown")
 * ```
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

/**
 * Compares the first processes of two PID namespaces: by their 64-bit ids if both are known, else by their starts with
 * {@link compareShiftedTokens}.
 *
 * @category comparing
 * @since 0.1.0
 */
export const compareFirstProcesses = (
  recorded: FirstProcess | undefined,
  recordedOffset: string | undefined,
  observed: FirstProcess | undefined,
  observedOffset: string | undefined
): Comparison => {
  const byId = compare(recorded?.processId64, observed?.processId64)
  if (byId !== "unknown") return byId
  return compareShiftedTokens(recorded?.startTime, recordedOffset, observed?.startTime, observedOffset)
}
