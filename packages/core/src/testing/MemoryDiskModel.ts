/**
 * What a `MemoryDisk` is told, and tells.
 *
 * @since 0.1.0
 */

/**
 * The calls that can be counted on, failed, and waited for. A `Disk` method is one call or several: `create` is `create`,
 * `write` and `fsync`; `removeTree` has one `unlink` or `rmdir` for each thing that it removes.
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
  | "rmdir"

/**
 * One call that was made.
 *
 * @category models
 * @since 0.1.0
 */
export interface Call {
  readonly operation: Operation
  readonly path: string
  /** The new name of a link or a rename. */
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
 * Whether a call changes the volume, or tells it to keep what was changed.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isMutation = ({ operation }: Call): boolean => !reading.has(operation)

/**
 * What a file system is. Without `id` it has one where one kernel alone can have it mounted; `""`: it has none.
 *
 * @category models
 * @since 0.1.0
 */
export interface FileSystemOptions {
  readonly fileSystem?: string
  readonly id?: string
  /** Whether it tells when a directory was made. Default: where one kernel alone can have it mounted. */
  readonly births?: boolean
}

/**
 * A mount: a new file system, or a directory of one that is mounted, its `source`.
 *
 * @category models
 * @since 0.1.0
 */
export interface MountOptions extends FileSystemOptions {
  readonly source?: string
  readonly capacity?: number
}
