/**
 * What a `FakeProcessTable` is told, and tells.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type { Present } from "../Observation.ts"
import type { HostIdentity, Pid } from "../ProcessIdentity.ts"

/**
 * Every PID is in use, or the one that was asked for.
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
 * How a process is started. A key that isn't given comes from the parent, as by `fork(2)`.
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
 * A datum that the reader may be unable to read: then its key is missing.
 *
 * @category models
 * @since 0.1.0
 */
export type Maskable =
  | Exclude<keyof HostIdentity, "hostname" | "namespaces">
  | Exclude<keyof Present, "_tag" | "pid" | "exe" | "exeError">

/**
 * Where a reader stands, and what it sees of its host. A key that isn't given is as its maker has it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Place {
  /** Made where there is none of that name, with the reader as its first process. */
  readonly pidNamespace?: string
  /** In ticks: see `setTimeNamespace`. */
  readonly timeOffset?: number
  /** See `coverBootId`. */
  readonly cover?: Cover | undefined
  readonly uid?: number
  readonly machineId?: string
  readonly hostname?: string
}

/**
 * A file that is mounted over the one of the boot id, as systemd-nspawn and LXC do. `seenByRoot`: a reader of uid 0 looks
 * below it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Cover {
  /** What the reader has in place of a boot id, in words. */
  readonly problem?: string
  readonly seenByRoot?: boolean
}

/**
 * How a fake kernel begins.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The largest PID (default 1024): after it, numbers start again at the bottom. */
  readonly pidMax?: number
  /** Whether the 64-bit process id is served (default true). Without it only ticks of 10 ms tell processes apart. */
  readonly processIds?: boolean
  /** `none`: a kernel without PID and time namespaces. */
  readonly namespaces?: "supported" | "none"
  /** Tells kernels apart that are up at one time (default 0): two with one number have the same boot ids. */
  readonly kernel?: number
  readonly machineId?: string
  readonly hostname?: string
  /** Whether the kernel runs in a virtual machine (default false). */
  readonly virtualMachine?: boolean
  /** Uid of the reader (default 1000). Unless it is 0, executables of other users' processes are refused. */
  readonly uid?: number
}
