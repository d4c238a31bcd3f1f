/**
 * The few calls on a file system that a sentinel store is made of. Whoever can make them safely has a store.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { DirectoryFrame } from "./DirectoryFrame.ts"
import type { FileId } from "./Holding.ts"

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
 * What a file is, whose, and who may change it.
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
 * What is kept of a file beside its content. Sizes in bytes, times in milliseconds since the epoch.
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
 * What tells a file from all others of its file system, earlier ones included.
 *
 * @category models
 * @since 0.1.0
 */
export type NewFile = Pick<Stat, "id" | "birth">

/**
 * Who makes the calls. Without a uid nothing can be trusted, and nothing is removed.
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
 * The names of a directory, which may be very many, in the order of their inodes, which is good to visit them in. Hidden
 * ones, among which a sweep has its own, are few, and by name.
 *
 * @category models
 * @since 0.1.0
 */
export interface Listing {
  /** Whose names begin with a dot. */
  readonly hidden: ReadonlyArray<DirectoryEntry>
  /** Of the others. */
  readonly size: number
  /** `index`: from 0, below `size`. */
  readonly entry: (index: number) => DirectoryEntry
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
  /** Of the directory. Where it isn't one, nothing else was looked at. */
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
 * A directory and one of its files.
 *
 * @category models
 * @since 0.1.0
 */
export interface Glimpse {
  /** Never changed: those of very many may be one object. */
  readonly directory: Permissions
  /** Likewise. */
  readonly file: Permissions
  /** When the file was modified, milliseconds since the epoch. */
  readonly writtenAt: number
  /** Each of its bytes as one character, U+0000 to U+00FF. */
  readonly content: string
}

/**
 * Looks at directories of a root and at one regular file in each, at once and outside of any Effect.
 *
 * @category models
 * @since 0.1.0
 */
export interface Peeker {
  /** `undefined`: either isn't to be had, or the file is over the limit. */
  readonly peek: (directory: string) => Glimpse | undefined
  /**
   * Which directories are likely to be peeked at soon, in that order: they may be read meanwhile. A glimpse is a quarter of a
   * second old then, at most.
   */
  readonly expect?: (directories: ReadonlyArray<string>) => void
}

/**
 * State of the `flock(2)` of a directory. `shared`: owners hold it. `exclusive`: a remover, or a foreign program.
 * `unknown`: it can't be asked.
 *
 * @category models
 * @since 0.1.0
 */
export type LockState = "free" | "shared" | "exclusive" | "unknown"

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

/**
 * File-system calls. No path's last component is ever followed where it is a symbolic link.
 *
 * @category services
 * @since 0.1.0
 */
export class Disk extends Context.Service<
  Disk,
  {
    readonly principal: Effect.Effect<Principal>
    /** Directories worth handling at once: 1 where the calls are synchronous. Default 16. */
    readonly parallelism?: number
    /** An absolute path, without I/O. */
    readonly resolve: (path: string) => Effect.Effect<string>
    readonly realPath: (path: string) => Effect.Effect<string, DiskError>
    readonly lstat: (path: string) => Effect.Effect<Stat, DiskError>
    readonly entries: (path: string) => Effect.Effect<ReadonlyArray<DirectoryEntry>, DiskError>
    /** {@link entries} in the order of inodes, held in little memory. `undefined` where that isn't worth while. */
    readonly listing?: (path: string) => Effect.Effect<Listing | undefined, DiskError>
    /** The directory, and those of its files that `sort` wants, in one look. Other names aren't held in memory. */
    readonly scan: (
      path: string,
      sort: (entry: string) => "read" | "note" | "ignore",
      limit: number
    ) => Effect.Effect<Scan, DiskError>
    /**
     * Looks at files without listing their directories, where calls are synchronous: of very many directories no Effect is
     * made for each. Until the scope closes.
     */
    readonly peeker?: (root: string, entry: string, limit: number) => Effect.Effect<Peeker, DiskError, Scope.Scope>
    /** At most `limit` bytes of a regular file, and the `fstat(2)` of what was opened. Never blocks on a FIFO. */
    readonly read: (
      path: string,
      limit: number
    ) => Effect.Effect<{ readonly stat: Stat; readonly bytes: Uint8Array }, DiskError>
    /**
     * A new file, mode 0600, complete and synced. EEXIST when there is one. On any failure nothing is left. `bytesOf` is
     * given the file as it is made, empty: a record can say in which file it lies.
     */
    readonly create: <E = never>(
      path: string,
      bytesOf: (file: NewFile) => Effect.Effect<Uint8Array, E>
    ) => Effect.Effect<void, DiskError | E>
    /** `link(2)`: EEXIST when `to` exists. */
    readonly link: (from: string, to: string) => Effect.Effect<void, DiskError>
    /** `rename(2)`. */
    readonly rename: (from: string, to: string) => Effect.Effect<void, DiskError>
    /** A rename that fails with EEXIST when there is anything under `to`. */
    readonly renameNew: (from: string, to: string) => Effect.Effect<void, DiskError>
    readonly unlink: (path: string) => Effect.Effect<void, DiskError>
    /** Mode 0700. */
    readonly makeDirectory: (path: string) => Effect.Effect<void, DiskError>
    /** `rmdir(2)`: ENOTEMPTY when something is in it. */
    readonly removeDirectory: (path: string) => Effect.Effect<void, DiskError>
    readonly syncDirectory: (path: string) => Effect.Effect<void, DiskError>
    /**
     * Deletes a directory and all below it, the sentinels among its direct children last. Follows no symbolic link and
     * crosses no mount (EXDEV). Goes on past what can't be removed, and then fails with the first. An inner directory
     * whose lock is held, or that has a sentinel which `mayRemove` refuses, stays as it is: those are given back, relative
     * to `path`, and all above them stays too. Interruptible between two removals.
     */
    readonly removeTree: (path: string, options?: RemoveTreeOptions) => Effect.Effect<ReadonlyArray<string>, DiskError>
    /** What a directory lies on, by a descriptor of it. Only its `id` where the platform can't tell more. */
    readonly frame: (path: string) => Effect.Effect<DirectoryFrame, DiskError>
    /**
     * Files below the first level of a directory whose names `wanted` accepts, relative to it: `a/b/.vm-sentinel`. Enters
     * no mount and follows no link. Interruptible between two directories.
     */
    readonly find: (path: string, wanted: (entry: string) => boolean) => Stream.Stream<string, DiskError>
    /**
     * Where a directory lies on its file system, whatever bind mount it is reached through: the root field of its mount
     * (`proc_pid_mountinfo(5)`) and the path below that. The real path where the platform can't tell.
     */
    readonly location: (path: string) => Effect.Effect<string, DiskError>
    /** A mount at or below the directory; `undefined` when there is none. */
    readonly mountInside: (path: string) => Effect.Effect<string | undefined, DiskError>
    /**
     * Holds the directory's `flock(2)` until the scope closes or this process ends, however it ends. EBUSY when another
     * holds it, ENOTSUP where there is no such lock.
     */
    readonly lock: (path: string, options: LockOptions) => Effect.Effect<HeldLock, DiskError, Scope.Scope>
    /**
     * The state of the lock. Tries exclusive, then shared, without waiting, on a descriptor of its own that is closed at once:
     * two that look at one moment may see each other as `exclusive`. Looks without taking where the platform can.
     */
    readonly probeLock: (path: string, options?: Pick<LockOptions, "byCommand">) => Effect.Effect<LockState>
    /** Bytes that the tree occupies, hard links counted once a tree. */
    readonly usage: (path: string) => Effect.Effect<number, DiskError>
  }
>()("@vm-sentinel/core/Disk") {}
