/**
 * What the kernel says about a PID now.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Executable, Pid } from "./ProcessIdentity.ts"

/**
 * The kernel has a process, or a thread, under the number. A missing key was not asked for or not to be had.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Present = Schema.TaggedStruct("Present", {
  pid: Pid,
  /** Thread group leader (`Tgid` of `proc_pid_status(5)`). Different from `pid`: the number names a thread. */
  tgid: Schema.optionalKey(Schema.Number),
  /** One letter, `proc_pid_stat(5)` field 3: `Z` zombie, `X` dead. */
  state: Schema.optionalKey(Schema.String),
  /** Threads in the group, `proc_pid_stat(5)` field 20. A real zombie has at most one. */
  threads: Schema.optionalKey(Schema.Number),
  startTime: Schema.optionalKey(Schema.String),
  /** Estimated wall-clock start, milliseconds since the epoch. Never identity: only v2 records are judged with it. */
  startedAt: Schema.optionalKey(Schema.Number),
  /** Estimated wall-clock time at which the kernel booted, by the same clock as `startedAt`. */
  bootedAt: Schema.optionalKey(Schema.Number),
  processId64: Schema.optionalKey(Schema.String),
  exe: Schema.optionalKey(Executable),
  /** Why `exe` is missing although it was asked for. */
  exeError: Schema.optionalKey(Schema.Literals(["permission-denied", "not-available"])),
  uid: Schema.optionalKey(Schema.Number),
  /** Short command name, for people only. */
  comm: Schema.optionalKey(Schema.String)
})
export type Present = typeof Present.Type

/**
 * Whether the number names a thread, and not the process.
 *
 * @category guards
 * @since 0.1.0
 */
export const isThread = ({ pid, tgid }: Present): boolean => tgid !== undefined && tgid !== pid

/**
 * Whether the process has ended and only waits to be reaped. A leader that exited leaves `Z` too while other threads run.
 *
 * @category guards
 * @since 0.1.0
 */
export const isExited = ({ state, threads }: Present): boolean =>
  (state === "Z" || state === "X") && threads !== undefined && threads <= 1

/**
 * The kernel has nothing under the number: `/proc/<pid>` answered ENOENT and `kill(2)` ESRCH.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Absent = Schema.TaggedStruct("Absent", { pid: Pid })
export type Absent = typeof Absent.Type

/**
 * Something is there, or may be, and the kernel won't say what: `hidepid`, another user's process, a policy.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Hidden = Schema.TaggedStruct("Hidden", {
  pid: Pid,
  /** What was asked and answered, such as `stat: EACCES` or `stat: ENOENT, kill: EPERM`. */
  detail: Schema.String
})
export type Hidden = typeof Hidden.Type

/**
 * The question could not be asked. It says nothing about the process.
 *
 * `no-procfs`: `/proc` is missing, isn't procfs, or belongs to another PID namespace. `resources`: EMFILE, ENFILE,
 * ENOMEM, EIO, EINTR, EAGAIN after a bounded retry. `malformed`: an answer that can't be parsed. `unsupported`: no
 * source for this platform.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Unavailable = Schema.TaggedStruct("Unavailable", {
  pid: Pid,
  reason: Schema.Literals(["no-procfs", "resources", "malformed", "unsupported"]),
  detail: Schema.String
})
export type Unavailable = typeof Unavailable.Type

/**
 * One answer of the kernel about a PID.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Observation = Schema.Union([Present, Absent, Hidden, Unavailable])
export type Observation = typeof Observation.Type

/**
 * How much of a {@link Present} is asked for. Nothing else is read.
 *
 * `existence`: present or not, thread or process, zombie or not. `identity`: also the 64-bit process id, or where that
 * can't be had the start token. `path`: existence and the path of the executable, by the fewest calls: enough to find an
 * owner that lives, not to condemn one. `executable`: existence, the executable and the start. `all`: everything, for
 * people.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ObserveDepth = Schema.Literals(["existence", "identity", "path", "executable", "all"])
export type ObserveDepth = typeof ObserveDepth.Type
