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
 * The first process of a PID namespace. With the namespace's number, which the kernel gives again within seconds, it
 * names one namespace of one boot.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FirstProcess = Schema.Struct({ startTime: StartToken, processId64: Schema.optionalKey(Decimal) })
export type FirstProcess = typeof FirstProcess.Type

/**
 * Nanoseconds that a time namespace adds to the time since boot, `/proc/self/timens_offsets` of `time_namespaces(7)`.
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
  /** Never reused within one boot. Linux: inode of the pidfd on pidfs (6.9 and later). Darwin: `p_uniqueid`. */
  processId64: Schema.optionalKey(Decimal),
  /** Linux `/proc/sys/kernel/random/boot_id`, Darwin `kern.bootsessionuuid`. */
  bootId: Schema.optionalKey(Schema.NonEmptyString),
  /** PID namespace of the process that recorded the identity, as `readlink /proc/self/ns/pid` gives it. */
  pidNamespace: Schema.optionalKey(Schema.NonEmptyString),
  /** The first process of that namespace, as the process that recorded the identity saw it. */
  pidNamespaceInit: Schema.optionalKey(FirstProcess),
  /** Offset of the time namespace of the process that recorded the identity: its start ticks are shifted by it. */
  timeOffset: Schema.optionalKey(TimeOffset),
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
 * @category schemas
 * @since 0.1.0
 */
export const HostIdentity = Schema.Struct({
  /** The kernel's own. A file that was mounted over it says nothing. */
  bootId: Schema.optionalKey(Schema.String),
  /** Why `bootId` is missing, in words. */
  bootIdProblem: Schema.optionalKey(Schema.String),
  machineId: Schema.optionalKey(Schema.String),
  hostname: Schema.String,
  /** `none`: this kernel has no PID or time namespaces (Darwin), so there is nothing to compare. */
  namespaces: Schema.Literals(["supported", "none"]),
  pidNamespace: Schema.optionalKey(Schema.String),
  /** The first process of `pidNamespace`. */
  pidNamespaceInit: Schema.optionalKey(FirstProcess),
  /** Nanoseconds, as {@link TimeOffset}. */
  timeOffset: Schema.optionalKey(Schema.String),
  /** Whether this kernel runs in a virtual machine, whose state can be restored twice. Missing: it may. */
  virtualMachine: Schema.optionalKey(Schema.Boolean)
})
export type HostIdentity = typeof HostIdentity.Type

/**
 * The answer to "are these two the same?", where not knowing is an answer of its own.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Comparison = Schema.Literals(["equal", "different", "unknown", "not-applicable"])
export type Comparison = typeof Comparison.Type

/**
 * Compares two values for equality; a missing one makes the answer `unknown`.
 *
 * @category comparing
 * @since 0.1.0
 */
export const compare = (recorded: string | undefined, observed: string | undefined): Comparison =>
  recorded === undefined || observed === undefined ? "unknown" : recorded === observed ? "equal" : "different"

/** Nanoseconds in a clock tick of `proc_pid_stat(5)`. */
const tickNanos = 10_000_000n

/**
 * Compares two start tokens that were read in time namespaces of known offsets. Equal offsets compare exactly, others
 * after subtracting, within a tick. A missing offset makes the answer `unknown`.
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
  // The kernel shifts nanoseconds in 64 bits without a sign, and then cuts them to ticks.
  const apart = BigInt.asIntN(64, (BigInt(observed) - BigInt(recorded)) * tickNanos - shift)
  return -tickNanos < apart && apart < tickNanos ? "equal" : "different"
}

/**
 * Number of the initial PID namespace, `PROC_PID_INIT_INO` of `linux/proc_ns.h`: the same in every boot of every kernel, and
 * never given again.
 *
 * @category constants
 * @since 0.1.0
 */
export const initialPidNamespace = "pid:[4026531836]"

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

/**
 * Compares the first processes of two PID namespaces: by their 64-bit ids where both have one, else by their starts, each
 * read in a time namespace of a known offset.
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
