/**
 * Errors of the services and programs of this library, except `DiskError`. Each names the path or the PID that it is
 * about.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { reasons } from "./Reason.ts"

/**
 * The operation during which an error came.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Operation = Schema.Literals([
  "read working directory",
  "resolve",
  "open root",
  "look at root",
  "list root",
  "change root",
  "look",
  "look below",
  "look for mounts",
  "measure",
  "read sentinel",
  "write sentinel",
  "release sentinel",
  "make directory",
  "lock",
  "identify the sweep itself",
  "make workspace",
  "list workspace",
  "lock workspace",
  "adopt workspace",
  "remove unfinished directory",
  "claim",
  "put back",
  "mark",
  "delete",
  "identify process",
  "change process"
]).annotate({ identifier: "Operation" })
export type Operation = typeof Operation.Type

const about = {
  operation: Operation,
  path: Schema.optionalKey(Schema.String),
  pid: Schema.optionalKey(Schema.Int)
}

const subject = (error: { readonly path?: string; readonly pid?: number }): string =>
  error.path !== undefined ? error.path : error.pid !== undefined ? `process ${error.pid}` : "unknown"

/**
 * What wasn't found.
 *
 * - `missing`: nothing exists under the path or the PID. A zombie or a thread counts as missing if an owner is asked for.
 * - `not-a-directory`: the path, or a part of it, isn't a directory.
 * - `no-sentinel`: the directory lacks the sentinel to release.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NotFoundKind = Schema.Literals(["missing", "not-a-directory", "no-sentinel"])
export type NotFoundKind = typeof NotFoundKind.Type

const absences: { readonly [kind in NotFoundKind]: string } = {
  missing: "not found",
  "not-a-directory": "not a directory",
  "no-sentinel": "no such sentinel"
}

/**
 * Nothing exists under the path or the PID, or something else than was asked for, see `NotFoundKind`.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotFound extends Schema.TaggedError<NotFound>("@vm-sentinel/core/NotFound")("NotFound", {
  ...about,
  kind: NotFoundKind
}) {
  override get message(): string {
    return `${subject(this)}: ${absences[this.kind]} (${this.operation})`
  }
}

/**
 * The kernel denied permission (EACCES, EPERM). This error never means that a process is gone.
 *
 * @category errors
 * @since 0.1.0
 */
export class PermissionDenied extends Schema.TaggedError<PermissionDenied>("@vm-sentinel/core/PermissionDenied")(
  "PermissionDenied",
  {
    ...about,
    /** `EACCES` or `EPERM`, if a system call was refused. The kernel refuses even root to change an immutable file. */
    errno: Schema.optionalKey(Schema.String)
  }
) {
  override get message(): string {
    return `${subject(this)}: permission denied (${this.operation})`
  }
}

const SentinelOperation = Operation.pick(["read sentinel", "write sentinel"])

/**
 * A sentinel that is over the size limit, and therefore isn't read. `size` and `limit` are in bytes.
 *
 * @category errors
 * @since 0.1.0
 */
export class OversizedSentinel extends Schema.TaggedError<OversizedSentinel>("@vm-sentinel/core/OversizedSentinel")(
  "OversizedSentinel",
  { operation: SentinelOperation, path: Schema.String, size: Schema.Int, limit: Schema.Int }
) {
  override get message(): string {
    return `${this.path}: sentinel of ${this.size} bytes, at most ${this.limit} are read (${this.operation})`
  }
}

/**
 * A sentinel that matches none of the formats, a record that its format can't hold, or a role or file name under which
 * no record may be written.
 *
 * @category errors
 * @since 0.1.0
 */
export class MalformedSentinel extends Schema.TaggedError<MalformedSentinel>("@vm-sentinel/core/MalformedSentinel")(
  "MalformedSentinel",
  { operation: SentinelOperation, path: Schema.String, problem: Schema.String }
) {
  override get message(): string {
    return `${this.path}: malformed sentinel: ${this.problem} (${this.operation})`
  }
}

/**
 * A record of a version that this release doesn't support. The record is never read as one of an older version. Update
 * this package before the next sweep.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnsupportedVersion extends Schema.TaggedError<UnsupportedVersion>("@vm-sentinel/core/UnsupportedVersion")(
  "UnsupportedVersion",
  { operation: SentinelOperation, path: Schema.String, version: Schema.String }
) {
  override get message(): string {
    return `${this.path}: sentinel version ${this.version} is not supported by this release (${this.operation})`
  }
}

/** Rules for the owner, the group and the mode of a root, of a directory and of a sentinel. */
const ownerRules = ["no-uid", "unknown-owner", "other-user", "world-writable", "group-writable"] as const

/**
 * The rule by which a sentinel, or all of a directory, isn't believed.
 *
 * - `no-uid`: the caller has no uid to compare with. `unknown-owner`: the file's owner can't be told.
 * - `other-user`: a user other than the caller and uid 0 owns it. `world-writable`, `group-writable`: others can write it.
 * - `not-a-file`, `not-a-directory`: it is of another type. `hard-linked`: it has another hard link. `home`: it is a home
 *   directory, which no sweep removes.
 * - `replaced`: it was replaced while it was read. `unreadable`: the directory is another user's, and can't be read.
 * - `too-many`: the directory has more sentinels than are read.
 *
 * @category schemas
 * @since 0.1.0
 */
export const DistrustRule = Schema.Literals([
  ...ownerRules,
  "not-a-file",
  "not-a-directory",
  "home",
  "hard-linked",
  "replaced",
  "unreadable",
  "too-many"
])
export type DistrustRule = typeof DistrustRule.Type

/**
 * Why a sentinel, or all of a directory, isn't believed.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Distrust = Schema.Struct({
  rule: DistrustRule,
  /** The same in words, with the data that the rule found, such as `writable by group 107`. */
  problem: Schema.String
})
export type Distrust = typeof Distrust.Type

/**
 * The rule by which a root is refused.
 *
 * - `no-uid`, `unknown-owner`, `other-user`, `world-writable`, `group-writable`: as in `DistrustRule`.
 * - `empty-path`: the path is empty. `file-system-root`: it is `/`. `home`: it is a home directory.
 * - `symbolic-link`, `not-a-directory`: it is of another type.
 * - `shared`: a directory such as `/tmp`, which is shared by all users.
 * - `unreachable`: no path in this mount namespace leads to it.
 * - `vm-directory`: it has a sentinel, so its content belongs to an owner.
 * - `sweeps-own`: it is a sweep's own directory.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RootRule = Schema.Literals([
  ...ownerRules,
  "empty-path",
  "file-system-root",
  "home",
  "symbolic-link",
  "not-a-directory",
  "shared",
  "unreachable",
  "vm-directory",
  "sweeps-own"
])
export type RootRule = typeof RootRule.Type

/**
 * A sentinel that another user could have made: it or its directory has another type, another owner than the caller and
 * root, or is writable by others, or the sentinel is hard-linked. Also a sentinel that was replaced while it was read,
 * and a directory with more than 64 sentinels.
 *
 * @category errors
 * @since 0.1.0
 */
export class UntrustedSentinel extends Schema.TaggedError<UntrustedSentinel>("@vm-sentinel/core/UntrustedSentinel")(
  "UntrustedSentinel",
  { operation: SentinelOperation, path: Schema.String, ...Distrust.fields }
) {
  override get message(): string {
    return `${this.path}: untrusted sentinel: ${this.problem} (${this.operation})`
  }
}

/**
 * A root that isn't swept, such as `/`, a home directory, a symbolic link, a path that isn't a directory, a directory
 * that a user other than the caller and root owns or can write to, or a directory with a sentinel, which is a VM
 * directory.
 *
 * @category errors
 * @since 0.1.0
 */
export class RefusedRoot extends Schema.TaggedError<RefusedRoot>("@vm-sentinel/core/RefusedRoot")("RefusedRoot", {
  path: Schema.String,
  rule: RootRule,
  /** The same in words, with the data that the rule found, such as `owned by uid 7`. */
  problem: Schema.String
}) {
  override get message(): string {
    return `${this.path}: refused as a root: ${this.problem}`
  }
}

const judged = Schema.Literals([...reasons.alive, ...reasons.unknown])

/**
 * Why the caller can't own a directory: a reason of the owner's verdict (`alive` or `unknown`), or one without a
 * verdict:
 *
 * - `path-in-use`: something exists under the path of a new directory.
 * - `other-record`: another writer has published its record under the same name.
 * - `raced`: another writer has replaced the record that was judged.
 *
 * @category schemas
 * @since 0.1.0
 */
export const OwnedReason = Schema.Literals([...judged.literals, "path-in-use", "other-record", "raced"])
export type OwnedReason = typeof OwnedReason.Type

/** The reasons without a verdict, for people. */
const unjudged: { readonly [reason in Exclude<OwnedReason, typeof judged.Type>]: string } = {
  "path-in-use": "there is something under the path",
  "other-record": "another sentinel is there",
  raced: "replaced by another writer"
}

const isJudged = Schema.is(judged)

/**
 * The directory has or may have an owner that isn't provably gone, or a new directory's path is in use. The caller's
 * record isn't published.
 *
 * @category errors
 * @since 0.1.0
 */
export class AlreadyOwned extends Schema.TaggedError<AlreadyOwned>("@vm-sentinel/core/AlreadyOwned")("AlreadyOwned", {
  path: Schema.String,
  /** PID of the owner. Missing if no readable record names the owner. */
  owner: Schema.optionalKey(Schema.Int),
  verdict: Schema.Literals(["alive", "unknown"]),
  reason: OwnedReason
}) {
  override get message(): string {
    const { owner, path, reason, verdict } = this
    const owned = owner === undefined ? "may have an owner" : `already owned by process ${owner}`
    return `${path}: ${owned}: ${verdict}, ${isJudged(reason) ? reason : unjudged[reason]}`
  }
}

/**
 * Why the caller can't have a directory.
 *
 * - `swept`: a sweep has the directory.
 * - `gone`: the directory lies under its path no more. A sweep or another program has moved or removed it.
 * - `replaced`: another directory has the path.
 * - `record-lost`: the directory is there, and the caller's new record isn't. A sweep had the directory for a moment, or
 *   another program has removed or changed the record.
 * - `lock-lost`: another process has taken the ownership lock.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ClaimedReason = Schema.Literals(["swept", "gone", "replaced", "record-lost", "lock-lost"])
export type ClaimedReason = typeof ClaimedReason.Type

/** What happened, and what to do, for people. */
const losses: { readonly [reason in ClaimedReason]: string } = {
  swept: "a sweep claimed the directory; create it again",
  gone: "the directory was removed or moved away, perhaps by a sweep; create it again",
  replaced: "another directory has its path now; look whose it is",
  "record-lost": "the new record was removed or changed, perhaps by a sweep; look what is there, then try again",
  "lock-lost":
    "another process took the ownership lock, perhaps a sweep; look whether the directory is there, then try again"
}

/**
 * A sweep has the directory, or the caller lost the directory during the call, see `ClaimedReason`.
 *
 * @category errors
 * @since 0.1.0
 */
export class Claimed extends Schema.TaggedError<Claimed>("@vm-sentinel/core/Claimed")("Claimed", {
  path: Schema.String,
  reason: ClaimedReason
}) {
  override get message(): string {
    return `${this.path}: ${losses[this.reason]}`
  }
}

/**
 * The directory is a mount point or contains one (`proc_pid_mountinfo(5)`). Nothing was deleted. Unmount `mount` first.
 *
 * @category errors
 * @since 0.1.0
 */
export class MountInside extends Schema.TaggedError<MountInside>("@vm-sentinel/core/MountInside")("MountInside", {
  path: Schema.String,
  mount: Schema.String
}) {
  override get message(): string {
    const isOwn = this.path === this.mount
    return isOwn
      ? `${this.path}: a mount point; unmount it first`
      : `${this.path}: ${this.mount} is mounted inside; unmount it first`
  }
}

/**
 * The directory is gone, or another sweep has it.
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
 * The directory differs from the judged one (another device or inode, another or one more sentinel), or a sweep of this
 * root can't claim it. Nothing was deleted.
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
 * A sweep that puts a claimed directory back finds another file under its name. The claimed directory stays complete,
 * at the path `kept`.
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
 * A condemned directory can be neither renamed nor locked, so nothing would exclude an owner during the deletion.
 * Nothing was touched. `errno`: the errno of the rename.
 *
 * @category errors
 * @since 0.1.0
 */
export class Immovable extends Schema.TaggedError<Immovable>("@vm-sentinel/core/Immovable")("Immovable", {
  path: Schema.String,
  errno: Schema.String
}) {
  override get message(): string {
    return (
      `${this.path}: can't be renamed (${this.errno}), and no lock can be taken here that would keep owners out ` +
      "while it is deleted; stop everything that could start it again, then remove it by hand"
    )
  }
}

/**
 * Another process holds the ownership lock of the directory in a conflicting mode. `holders`: PIDs of the holders that
 * this process can see. `mode`: how the lock is held, if that is known.
 *
 * @category errors
 * @since 0.1.0
 */
export class LockBusy extends Schema.TaggedError<LockBusy>("@vm-sentinel/core/LockBusy")("LockBusy", {
  path: Schema.String,
  mode: Schema.optionalKey(Schema.Literals(["shared", "exclusive"])),
  holders: Schema.optionalKey(Schema.Array(Schema.Int))
}) {
  override get message(): string {
    const { holders = [] } = this
    const who = holders.length === 0 ? "somebody not visible from here" : `process ${holders.join(", ")}`
    return `${this.path}: ${who} holds the ownership lock`
  }
}

/**
 * `flock(2)` isn't available: this platform or this file system has no such lock, or koffi is missing and, on Linux,
 * the command `flock` too. Ownership then rests on the recorded process alone.
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
 * Any other failure of the file system (ENOSPC, EIO, EMFILE, EBUSY, …). Earlier data is intact, or the next sweep can
 * resume.
 *
 * @category errors
 * @since 0.1.0
 */
export class StoreFailure extends Schema.TaggedError<StoreFailure>("@vm-sentinel/core/StoreFailure")("StoreFailure", {
  operation: Operation,
  path: Schema.String,
  /** Name of the errno, such as `ENOSPC`, if there is one. */
  errno: Schema.optionalKey(Schema.String),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `${this.path}: ${this.errno ?? "failed"} (${this.operation})`
  }
}

/**
 * The process can't be identified, for example without procfs or libproc, after EMFILE, or if the answer lacks the
 * start time. `detail`: the cause.
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
 * Reasons to refuse a sentinel file: its content, or who could have written the file.
 *
 * @category errors
 * @since 0.1.0
 */
export const SentinelError = Schema.Union([OversizedSentinel, MalformedSentinel, UnsupportedVersion, UntrustedSentinel])
export type SentinelError = typeof SentinelError.Type

/**
 * Errors of one directory. The `error` or the `reason` of the directory's outcome tells such an error, if the directory
 * has an outcome.
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
  Immovable,
  LockBusy,
  StoreFailure
]).annotate({ identifier: "DirectoryError" })
export type DirectoryError = typeof DirectoryError.Type

/**
 * Errors of opening or listing a root.
 *
 * @category errors
 * @since 0.1.0
 */
export type RootError = NotFound | PermissionDenied | RefusedRoot | StoreFailure

/**
 * Errors of looking at a directory.
 *
 * @category errors
 * @since 0.1.0
 */
export type LookError = NotFound | PermissionDenied | StoreFailure

/**
 * Errors of publishing a sentinel in a new directory.
 *
 * @category errors
 * @since 0.1.0
 */
export type PublishNewError = AlreadyOwned | Claimed | MalformedSentinel | LookError

/**
 * Errors of publishing a sentinel. `Changed`: the sentinel to replace isn't the judged one any more.
 *
 * @category errors
 * @since 0.1.0
 */
export type PublishError = PublishNewError | Changed

/**
 * Errors of claiming a condemned directory.
 *
 * @category errors
 * @since 0.1.0
 */
export type ClaimError =
  | Taken
  | Changed
  | LockBusy
  | MountInside
  | NameTaken
  | Immovable
  | PermissionDenied
  | StoreFailure

/**
 * Errors of resuming what a killed sweep left.
 *
 * @category errors
 * @since 0.1.0
 */
export type ResumeError = Taken | LockBusy | MountInside | PermissionDenied | StoreFailure
