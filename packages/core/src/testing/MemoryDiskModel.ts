/**
 * Arguments and results of `MemoryDisk`.
 *
 * @since 0.1.0
 */

/**
 * Calls of a `MemoryDisk`, by which tests inject failures and other actors. Most `Disk` methods make one call or
 * several. `create` makes `create`, `write` and `fsync`. `removeTree` makes, among others, one `unlink` or `rmdir` for
 * each entry that it removes.
 *
 * @category models
 * @since 0.1.0
 */
export type Operation =
  | "realpath"
  | "lstat"
  | "readdir"
  | "read"
  | "mountinfo"
  | "statfs"
  | "flock"
  | "create"
  | "write"
  | "fsync"
  | "link"
  | "rename"
  | "unlink"
  | "mkdir"
  | "chmod"
  | "rmdir"

/**
 * One call of a process.
 *
 * @category models
 * @since 0.1.0
 */
export interface Call {
  readonly operation: Operation
  readonly path: string
  /** New path of a `link` or a `rename`. */
  readonly to?: string
}

const reading: ReadonlySet<Operation> = new Set([
  "realpath",
  "lstat",
  "readdir",
  "read",
  "mountinfo",
  "statfs",
  "flock"
])

/**
 * Whether a call changes the volume or syncs a change (`fsync`).
 *
 * @category predicates
 * @since 0.1.0
 */
export const isMutation = ({ operation }: Call): boolean => !reading.has(operation)

/**
 * Properties of a file system in memory.
 *
 * @category models
 * @since 0.1.0
 */
export interface FileSystemOptions {
  /** Type, as the mount table names it. Default `ext4`. */
  readonly fileSystem?: string
  /** Id. `""`: none. Default: an id of its own for a type of `DirectoryFrame.oneKernelTypes`, none for other types. */
  readonly id?: string
  /** Whether files and directories have a birth time. Default: `true` for a type of `DirectoryFrame.oneKernelTypes`. */
  readonly births?: boolean
}

/**
 * Options of `MemoryDisk.mount`.
 *
 * @category models
 * @since 0.1.0
 */
export interface MountOptions extends FileSystemOptions {
  /** Path of the directory to bind-mount. Without `source` a new, empty file system is mounted. */
  readonly source?: string
  /** Bytes of the new file system. Default: unlimited. */
  readonly capacity?: number
  /**
   * The file system doesn't answer. A call on it other than `mountinfo`, `link` and `rename` ends only by an
   * interruption.
   */
  readonly hangs?: true
}
