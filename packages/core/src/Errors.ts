/**
 * Every error a service or a program of this library can fail with. Each names the operation and the path or PID.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const about = {
  /** What was being done, such as `read sentinel`. */
  operation: Schema.String,
  path: Schema.optionalKey(Schema.String),
  pid: Schema.optionalKey(Schema.Number)
}

const subject = (error: { readonly path?: string; readonly pid?: number }): string =>
  error.path !== undefined ? error.path : error.pid !== undefined ? `process ${error.pid}` : "unknown"

/**
 * There is nothing under the path or the PID. A zombie counts as not found where an owner is asked for.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotFound extends Schema.TaggedError<NotFound>("@vm-sentinel/core/NotFound")("NotFound", about) {
  override get message(): string {
    return `${subject(this)}: not found (${this.operation})`
  }
}

/**
 * The kernel refused (EACCES, EPERM). It never means that a process is gone.
 *
 * @category errors
 * @since 0.1.0
 */
export class PermissionDenied extends Schema.TaggedError<PermissionDenied>("@vm-sentinel/core/PermissionDenied")(
  "PermissionDenied",
  about
) {
  override get message(): string {
    return `${subject(this)}: permission denied (${this.operation})`
  }
}

/**
 * A sentinel over the cap: not read. `size` and `limit` in bytes.
 *
 * @category errors
 * @since 0.1.0
 */
export class OversizedSentinel extends Schema.TaggedError<OversizedSentinel>("@vm-sentinel/core/OversizedSentinel")(
  "OversizedSentinel",
  { operation: Schema.String, path: Schema.String, size: Schema.Number, limit: Schema.Number }
) {
  override get message(): string {
    return `${this.path}: sentinel of ${this.size} bytes, at most ${this.limit} are read (${this.operation})`
  }
}

/**
 * A sentinel that none of the formats describes, or a record that none of them can hold.
 *
 * @category errors
 * @since 0.1.0
 */
export class MalformedSentinel extends Schema.TaggedError<MalformedSentinel>("@vm-sentinel/core/MalformedSentinel")(
  "MalformedSentinel",
  { operation: Schema.String, path: Schema.String, problem: Schema.String }
) {
  override get message(): string {
    return `${this.path}: malformed sentinel: ${this.problem} (${this.operation})`
  }
}

/**
 * A record of a version this release doesn't know. Update before sweeping: it is never read as an older one.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnsupportedVersion extends Schema.TaggedError<UnsupportedVersion>("@vm-sentinel/core/UnsupportedVersion")(
  "UnsupportedVersion",
  { operation: Schema.String, path: Schema.String, version: Schema.String }
) {
  override get message(): string {
    return `${this.path}: sentinel version ${this.version} is not supported by this release (${this.operation})`
  }
}

/**
 * A sentinel somebody else could have made: not a regular file, another user's, writable by others, or hard-linked.
 *
 * @category errors
 * @since 0.1.0
 */
export class UntrustedSentinel extends Schema.TaggedError<UntrustedSentinel>("@vm-sentinel/core/UntrustedSentinel")(
  "UntrustedSentinel",
  { operation: Schema.String, path: Schema.String, problem: Schema.String }
) {
  override get message(): string {
    return `${this.path}: untrusted sentinel: ${this.problem} (${this.operation})`
  }
}

/**
 * A root that is never swept: `/`, a home directory, a symbolic link, not a directory, or not ours.
 *
 * @category errors
 * @since 0.1.0
 */
export class RefusedRoot extends Schema.TaggedError<RefusedRoot>("@vm-sentinel/core/RefusedRoot")("RefusedRoot", {
  path: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `${this.path}: refused as a root: ${this.problem}`
  }
}

/**
 * The directory has an owner that isn't provably gone. Nothing was written.
 *
 * @category errors
 * @since 0.1.0
 */
export class AlreadyOwned extends Schema.TaggedError<AlreadyOwned>("@vm-sentinel/core/AlreadyOwned")("AlreadyOwned", {
  path: Schema.String,
  owner: Schema.optionalKey(Schema.Number),
  verdict: Schema.Literals(["alive", "unknown"]),
  reason: Schema.String
}) {
  override get message(): string {
    const owner = this.owner === undefined ? "an unreadable owner" : `process ${this.owner}`
    return `${this.path}: already owned by ${owner}: ${this.verdict}, ${this.reason}`
  }
}

/**
 * A sweeper took the directory while it was being written to. Nothing was lost: make the directory anew.
 *
 * @category errors
 * @since 0.1.0
 */
export class Claimed extends Schema.TaggedError<Claimed>("@vm-sentinel/core/Claimed")("Claimed", {
  path: Schema.String
}) {
  override get message(): string {
    return `${this.path}: a sweep claimed the directory meanwhile; create it again`
  }
}

/**
 * A mount lies inside the directory (`proc_pid_mountinfo(5)`): unmount it first. Nothing was touched.
 *
 * @category errors
 * @since 0.1.0
 */
export class MountInside extends Schema.TaggedError<MountInside>("@vm-sentinel/core/MountInside")("MountInside", {
  path: Schema.String,
  mount: Schema.String
}) {
  override get message(): string {
    return `${this.path}: ${this.mount} is mounted inside; unmount it first`
  }
}

/**
 * The directory went away, or another sweep has it.
 *
 * @category errors
 * @since 0.1.0
 */
export class Taken extends Schema.TaggedError<Taken>("@vm-sentinel/core/Taken")("Taken", { path: Schema.String }) {
  override get message(): string {
    return `${this.path}: gone or taken meanwhile`
  }
}

/**
 * The directory is no longer what was judged: another device or inode, or another sentinel. Nothing was deleted.
 *
 * @category errors
 * @since 0.1.0
 */
export class Changed extends Schema.TaggedError<Changed>("@vm-sentinel/core/Changed")("Changed", {
  path: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `${this.path}: changed since it was judged: ${this.problem}`
  }
}

/**
 * A claimed directory turned out to be owned, and its name was taken meanwhile: it stays under `kept`, complete.
 *
 * @category errors
 * @since 0.1.0
 */
export class NameTaken extends Schema.TaggedError<NameTaken>("@vm-sentinel/core/NameTaken")("NameTaken", {
  path: Schema.String,
  kept: Schema.String
}) {
  override get message(): string {
    return `${this.path}: the name was taken meanwhile; the directory is kept as ${this.kept}`
  }
}

/**
 * Somebody holds the ownership lock of the directory and leaves no room beside it. `holders`: those that can be seen from
 * here.
 *
 * @category errors
 * @since 0.1.0
 */
export class LockBusy extends Schema.TaggedError<LockBusy>("@vm-sentinel/core/LockBusy")("LockBusy", {
  path: Schema.String,
  holders: Schema.optionalKey(Schema.Array(Schema.Number))
}) {
  override get message(): string {
    const { holders = [] } = this
    const who = holders.length === 0 ? "somebody not visible from here" : `process ${holders.join(", ")}`
    return `${this.path}: ${who} holds the ownership lock`
  }
}

/**
 * No `flock(2)` on this platform, without koffi, or on this file system. Ownership rests on the process alone then.
 *
 * @category errors
 * @since 0.1.0
 */
export class LockUnsupported extends Schema.TaggedError<LockUnsupported>("@vm-sentinel/core/LockUnsupported")(
  "LockUnsupported",
  { path: Schema.String }
) {
  override get message(): string {
    return `${this.path}: no ownership lock can be taken here`
  }
}

/**
 * The file system failed otherwise (ENOSPC, EIO, EMFILE, EBUSY, …). What was there before is intact or resumable.
 *
 * @category errors
 * @since 0.1.0
 */
export class StoreFailure extends Schema.TaggedError<StoreFailure>("@vm-sentinel/core/StoreFailure")("StoreFailure", {
  operation: Schema.String,
  path: Schema.String,
  /** The errno name, such as `ENOSPC`, where there is one. */
  errno: Schema.optionalKey(Schema.String),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `${this.path}: ${this.errno ?? "failed"} (${this.operation})`
  }
}

/**
 * A process can't be identified here at all: no procfs, no libproc, an answer that makes no sense.
 *
 * @category errors
 * @since 0.1.0
 */
export class IdentityUnavailable extends Schema.TaggedError<IdentityUnavailable>(
  "@vm-sentinel/core/IdentityUnavailable"
)("IdentityUnavailable", { pid: Schema.Number, detail: Schema.String }) {
  override get message(): string {
    return `process ${this.pid}: can't be identified: ${this.detail}`
  }
}

/**
 * What a sentinel file's own content or keeping can be refused for.
 *
 * @category errors
 * @since 0.1.0
 */
export const SentinelError = Schema.Union([OversizedSentinel, MalformedSentinel, UnsupportedVersion, UntrustedSentinel])
export type SentinelError = typeof SentinelError.Type

/**
 * What one directory can fail with. A sweep keeps it in the directory's outcome.
 *
 * @category errors
 * @since 0.1.0
 */
export const DirectoryError = Schema.Union([
  NotFound,
  PermissionDenied,
  OversizedSentinel,
  MalformedSentinel,
  UnsupportedVersion,
  UntrustedSentinel,
  MountInside,
  Taken,
  Changed,
  NameTaken,
  LockBusy,
  StoreFailure
])
export type DirectoryError = typeof DirectoryError.Type

/**
 * What a root can fail with, before anything is judged.
 *
 * @category errors
 * @since 0.1.0
 */
export type RootError = NotFound | PermissionDenied | RefusedRoot | StoreFailure

/**
 * Errors of a look at a directory.
 *
 * @category errors
 * @since 0.1.0
 */
export type LookError = NotFound | PermissionDenied | StoreFailure

/**
 * Errors of publishing a sentinel.
 *
 * @category errors
 * @since 0.1.0
 */
export type PublishError = AlreadyOwned | Claimed | Changed | MalformedSentinel | LookError

/**
 * Errors of claiming a condemned directory.
 *
 * @category errors
 * @since 0.1.0
 */
export type ClaimError = Taken | Changed | LockBusy | MountInside | NameTaken | PermissionDenied | StoreFailure

/**
 * Errors of taking up what a killed sweep left.
 *
 * @category errors
 * @since 0.1.0
 */
export type ResumeError = Taken | LockBusy | PermissionDenied | StoreFailure
