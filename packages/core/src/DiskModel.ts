/**
 * Files, directories and locks, as a `Disk` describes them.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { DirectoryFrame } from "./DirectoryFrame.ts"
import type { FileId } from "./FileId.ts"

/**
 * A call that failed, with the errno name the kernel gave, or `EUNKNOWN`.
 *
 * @category errors
 * @since 0.1.0
 */
export class DiskError extends Schema.TaggedError<DiskError>("@vm-sentinel/core/DiskError")("DiskError", {
  errno: Schema.String,
  operation: Schema.String,
  path: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `${this.path}: ${this.errno} (${this.operation})`
  }
}

/**
 * @category models
 * @since 0.1.0
 */
export type FileType = "file" | "directory" | "symlink" | "fifo" | "socket" | "device" | "unknown"

/**
 * Type, owner, mode and link count of a file.
 *
 * @category models
 * @since 0.1.0
 */
export interface Permissions {
  readonly type: FileType
  readonly mode: number
  readonly uid: number | undefined
  readonly gid: number | undefined
  readonly nlink: number | undefined
}

/**
 * Permissions, size and times of a file. Bytes; milliseconds since the epoch.
 *
 * @category models
 * @since 0.1.0
 */
export interface Attributes extends Permissions {
  readonly size: number
  readonly modifiedAt: number
  /** The later of mtime and ctime: a program can set the first, not the second. */
  readonly changedAt: number
}

/**
 * `lstat(2)`, reduced.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stat extends Attributes {
  readonly id: FileId
  /** When it was made, nanoseconds since the epoch, in decimal digits. Missing where that isn't known. */
  readonly birth?: string
}

/**
 * Identity of a new file: `birth` tells it from earlier files of the same inode.
 *
 * @category models
 * @since 0.1.0
 */
export type NewFile = Pick<Stat, "id" | "birth">

/**
 * The process that makes the calls. Without a uid nothing can be trusted, and nothing is removed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Principal {
  readonly uid: number | undefined
  /** Directories that are never swept, beside `/`. */
  readonly homes: ReadonlyArray<string>
  /** Likewise, where one directory has several paths (Darwin). */
  readonly homeIds: ReadonlyArray<FileId>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface DirectoryEntry {
  /** A name that isn't UTF-8 has its odd bytes 0x80 to 0xff as lone surrogates U+DC80 to U+DCFF, losing nothing. */
  readonly entry: string
  /** `unknown`: the listing didn't say. */
  readonly type: FileType
}

/**
 * The names of a directory.
 *
 * @category models
 * @since 0.1.0
 */
export interface Listing {
  /** Names that begin with a dot. */
  readonly hidden: ReadonlyArray<DirectoryEntry>
  readonly visible: Stream.Stream<DirectoryEntry, DiskError>
}

/**
 * A file that was to be read. Without `bytes` it isn't regular, is over the limit, or answered with `error`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ScannedFile {
  readonly entry: string
  readonly stat: Stat
  readonly bytes?: Uint8Array
  readonly error?: DiskError
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Scan {
  /** The directory's. For anything else nothing more was looked at. */
  readonly stat: Stat
  readonly frame: DirectoryFrame
  /** `none`: proved by the link count or by the listing. */
  readonly subdirectories: "none" | "some"
  /** Sorted by name. */
  readonly files: ReadonlyArray<ScannedFile>
  /** Sorted. */
  readonly noted: ReadonlyArray<string>
}

/**
 * One look at a directory and one regular file in it, without a listing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Peek {
  readonly directory: Permissions
  readonly file: Permissions
  /** Modification time of the file, milliseconds since the epoch. */
  readonly modifiedAt: number
  /** Each byte of the file as one character, U+0000 to U+00FF. */
  readonly content: string
}

export type { LockState } from "./LockState.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface LockOptions {
  readonly mode: "shared" | "exclusive"
  /** Whether a program may be started to take it, which costs some milliseconds. `false`: ENOTSUP where it has to be. */
  readonly byCommand: boolean
  /** Whether a second open of the directory is tried, which must be refused. */
  readonly test: boolean
}

/**
 * A lock that is held, through a descriptor that is closed on `execve(2)`. It ends when the last descriptor closes.
 *
 * @category models
 * @since 0.1.0
 */
export interface HeldLock {
  /** The directory that was locked, by its descriptor: the path may name another one by now. */
  readonly id: FileId
  /** To be passed on to one child by `stdio`; `undefined` where there is none. */
  readonly fd: number | undefined
  /** A second open of the directory was tried, and refused: the lock works on this file system. */
  readonly tested: boolean
  /** Held as long as this process lives. `false`: the thread that opened it takes it along at its end. */
  readonly lasting: boolean
  /** Whether what was locked was removed: it has no link any more. `false` where that can't be told. */
  readonly isGone: Effect.Effect<boolean>
  /** Converts exclusive to shared on the same descriptor. `flock(2)` isn't atomic there: EBUSY means that it is lost. */
  readonly share: Effect.Effect<void, DiskError>
}

/**
 * The lock of an owner. `alone`: it was had exclusively, so nobody else holds it.
 *
 * @category models
 * @since 0.1.0
 */
export interface OwnerLock extends HeldLock {
  readonly alone: boolean
}

/**
 * @category models
 * @since 0.1.0
 */
export interface RemoveTreeOptions {
  /** ESTALE, and nothing touched, when the path is another directory. */
  readonly expected?: FileId
  /** Asked of each sentinel below the first level, `a/b/.vm-sentinel`. `false`: the directory it lies in stays. */
  readonly mayRemove?: (relative: string, id: FileId) => boolean
  /** Whether the lock of each inner directory is taken, without waiting, before anything in it is touched. Default true. */
  readonly lockInner?: boolean
}
