/**
 * Options, arguments and errors of `FakeProcessTable`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type { Present } from "../Observation.ts"
import type { HostIdentity, Pid } from "../ProcessIdentity.ts"

/**
 * The requested PID is in use. Without `pid`, every PID is in use.
 *
 * @category errors
 * @since 0.1.0
 */
export class PidUnavailable extends Schema.TaggedError<PidUnavailable>("@vm-sentinel/core/testing/PidUnavailable")(
  "PidUnavailable",
  { pid: Schema.optionalKey(Schema.Number) }
) {
  override get message(): string {
    return this.pid === undefined ? "every PID is in use" : `PID ${this.pid} is in use`
  }
}

/**
 * Options of a new process. Missing keys are inherited from `parent`, as by `fork(2)`. Without `parent`, `exe` is
 * `/usr/bin/node` and `uid` the reader's. A given `exe` also determines a missing `comm`, which is its file name.
 *
 * @category models
 * @since 0.1.0
 */
export interface SpawnOptions {
  readonly exe?: string
  readonly uid?: number
  readonly comm?: string
  readonly parent?: Pid
}

/**
 * A key of a host identity or observation that `mask` can make unreadable.
 *
 * @category models
 * @since 0.1.0
 */
export type Maskable =
  | Exclude<keyof HostIdentity, "hostname" | "namespaces">
  | Exclude<keyof Present, "_tag" | "pid" | "exe" | "exeError">

/**
 * Namespaces, uid and host of a new reader. A missing key has the value of the reader whose controls make the new one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Place {
  /** A namespace that doesn't exist is made, with the reader as its first process. */
  readonly pidNamespace?: string
  /** In ticks of 10 ms, see `setTimeNamespace`. */
  readonly timeOffset?: number
  /** See `coverBootId`. */
  readonly cover?: Cover | undefined
  readonly uid?: number
  readonly machineId?: string
  readonly hostname?: string
}

/**
 * A file that is mounted over that of the boot id, as systemd-nspawn and LXC do.
 *
 * @category models
 * @since 0.1.0
 */
export interface Cover {
  /** Value of `bootIdProblem` for readers that can't read the boot id. */
  readonly problem?: string
  /** Whether a reader of uid 0 reads the boot id below the mounted file (default false). */
  readonly seenByRoot?: boolean
}

/**
 * Options of a fake kernel and its first reader.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The largest PID (default 1024). After it, PIDs start at 1 again. */
  readonly pidMax?: number
  /**
   * Whether readers get 64-bit process ids (default true). Without these ids only start ticks of 10 ms distinguish
   * processes.
   */
  readonly processIds?: boolean
  /** `none`: a kernel without PID and time namespaces, such as Darwin. Default `supported`. */
  readonly namespaces?: "supported" | "none"
  /** Number of the kernel (default 0). Two fake kernels with one number have the same boot ids. */
  readonly kernel?: number
  readonly machineId?: string
  readonly hostname?: string
  /** Whether the kernel runs in a virtual machine (default false). */
  readonly virtualMachine?: boolean
  /**
   * Uid of the reader (default 1000). A reader of another uid than 0 can't read executables of other users' processes.
   */
  readonly uid?: number
}
