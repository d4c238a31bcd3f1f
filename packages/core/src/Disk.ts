/**
 * The few calls on a file system that a sentinel store is made of. Whoever can make them safely has a store.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
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
}

/**
 * `lstat(2)`, reduced.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stat extends Attributes {
  readonly id: FileId
}

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
 * A lock that is held.
 *
 * @category models
 * @since 0.1.0
 */
export interface HeldLock {
  /** The descriptor that holds it, to be passed on to a child; `undefined` where there is none. */
  readonly fd: number | undefined
  /** A second open of the directory was refused the lock: it works on this file system. */
  readonly tested: boolean
  readonly survivesExec: boolean
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
    /** A new file, mode 0600, complete and synced. EEXIST when there is one. On any failure nothing is left. */
    readonly create: (path: string, bytes: Uint8Array) => Effect.Effect<void, DiskError>
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
     * crosses no mount (EXDEV). ESTALE, and nothing touched, when it isn't the directory `expected`. Goes on past what
     * can't be removed, and then fails with the first. Interruptible between two removals.
     */
    readonly removeTree: (path: string, expected?: FileId) => Effect.Effect<void, DiskError>
    /** Whether the path lies on a file system known to be of this machine alone. `false`: not known. */
    readonly isLocal: (path: string) => Effect.Effect<boolean>
    /** A mount at or below the directory; `undefined` when there is none. */
    readonly mountInside: (path: string) => Effect.Effect<string | undefined, DiskError>
    /**
     * Holds the directory's `flock(2)` exclusively until the scope closes or this process ends, however it ends. EBUSY
     * when another holds it, ENOTSUP where there is no such lock. `inheritable`: children and what this process execs
     * hold it too.
     */
    readonly lock: (path: string, inheritable: boolean) => Effect.Effect<HeldLock, DiskError, Scope.Scope>
    /** Whether somebody holds the lock. Takes it shared for a moment, so that two who ask don't see each other. */
    readonly probeLock: (path: string) => Effect.Effect<"busy" | "free" | "unknown">
    /** Bytes that the tree occupies, hard links counted once a tree. */
    readonly usage: (path: string) => Effect.Effect<number, DiskError>
  }
>()("@vm-sentinel/core/Disk") {}
