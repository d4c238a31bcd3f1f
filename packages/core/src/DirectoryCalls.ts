/**
 * The system calls that `TreeRemoval` needs. A platform that can make all of these calls removes trees by descriptor.
 *
 * @since 0.1.0
 */
import type { FileType, Stat } from "./DiskModel.ts"
import type { FileId } from "./FileId.ts"

/**
 * One entry of a directory listing.
 *
 * @category models
 * @since 0.1.0
 */
export interface ListedEntry<Name> {
  readonly name: Name
  /** `unknown`: the listing doesn't report the type. `other`: anything but a directory. */
  readonly type: FileType | "other"
}

/**
 * Reads the entries of an open directory. The descriptor that the listing was made for belongs to the caller.
 *
 * @category models
 * @since 0.1.0
 */
export interface DirectoryListing<Name> {
  /** Returns the next entry, or `undefined` at the end. Skips `.` and `..`. */
  readonly next: () => ListedEntry<Name> | undefined
  /** Starts again at the first entry, and reads the directory again. */
  readonly rewind: () => void
  /**
   * Starts again at the first entry. If all entries are in memory, `next` returns the entries in memory and doesn't
   * read the directory again.
   */
  readonly again: () => void
  /** Frees everything that the listing holds. The caller's descriptor stays open. */
  readonly close: () => void
}

/**
 * Synchronous calls relative to the descriptor of a directory.
 *
 * **Details**
 *
 * No call follows a symbolic link. A failed call throws an error whose `code` is the name of the errno. `lock` returns
 * that name instead.
 *
 * `Name` is the platform's representation of a file name. A `Name` keeps every byte.
 *
 * @category models
 * @since 0.1.0
 */
export interface DirectoryCalls<Name> {
  /** Encodes text as a name. */
  readonly nameOf: (text: string) => Name
  /** Decodes a name. */
  readonly textOf: (name: Name) => string
  /**
   * Opens a directory by its absolute path. Refuses a symbolic link in any component. The descriptor may be an `O_PATH`
   * one, which serves only as the base of other calls.
   */
  readonly openPath: (path: string) => number
  /**
   * Opens the directory `name` in the directory `fd`. Throws ENOTDIR or ELOOP if the entry isn't a directory. Throws
   * EXDEV if the entry is a mount point, and the platform can detect that without a call to the mounted file system,
   * which may never answer.
   */
  readonly openDirectory: (fd: number, name: Name) => number
  readonly close: (fd: number) => void
  /** Device and inode of an open directory. */
  readonly idOf: (fd: number) => FileId
  /** Identifies the mount that a directory lies on. Two directories on one mount have equal values. */
  readonly mount: (fd: number) => string
  /** Identity, type and size of an entry, its mtime, and the later of its mtime and ctime. */
  readonly statAt: (fd: number, name: Name) => Pick<Stat, "id" | "type" | "size" | "modifiedAt" | "changedAt">
  /**
   * Lists an open directory. `path`: its present path, for a platform that can't read every directory by descriptor.
   */
  readonly list: (fd: number, path: () => string) => DirectoryListing<Name>
  /**
   * `flock(2)` with `LOCK_EX | LOCK_NB`. Returns `undefined` on success, otherwise the name of the errno: EAGAIN if the
   * lock is held through another open file. Closing the descriptor releases the lock.
   */
  readonly lock: (fd: number) => string | undefined
  /** `unlinkat(2)`. Throws EISDIR or EPERM for a directory. */
  readonly unlink: (fd: number, name: Name) => void
  /** `unlinkat(2)` with `AT_REMOVEDIR`. */
  readonly removeDirectory: (fd: number, name: Name) => void
  /** `renameat(2)`. */
  readonly rename: (fromFd: number, from: Name, toFd: number, to: Name) => void
  /**
   * Makes an entry writable if it belongs to the user of this process. A directory gets u+rwx. On Darwin a directory or
   * a file loses `uchg` and `uappnd`. Changes no entry of another user, not even as root. Changes no entry on another
   * mount than that of `fd`. `false`: nothing was changed.
   */
  readonly permit: (fd: number, name: Name) => boolean
}
