/**
 * Files, directories and locks, as a `Disk` describes them.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { DirectoryFrame } from "./DirectoryFrame.ts"
import type { FileId } from "./FileId.ts"

/**
 * A failed call. `errno` is the errno's name, such as `ENOENT`, or `EUNKNOWN`.
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
 * Type of a file. `device`: a block or a character device. `unknown`: the kernel doesn't report the type.
 *
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
  /** The low 12 bits of `st_mode`. */
  readonly mode: number
  /** `undefined`: unknown. Such a file isn't trusted. */
  readonly uid: number | undefined
  readonly gid: number | undefined
  /** Number of hard links. */
  readonly nlink: number | undefined
}

/**
 * Permissions, size and times of a file. The size is in bytes, the times are in milliseconds since the epoch.
 *
 * @category models
 * @since 0.1.0
 */
export interface Attributes extends Permissions {
  readonly size: number
  /** The mtime. */
  readonly modifiedAt: number
  /** The later of mtime and ctime. A program can set the mtime, but not the ctime. */
  readonly changedAt: number
}

/**
 * The data of `lstat(2)` that this library uses.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stat extends Attributes {
  readonly id: FileId
  /** Birth time, nanoseconds since the epoch, in decimal digits. Missing if it isn't known. */
  readonly birth?: string
}

/**
 * Identity of a new file. `birth` distinguishes the file from earlier files with the same inode.
 *
 * @category models
 * @since 0.1.0
 */
export type NewFile = Pick<Stat, "id" | "birth">

/**
 * The process that makes the calls.
 *
 * @category models
 * @since 0.1.0
 */
export interface Principal {
  /** Effective uid. `undefined`: no file can be trusted, and nothing is removed. */
  readonly uid: number | undefined
  /** Paths of directories that are never swept. `/` is never swept either. */
  readonly homes: ReadonlyArray<string>
  /** Ids of directories that are never swept. A symbolic link, a bind mount or a firmlink gives a home another path. */
  readonly homeIds: ReadonlyArray<FileId>
}

/**
 * One entry of a directory.
 *
 * @category models
 * @since 0.1.0
 */
export interface DirectoryEntry {
  /**
   * File name. On Linux, each byte 0x80 to 0xff that isn't part of valid UTF-8 is a lone surrogate U+DC80 to U+DCFF, so
   * that no byte is lost. Other disks lose such bytes.
   */
  readonly entry: string
  /** `unknown`: the listing doesn't report the type. */
  readonly type: FileType
}

/**
 * The entries of a directory, in two parts.
 *
 * @category models
 * @since 0.1.0
 */
export interface Listing {
  /** Entries whose names begin with a dot. */
  readonly hidden: ReadonlyArray<DirectoryEntry>
  /** All other entries. */
  readonly visible: Stream.Stream<DirectoryEntry, DiskError>
}

/**
 * A file that a scan was asked to read. `bytes` is missing if the file isn't regular, is over the limit, or failed with
 * `error`, or if `isRead` returned `false`.
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
 * Result of `Disk.scan`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Scan {
  /** Stat of the scanned path. If the path isn't a directory, the scan looked at nothing else. */
  readonly stat: Stat
  readonly frame: DirectoryFrame
  /** `none`: the link count or the listing proves that the directory has no subdirectory. */
  readonly subdirectories: "none" | "some"
  /** Files that the scan was asked to read, sorted by name. */
  readonly files: ReadonlyArray<ScannedFile>
  /** Names that the scan was asked to note, sorted. */
  readonly noted: ReadonlyArray<string>
  /** Names that the scan was asked to note if there is room, sorted. */
  readonly hints: ReadonlyArray<string>
  /**
   * The directory has more than `mostNames` names to read and to note, or is crowded by `mostUnread`. The scan looked
   * at no file and reports no name.
   */
  readonly isCrowded: boolean
}

/**
 * Options of `Disk.scan`: what to look for, and the bounds.
 *
 * @category models
 * @since 0.1.0
 */
export interface ScanOptions {
  /**
   * Decides by name. `read`: look at the file. `note`: report the name. `hint`: report the name if there is room.
   * `ignore`: don't hold the name in memory.
   */
  readonly sort: (entry: string) => "read" | "note" | "hint" | "ignore"
  /** Whether files may be read. The scan asks before it looks at any file. `false`: it stats files and opens none. */
  readonly isRead: (directory: Stat) => boolean
  /** Maximum size of a file that is read, in bytes. */
  readonly mostBytes: number
  /** Maximum number of names to read and to note. One more name makes the directory crowded, and ends the scan. */
  readonly mostNames: number
  readonly mostHints: number
  /**
   * Maximum number of names that the scan lists if `isRead` returns `false`. A directory with that many is crowded if
   * one of them is to be read or noted.
   */
  readonly mostUnread: number
}

/**
 * Result of one look at a directory and at one regular file in the directory, without a listing.
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

/**
 * What the kernel reports about changes in a directory before one is tried: whether it would refuse to make, rename or
 * remove an entry, and how much space is left.
 *
 * @category models
 * @since 0.1.0
 */
export interface Room {
  /**
   * Errno of a change: EACCES, EPERM or EROFS, or, if nothing more can be written, ENOSPC or EDQUOT. `undefined`: the
   * kernel refuses nothing that it was asked.
   */
  readonly refusal: string | undefined
  /** Bytes that this process can still write. `undefined`: unknown. */
  readonly bytes: number | undefined
  /** Files that this process can still make. `undefined`: unknown, or the file system has no limit of its own. */
  readonly files: number | undefined
}

export type { LockState } from "./LockState.ts"

/**
 * Options of `Disk.lock`.
 *
 * @category models
 * @since 0.1.0
 */
export interface LockOptions {
  readonly mode: "shared" | "exclusive"
  /** `true`: tries to take a conflicting lock through a second open of the directory. See {@link HeldLock} `tested`. */
  readonly test: boolean
}

/**
 * A held lock. The descriptor of the lock is close-on-exec. The lock ends when the last duplicate of the descriptor
 * closes.
 *
 * @category models
 * @since 0.1.0
 */
export interface HeldLock {
  /** Id of the locked directory, read through the descriptor. The path may name another directory now. */
  readonly id: FileId
  /** The descriptor, to be passed to one child process by `stdio`. `undefined`: there is none. */
  readonly fd: number | undefined
  /** `true`: a conflicting lock through a second open was refused, so locks work on this file system. */
  readonly tested: boolean
  /**
   * `true`: the descriptor stays open when the thread that opened it ends. `false`: Node closes the descriptor then.
   */
  readonly outlivesThread: boolean
  /** Whether the locked directory was removed: its link count is 0. `false` if the link count can't be read. */
  readonly isGone: Effect.Effect<boolean>
  /**
   * Converts an exclusive lock to shared, on the same descriptor. `flock(2)` doesn't convert atomically. EBUSY means
   * that the lock is lost.
   */
  readonly share: Effect.Effect<void, DiskError>
}

/**
 * The lock of an owner. `wasExclusive`: the owner took the lock in exclusive mode, so nobody else held the lock.
 *
 * @category models
 * @since 0.1.0
 */
export interface OwnerLock extends HeldLock {
  readonly wasExclusive: boolean
}

/**
 * Options of `Disk.find`.
 *
 * @category models
 * @since 0.1.0
 */
export interface FindOptions {
  /**
   * `true`: makes unreadable directories of the calling user readable, as `Disk.permit` does. `false`, the default:
   * fails with EACCES.
   */
  readonly permit?: boolean
}

/**
 * A sentinel that was judged.
 *
 * @category models
 * @since 0.1.0
 */
export interface JudgedSentinel {
  /** File name inside the directory. */
  readonly entry: string
  /** The file that was judged. `undefined`: the judgement knows the sentinel by its name only. */
  readonly file: Pick<Stat, "id" | "size" | "modifiedAt"> | undefined
}

/**
 * Options of `Disk.removeTree`.
 *
 * @category models
 * @since 0.1.0
 */
export interface RemoveTreeOptions {
  /**
   * How long the removal goes on while the tree doesn't get smaller. Then it fails with ENOTEMPTY and the path of the
   * directory that another process keeps writing into. Default: 30 s. A tree that gets smaller, however slowly, may
   * take as long as it needs.
   */
  readonly patience?: Duration.Duration
  /** The directory to remove. ESTALE, and nothing is touched, if the path names another directory. */
  readonly expected?: FileId
  /**
   * Asked about each sentinel below the first level. `relative`: its path, such as `a/b/.vm-sentinel`. `file`: the file
   * as it is now. `false`: the directory that holds the sentinel stays. Default: `false` for all.
   */
  readonly mayRemove?: (relative: string, file: Pick<Stat, "id" | "size" | "changedAt">) => boolean
  /**
   * The sentinels directly in the directory that may be unlinked. Each is compared when it is listed, and again before
   * it is unlinked. The directory stays if it has any other sentinel, or if one was replaced or written to since the
   * judgement. Then all that is left stays, and the result has `.`. Default: every sentinel may be unlinked.
   */
  readonly judged?: ReadonlyArray<JudgedSentinel>
  /**
   * `true`: an owner can take the directory by its path. Therefore its sentinels are unlinked after a pass that found
   * nothing else. After them nothing is removed. ENOTEMPTY: something came since. Default: `false`.
   */
  readonly inPlace?: boolean
  /** Whether each inner directory is locked, without waiting, before anything in it is touched. Default: `true`. */
  readonly lockInner?: boolean
  /** Base names of sentinels other than those of this library and of brood-box. Default: none. */
  readonly sentinels?: ReadonlyArray<string>
}

/**
 * Answer of `lockMany` about one directory. `release` closes its lock. Once the lock is closed, by `release` or by the
 * scope, `release` does nothing. If `scan` is `undefined`, the caller calls `release`, then locks and scans the directory
 * by itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface Locked {
  readonly scan: Scan | undefined
  readonly release: Effect.Effect<void>
}

/**
 * A rename within one directory. `to` is a relative path.
 *
 * @category models
 * @since 0.1.0
 */
export interface Move {
  readonly from: string
  readonly to: string
}

/**
 * Result of a {@link Move}. `scan`: the directory under its new name. `undefined`: a `scan` has to look at it, if it was
 * moved.
 *
 * @category models
 * @since 0.1.0
 */
export interface Moved {
  readonly isMoved: boolean
  readonly scan: Scan | undefined
}

/**
 * A tree to remove, and options. `path` is absolute.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tree extends RemoveTreeOptions {
  readonly path: string
}
