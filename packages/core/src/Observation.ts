/**
 * What the kernel says about a PID now.
 *
 * @since 0.1.0
 */
import type { Executable, Pid } from "./ProcessIdentity.ts"

/**
 * The kernel has a process, or a thread, under the number. A missing key was not asked for or not to be had.
 *
 * @category models
 * @since 0.1.0
 */
export interface Present {
  readonly _tag: "Present"
  readonly pid: Pid
  /** Thread group leader (`Tgid` of `proc_pid_status(5)`). Different from `pid`: the number names a thread. */
  readonly tgid?: number
  /** One letter, `proc_pid_stat(5)` field 3: `Z` zombie, `X` dead. */
  readonly state?: string
  /** Threads in the group, `proc_pid_stat(5)` field 20. A real zombie has at most one. */
  readonly threads?: number
  readonly startTime?: string
  /** Estimated wall-clock start, milliseconds since the epoch. Never identity: only v2 records are judged with it. */
  readonly startedAt?: number
  /** Estimated wall-clock time at which the kernel booted, by the same clock as `startedAt`. */
  readonly bootedAt?: number
  readonly processId64?: string
  readonly exe?: Executable
  /** Why `exe` is missing although it was asked for. */
  readonly exeError?: "permission-denied" | "not-available"
  readonly uid?: number
  /** Short command name, for people only. */
  readonly comm?: string
}

/**
 * The kernel has nothing under the number: `/proc/<pid>` answered ENOENT and `kill(2)` ESRCH.
 *
 * @category models
 * @since 0.1.0
 */
export interface Absent {
  readonly _tag: "Absent"
  readonly pid: Pid
}

/**
 * Something is there, or may be, and the kernel won't say what: `hidepid`, another user's process, a policy.
 *
 * @category models
 * @since 0.1.0
 */
export interface Hidden {
  readonly _tag: "Hidden"
  readonly pid: Pid
  /** What was asked and answered, such as `stat: EACCES` or `stat: ENOENT, kill: EPERM`. */
  readonly detail: string
}

/**
 * The question could not be asked. It says nothing about the process.
 *
 * `no-procfs`: `/proc` is missing, isn't procfs, or belongs to another PID namespace. `resources`: EMFILE, ENFILE,
 * ENOMEM, EIO, EINTR, EAGAIN after a bounded retry. `malformed`: an answer that can't be parsed. `unsupported`: no
 * source for this platform.
 *
 * @category models
 * @since 0.1.0
 */
export interface Unavailable {
  readonly _tag: "Unavailable"
  readonly pid: Pid
  readonly reason: "no-procfs" | "resources" | "malformed" | "unsupported"
  readonly detail: string
}

/**
 * @category models
 * @since 0.1.0
 */
export type Observation = Present | Absent | Hidden | Unavailable

/**
 * How much of a {@link Present} is wanted. What isn't wanted isn't read.
 *
 * `existence`: present or not, thread or process, zombie or not. `identity`: also the 64-bit process id, or where that
 * can't be had the start token. `path`: existence and the path of the executable, by the fewest calls: enough to find an
 * owner that lives, not to condemn one. `executable`: existence, the executable and the start. `all`: everything, for
 * people.
 *
 * @category models
 * @since 0.1.0
 */
export type Wanted = "existence" | "identity" | "path" | "executable" | "all"
