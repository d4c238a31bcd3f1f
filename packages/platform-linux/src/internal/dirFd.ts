/**
 * Calls relative to a directory's descriptor. A call that fails throws an error whose `code` is the errno's name, as in
 * `node:fs`.
 */
import { coded, errnoName, errnoOf } from "@vm-sentinel/core/Errno"
import type { Attributes, Stat } from "@vm-sentinel/core/Disk"
import * as Fs from "node:fs"
import * as Os from "node:os"
import { isMainThread } from "node:worker_threads"
import { decodeName, encodePath } from "./bytePath.ts"
import { close, closed } from "./closing.ts"
import { mountId } from "./fdinfo.ts"
import * as Frames from "./frames.ts"
import { AT_FDCWD, checked, type LibcAt, type Name } from "./libc.ts"
import * as NameListing from "./nameListing.ts"
import { fstat, lstat } from "./stat.ts"
import * as Statx from "./statx.ts"

export type { Entry, Listing, Place } from "./nameListing.ts"

const { O_DIRECTORY, O_NOATIME, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = Fs.constants
const fileFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK
const directoryFlags = fileFlags | O_DIRECTORY

/**
 * Opens with O_NOATIME if the kernel allows it. Without the flag a look may change an access time, which the file
 * system has to write to its journal. The kernel allows the flag to root and to the owner of a file, and answers EPERM
 * to others.
 */
const withoutTrace = (open: (flags: number) => number, flags: number): number => {
  try {
    return open(flags | O_NOATIME)
  } catch (cause) {
    if (errnoOf(cause) !== "EPERM") throw cause
    return open(flags)
  }
}

// `open(2)` with O_PATH needs no right to read. A directory of the path may grant search permission alone. Node has no
// name for this flag. Its value is the same on every architecture that Node runs on.
const O_PATH = 0o10000000
const waypointFlags = O_PATH | O_DIRECTORY | O_NOFOLLOW
const entryFlags = O_PATH | O_NOFOLLOW

/**
 * Calls relative to `fd`, a directory's descriptor. A name that is a symbolic link isn't followed. An absolute path as
 * the name needs {@link AT_FDCWD} as `fd`. Only the `DirFd` that opened a descriptor may close it. At the end of a
 * worker thread, Node closes every descriptor number that Node itself opened in the thread. It does so even if the
 * number belongs to another file by then.
 */
export interface DirFd {
  /**
   * Opens a directory by an absolute path, following no symbolic link in any component. The descriptor has O_PATH, and
   * is only a starting point for other calls.
   */
  readonly openPath: (path: string) => number
  readonly openDirectory: (fd: number, name: Name) => number
  /**
   * Like `openDirectory`, of a name in an open directory. Throws EXDEV for a mount point, without a call to the mounted
   * file system, which may not answer.
   */
  readonly openInside: (fd: number, name: Name) => number
  /** Like `openInside`, of any file, with O_PATH. Needs no right to read the file. */
  readonly openEntry: (fd: number, name: Name) => number
  /** Opens a file for reading. Never blocks, not even on a FIFO. */
  readonly openFile: (fd: number, name: Name) => number
  readonly close: (fd: number) => void
  /**
   * Closes `fd` in a thread of Node's pool, then calls `ended`. Closing the last descriptor of a removed directory
   * frees its blocks, which waits for the disk.
   */
  readonly closeLater: (fd: number, ended: () => void) => void
  /** Whether a descriptor stays open at the end of the thread that opened the descriptor. */
  readonly isLasting: boolean
  readonly stat: (fd: number) => Stat
  /** Like `stat`, with the file system of the directory. */
  readonly look: (fd: number) => Frames.Framed
  readonly statAt: (fd: number, name: Name) => Stat
  /** An empty name means the descriptor itself. */
  readonly attributes: (fd: number, name: Name) => Attributes
  /** Id of the mount that a descriptor's file lies on. */
  readonly mount: (fd: number) => string
  readonly list: NameListing.List
  /** Reads at most `length` bytes from where the last call ended. Returns the number of bytes, 0 at the end. */
  readonly read: (fd: number, into: Uint8Array, length: number) => number
  /** Throws EISDIR for a directory. */
  readonly unlink: (fd: number, name: Name) => void
  readonly removeDirectory: (fd: number, name: Name) => void
  readonly rename: (fromFd: number, from: Name, toFd: number, to: Name) => void
  /**
   * `flock(2)`, for which callers add LOCK_NB. Returns the name of the errno, or `undefined` on success. The call is
   * missing without libc.
   */
  readonly flock: ((fd: number, operation: number) => string | undefined) | undefined
}

/** The `fd` for an absolute path. */
export { AT_FDCWD }

/** Encodes a name or a path, every byte of it. */
export const nameOf = (name: string): Name => {
  // The kernel would take the part before the NUL for the whole path.
  if (name.includes("\0")) throw coded("EINVAL", "a NUL in a path")
  const encoded = encodePath(name)
  return typeof encoded === "string" ? encoded : Buffer.concat([encoded, Buffer.alloc(1)])
}

export const textOf = (name: Name): string => (typeof name === "string" ? name : decodeName(name.subarray(0, -1)))

const child = (fd: number, name: Name): string | Buffer => {
  if (fd === AT_FDCWD) return typeof name === "string" ? name : name.subarray(0, -1)
  const directory = `/proc/self/fd/${fd}/`
  return typeof name === "string"
    ? `${directory}${name}`
    : Buffer.concat([Buffer.from(directory), name.subarray(0, -1)])
}

interface Opener {
  /** Opens an absolute path. */
  readonly open: (path: string, flags: number) => number
  readonly close: (fd: number) => void
}

/**
 * Opens a path. Throws ELOOP if the kernel reports another path for the descriptor: a symbolic link was followed, or
 * the directory was moved or removed meanwhile.
 */
const openReal = ({ close, open }: Opener, path: string): number => {
  const fd = open(path, waypointFlags)
  try {
    const real = decodeName(Fs.readlinkSync(`/proc/self/fd/${fd}`, "buffer"))
    if (real !== path) throw coded("ELOOP", `it is ${real}`)
    return fd
  } catch (cause) {
    close(fd)
    throw cause
  }
}

/**
 * Opens an entry by O_PATH, which calls no mounted file system, and compares its mount with that of its directory.
 * Throws EXDEV if they differ.
 */
const openOnMount = ({ close }: Opener, fd: number, openIn: () => number): number => {
  const entry = openIn()
  try {
    if (mountId(entry) !== mountId(fd)) throw coded("EXDEV", "on another mount")
    return entry
  } catch (cause) {
    close(entry)
    throw cause
  }
}

/** Opens the directory of an O_PATH descriptor for reading, and closes that descriptor. */
const openAgain = ({ close, open }: Opener, entry: number): number => {
  try {
    // This path leads to the open file, even if another file has its name now. The path itself is a symbolic link,
    // which O_NOFOLLOW would refuse.
    return withoutTrace((flags) => open(`/proc/self/fd/${entry}`, flags), directoryFlags & ~O_NOFOLLOW)
  } finally {
    close(entry)
  }
}

const byNode: Opener = { open: (path, flags) => Fs.openSync(encodePath(path), flags), close }

const openEntryByNode = (fd: number, name: Name): number =>
  openOnMount(byNode, fd, () => Fs.openSync(child(fd, name), entryFlags))

/** Calls through `node:fs` only. Opening `/proc/self/fd/N/name` is `openat(N, name)`. */
export const procfs: DirFd = {
  openPath: (path) => openReal(byNode, path),
  openDirectory: (fd, name) => withoutTrace((flags) => Fs.openSync(child(fd, name), flags), directoryFlags),
  openInside: (fd, name) => openAgain(byNode, openEntryByNode(fd, name)),
  openEntry: openEntryByNode,
  openFile: (fd, name) => withoutTrace((flags) => Fs.openSync(child(fd, name), flags), fileFlags),
  close,
  closeLater: (fd, ended) => Fs.close(fd, ended),
  isLasting: isMainThread,
  stat: fstat,
  look: Frames.byNode,
  statAt: (fd, name) => lstat(child(fd, name)),
  attributes: (fd, name) => (name === "" ? fstat(fd) : lstat(child(fd, name))),
  mount: mountId,
  list: NameListing.byNode,
  read: (fd, into, length) => Fs.readSync(fd, into, 0, length, null),
  unlink: (fd, name) => Fs.unlinkSync(child(fd, name)),
  removeDirectory: (fd, name) => Fs.rmdirSync(child(fd, name)),
  rename: (fromFd, from, toFd, to) => Fs.renameSync(child(fromFd, from), child(toFd, to)),
  flock: undefined
}

const { EPERM } = Os.constants.errno

const AT_REMOVEDIR = 0x200

/** Errnos of a missing `openat2(2)`, before Linux 5.6 or under a seccomp filter that rejects the call. */
const lacksCall = new Set(["ENOSYS", "EPERM", "EINVAL", "E2BIG"])

const libcAt = (native: LibcAt): DirFd => {
  const statx = Statx.make()
  const openAt = (flags: number) => (fd: number, name: Name) => {
    const opened = native.open(fd, name, flags | O_NOATIME)
    return checked(opened === -EPERM ? native.open(fd, name, flags) : opened)
  }
  const statAt = (fd: number, name: Name): Stat => {
    checked(native.statx(fd, name, Statx.basicStats | Statx.birthTime, statx.buffer))
    return statx.stat()
  }
  const close = (fd: number) => closed(() => checked(native.close(fd)))
  const opener: Opener = { open: (path, flags) => checked(native.open(AT_FDCWD, nameOf(path), flags)), close }
  const openEntry = (fd: number, name: Name): number => {
    const opened = native.openInside(fd, name, entryFlags)
    if (opened >= 0 || !lacksCall.has(errnoName(-opened))) return checked(opened)
    return openOnMount(opener, fd, () => checked(native.open(fd, name, entryFlags)))
  }
  const mountByStatx = (fd: number): string | undefined => {
    checked(native.statx(fd, "", Statx.mountId, statx.buffer))
    return statx.mount()
  }
  return {
    openPath: (path) => {
      const fd = native.openWithoutSymlinks(nameOf(path), waypointFlags)
      if (fd >= 0 || !lacksCall.has(errnoName(-fd))) return checked(fd)
      return openReal(opener, path)
    },
    openDirectory: openAt(directoryFlags),
    openInside: (fd, name) => {
      const opened = native.openInside(fd, name, directoryFlags | O_NOATIME)
      const again = opened === -EPERM ? native.openInside(fd, name, directoryFlags) : opened
      if (again >= 0 || !lacksCall.has(errnoName(-again))) return checked(again)
      return openAgain(opener, openEntry(fd, name))
    },
    openEntry,
    openFile: openAt(fileFlags),
    close,
    closeLater: (fd, ended) => native.closeLater(fd, ended),
    isLasting: true,
    stat: (fd) => statAt(fd, ""),
    look: (fd) => {
      checked(native.statx(fd, "", Statx.basicStats | Statx.birthTime, statx.buffer))
      return Frames.byLibc(native, fd, statx.stat(), statx.bornAt())
    },
    statAt,
    attributes: (fd, name) => {
      checked(native.statx(fd, name, Statx.basicStats, statx.buffer))
      return statx.attributes()
    },
    mount: (fd) => mountByStatx(fd) ?? mountId(fd),
    list: NameListing.byLibc(native),
    read: (fd, into, length) => checked(native.read(fd, into, length)),
    unlink: (fd, name) => void checked(native.unlink(fd, name, 0)),
    removeDirectory: (fd, name) => void checked(native.unlink(fd, name, AT_REMOVEDIR)),
    rename: (fromFd, from, toFd, to) => void checked(native.rename(fromFd, from, toFd, to)),
    flock: (fd, operation) => {
      const result = native.flock(fd, operation)
      return result < 0 ? errnoName(-result) : undefined
    }
  }
}

/**
 * Calls through libc if libc can be called, otherwise through `node:fs`. libc is faster, because a path below
 * `/proc/self/fd` needs a lookup in procfs first.
 */
export const make = (native: LibcAt | undefined): DirFd => (native === undefined ? procfs : libcAt(native))
