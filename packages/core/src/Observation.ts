/**
 * The kernel's current answer about a PID.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Executable, Pid } from "./ProcessIdentity.ts"

/**
 * The kernel has a process or a thread under the PID. A key is missing if the caller did not ask for the datum or the
 * kernel did not give it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Present = Schema.TaggedStruct("Present", {
  pid: Pid,
  /**
   * PID of the thread group leader (`Tgid` of `proc_pid_status(5)`). If `tgid` differs from `pid`, `pid` names a
   * thread.
   */
  tgid: Schema.optionalKey(Schema.Number),
  /** State as one letter, `proc_pid_stat(5)` field 3: `Z` zombie, `X` dead. */
  state: Schema.optionalKey(Schema.String),
  /** Threads in the thread group, `proc_pid_stat(5)` field 20. A process that has ended has at most one. */
  threads: Schema.optionalKey(Schema.Number),
  /** Start as a `ProcessIdentity.StartToken`, in the reader's time namespace. */
  startTime: Schema.optionalKey(Schema.String),
  /**
   * Estimated wall-clock start, milliseconds since the epoch. Only v2 records are judged by `startedAt`, because it is
   * no identity.
   */
  startedAt: Schema.optionalKey(Schema.Number),
  /** Estimated wall-clock boot of the kernel, milliseconds since the epoch, by the same clock as `startedAt`. */
  bootedAt: Schema.optionalKey(Schema.Number),
  /** 64-bit process id, see `ProcessIdentity.identityFields`. */
  processId64: Schema.optionalKey(Schema.String),
  exe: Schema.optionalKey(Executable),
  /** Why `exe` is missing although the caller asked for the executable. */
  exeError: Schema.optionalKey(Schema.Literals(["permission-denied", "not-available"])),
  /** Effective uid. */
  uid: Schema.optionalKey(Schema.Number),
  /** Short command name, for people. No judgement depends on `comm`. */
  comm: Schema.optionalKey(Schema.String)
})
export type Present = typeof Present.Type

/**
 * Whether the PID names a thread that isn't its thread group's leader.
 *
 * @category guards
 * @since 0.1.0
 */
export const isThread = ({ pid, tgid }: Present): boolean => tgid !== undefined && tgid !== pid

/**
 * Whether the process has ended and only waits to be reaped. State `Z` alone is no proof, because the kernel also shows
 * `Z` for a leader that exited while other threads of its group run.
 *
 * @category guards
 * @since 0.1.0
 */
export const isExited = ({ state, threads }: Present): boolean =>
  (state === "Z" || state === "X") && threads !== undefined && threads <= 1

/**
 * The kernel has no process under the PID. On Linux `/proc/<pid>` answered ENOENT and `kill(2)` answered ESRCH.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Absent = Schema.TaggedStruct("Absent", { pid: Pid })
export type Absent = typeof Absent.Type

/**
 * A process exists or may exist, and the kernel refuses to describe it: `hidepid`, another user's process, a security
 * policy.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Hidden = Schema.TaggedStruct("Hidden", {
  pid: Pid,
  /** The calls and their errnos, such as `stat: EACCES` or `stat: ENOENT, kill: EPERM`. */
  detail: Schema.String
})
export type Hidden = typeof Hidden.Type

/**
 * The kernel could not be asked. `Unavailable` proves nothing about the process.
 *
 * - `no-procfs`: `/proc` is missing, isn't procfs, or belongs to another PID namespace.
 * - `resources`: EMFILE, ENFILE, ENOMEM, EIO, EINTR or EAGAIN, after a bounded number of retries.
 * - `malformed`: the answer can't be parsed, or the number is no PID.
 * - `unsupported`: this platform has no source of process data.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Unavailable = Schema.TaggedStruct("Unavailable", {
  pid: Pid,
  reason: Schema.Literals(["no-procfs", "resources", "malformed", "unsupported"]),
  /** The failure in words. */
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
 * Which keys of a {@link Present} an observation has to read. Other keys may be missing.
 *
 * - `existence`: whether the PID is in use, whether it names a thread, and whether the process has ended.
 * - `identity`: `existence`, and the 64-bit process id, or the start token if the kernel gives no such id.
 * - `path`: `existence`, and the path of the executable, by the fewest calls. Enough to recognise a living owner, not
 *   to condemn one.
 * - `executable`: `existence`, the executable and the start.
 * - `all`: every key.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ObserveDepth = Schema.Literals(["existence", "identity", "path", "executable", "all"])
export type ObserveDepth = typeof ObserveDepth.Type
