/**
 * Options, results and errors of `Ownership`.
 *
 * @since 0.1.0
 */
import type { PublishedFile } from "./DirectoryState.ts"
import type { HeldLock, OwnerLock } from "./DiskModel.ts"
import type { Changed, Distrust, IdentityUnavailable, LockBusy, PublishNewError } from "./Errors.ts"
import type { Pid } from "./ProcessIdentity.ts"
import type { Format } from "./Sentinel.ts"

/**
 * Options of `Ownership.record`.
 *
 * @category models
 * @since 0.1.0
 */
export interface RecordOptions {
  /** The process to record. Default: the calling process. */
  readonly pid?: Pid
  /** Default `v3`. The file `.bbox-sentinel` takes only `v2`, its default. */
  readonly format?: Format
  /** Role of the owner: 1 to 32 letters, digits, `-` and `_`. Default `owner`. Each role has a file of its own. */
  readonly role?: string
  /** Base name of the sentinel file. Default `.vm-sentinel`. */
  readonly sentinelName?: string
  /** `keep`: a v1 or v2 record of another owner is never taken for that of a dead one. Default: `trust`. */
  readonly legacy?: "trust" | "keep"
  /**
   * The directory's lock, which the caller holds. The process `pid`, if given, inherited the lock's descriptor, and its
   * v3 record claims the lock if `outlivesThread` is `true`. A record without `pid` claims no lock.
   */
  readonly lock?: HeldLock
}

/**
 * Errors of `Ownership.ensureUnowned`.
 *
 * @category errors
 * @since 0.1.0
 */
export type UnownedError = PublishNewError | LockBusy

/**
 * Errors of `Ownership.create`.
 *
 * @category errors
 * @since 0.1.0
 */
export type CreateError = UnownedError | IdentityUnavailable

/**
 * Errors of `Ownership.record` and `hold`.
 *
 * @category errors
 * @since 0.1.0
 */
export type RecordError = CreateError | Changed

/**
 * Options of `Ownership.create` and `hold`. Both take the lock themselves, and record the calling process, which holds
 * it.
 *
 * @category models
 * @since 0.1.0
 */
export type HoldOptions = Omit<RecordOptions, "lock" | "pid">

/**
 * A published sentinel, and whether sweeps will believe it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Recorded extends PublishedFile {
  /** The record has replaced that of a dead owner. */
  readonly hasReplaced: boolean
  /**
   * Why no sweep by this user believes the sentinel, such as "its directory is writable by group 107". A default ACL or
   * a umask can cause that. Sweeps then keep the directory, as `untrusted-sentinel`, until somebody corrects the
   * permissions. `undefined`: there is no such reason, or the directory can't be read.
   */
  readonly distrust: Distrust | undefined
}

/**
 * A held directory: its sentinel, and its lock. When the scope closes, the sentinel is rewritten without its claim on
 * the lock. Then the lock is released. If the rewrite fails, the lock may stay held until the process ends.
 *
 * @category models
 * @since 0.1.0
 */
export interface Held {
  readonly file: Recorded
  /** `undefined`: the platform or the file system has no lock. */
  readonly lock: OwnerLock | undefined
}
