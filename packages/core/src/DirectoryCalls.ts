/**
 * The system calls that a removal of trees is made of. A platform that can make them all removes trees by descriptor.
 *
 * @since 0.1.0
 */
import type { FileType, Stat } from "./DiskModel.ts"
import type { FileId } from "./FileId.ts"

/**
 * A name that a directory has, as it was listed.
 *
 * @category models
 * @since 0.1.0
 */
export interface ListedEntry<Name> {
  readonly name: Name
  /** `unknown`: the listing doesn't say. `other`: no directory. */
  readonly type: FileType | "other"
}

/**
 * An open directory while it is read. The descriptor it was made for belongs to the caller.
 *
 * @category models
 * @since 0.1.0
 */
export interface DirectoryListing<Name> {
  /** The next entry but `.` and `..`, `undefined` at the end. */
  readonly next: () => ListedEntry<Name> | undefined
  /** Begins anew, and reads the directory again. */
  readonly rewind: () => void
  /** Begins anew. Entries in memory are told again, without a read, if they are all. */
  readonly again: () => void
  readonly close: () => void
}

/**
 * Synchronous calls relative to the descriptor of a directory.
 *
 * **Details**
 *
 * No call follows a symbolic link. A call that fails throws an error with the name of the errno as its `code`.
 *
 * `Name` is how the platform writes a name down, every byte of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface DirectoryCalls<Name> {
  readonly nameOf: (text: string) => Name
  readonly textOf: (name: Name) => string
  /** A directory by its absolute path, with no symbolic link in any component. It may be for passing through alone. */
  readonly openPath: (path: string) => number
  /** ENOTDIR or ELOOP for what is no directory. */
  readonly openDirectory: (fd: number, name: Name) => number
  readonly close: (fd: number) => void
  readonly idOf: (fd: number) => FileId
  /** The mount that a directory lies on. Two directories on one mount have the same. */
  readonly mount: (fd: number) => string
  readonly statAt: (fd: number, name: Name) => Pick<Stat, "id" | "type">
  /** `path`: where the directory lies now, for a platform that can't read every directory by descriptor. */
  readonly list: (fd: number, path: () => string) => DirectoryListing<Name>
  /**
   * `flock(2)`, exclusive, without waiting. `undefined` on success, else the name of the errno: EAGAIN when another holds it.
   * Closing the descriptor gives it up.
   */
  readonly lock: (fd: number) => string | undefined
  /** EISDIR or EPERM for a directory. */
  readonly unlink: (fd: number, name: Name) => void
  readonly removeDirectory: (fd: number, name: Name) => void
  readonly rename: (fromFd: number, from: Name, toFd: number, to: Name) => void
}
