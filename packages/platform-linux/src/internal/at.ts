/**
 * Calls relative to a directory's descriptor. What fails throws an error with the errno's name as `code`, as `node:fs`
 * does.
 */
import type { Attributes, FileType, Stat } from "@vm-sentinel/core/Disk"
import * as Fs from "node:fs"
import * as Os from "node:os"
import { isMainThread } from "node:worker_threads"
import { errnoName } from "../Kernel.ts"
import { decodeName, encodePath } from "./bytePath.ts"
import * as Dirent from "./dirent.ts"
import * as Frames from "./frames.ts"
import { AT_FDCWD, type LibcAt, type Name } from "./libc.ts"
import { errnoOf, fstat, lstat } from "./stat.ts"
import * as Statx from "./statx.ts"

const { O_DIRECTORY, O_NOATIME, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = Fs.constants
const fileFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK
const directoryFlags = fileFlags | O_DIRECTORY

/**
 * A look changes nothing, not even when a file was last read, which a journal would have to be told. Only who owns a file,
 * and root, may ask for that.
 */
const withoutTrace = (open: (flags: number) => number, flags: number): number => {
  try {
    return open(flags | O_NOATIME)
  } catch (cause) {
    if (errnoOf(cause) !== "EPERM") throw cause
    return open(flags)
  }
}

// `open(2)` with it needs no right to read: a directory on the way may be for passing through alone. Node has no name
// for it; the number is that of every architecture that Node runs on.
const O_PATH = 0o10000000
const waypointFlags = O_PATH | O_DIRECTORY | O_NOFOLLOW

export interface Entry {
  readonly name: Name
  /** `unknown`: the listing doesn't say. */
  readonly type: FileType
}

/** A directory as it is read. */
export interface Listing {
  readonly next: () => Entry | undefined
  /** Begins anew. */
  readonly rewind: () => void
  /** Likewise, by what was read where that is all of it. */
  readonly again: () => void
  readonly close: () => void
  /** Closes it, to go on later by another descriptor of the directory. */
  readonly pause: () => (fd: number) => Listing
}

/**
 * A name is never followed where it is a symbolic link. An absolute path does for one, whatever the descriptor. What one of
 * these has opened it alone may close: Node keeps a list of what it opened in a worker thread, and closes the numbers in it
 * at the thread's end, whoever has them by then.
 */
export interface At {
  /** A directory by its absolute path, with no symbolic link in any component followed. For passing through alone. */
  readonly openPath: (path: string) => number
  readonly openDirectory: (fd: number, name: Name) => number
  /** For reading; never waits. */
  readonly openFile: (fd: number, name: Name) => number
  readonly close: (fd: number) => void
  /** `close` by a thread of Node's pool: the last descriptor of a removed directory frees its blocks, which waits for the disk. */
  readonly closeLater: (fd: number, ended: () => void) => void
  /** Whether what it opened stays open at the end of the thread that it was opened in. */
  readonly isLasting: boolean
  readonly stat: (fd: number) => Stat
  /** Likewise, and what the directory lies on. */
  readonly look: (fd: number) => Frames.Framed
  readonly statAt: (fd: number, name: Name) => Stat
  /** Of an empty name: of the descriptor itself. */
  readonly attributes: (fd: number, name: Name) => Attributes
  /** The mount that a descriptor's file lies on. */
  readonly mount: (fd: number) => string
  readonly list: (fd: number) => Listing
  /** At most `length` bytes, from where the last call ended: how many were read, 0 at the end. */
  readonly read: (fd: number, into: Uint8Array, length: number) => number
  /** EISDIR for a directory. */
  readonly unlink: (fd: number, name: Name) => void
  readonly removeDirectory: (fd: number, name: Name) => void
  readonly rename: (fromFd: number, from: Name, toFd: number, to: Name) => void
  /** `flock(2)`, which never waits: the name of the errno, `undefined` on success. */
  readonly flock: ((fd: number, operation: number) => string | undefined) | undefined
}

/** The directory in which an absolute path is a name. */
export const anywhere = AT_FDCWD

/** A name or a path, every byte of it. */
export const nameOf = (name: string): Name => {
  // The kernel would take what is before it for the whole.
  if (name.includes("\0")) throw Object.assign(new Error("a NUL in a path"), { code: "EINVAL" })
  const encoded = encodePath(name)
  return typeof encoded === "string" ? encoded : Buffer.concat([encoded, Buffer.alloc(1)])
}

export const textOf = (name: Name): string => (typeof name === "string" ? name : decodeName(name.subarray(0, -1)))

/** Text, or where that would not be the same name, bytes. */
const nameIn = (bytes: Buffer, start = 0, end = bytes.length): Name => {
  const text = bytes.toString("utf8", start, end)
  return text.includes("\uFFFD") ? Buffer.concat([bytes.subarray(start, end), Buffer.alloc(1)]) : text
}

const child = (fd: number, name: Name): string | Buffer => {
  if (fd === anywhere) return typeof name === "string" ? name : name.subarray(0, -1)
  const directory = `/proc/self/fd/${fd}/`
  return typeof name === "string"
    ? `${directory}${name}`
    : Buffer.concat([Buffer.from(directory), name.subarray(0, -1)])
}

const mountBuffer = Buffer.alloc(512)

/** `proc_pid_fdinfo(5)`. */
const mountByFdinfo = (fd: number): string => {
  const info = Fs.openSync(`/proc/self/fdinfo/${fd}`, O_RDONLY)
  try {
    const text = mountBuffer.toString("latin1", 0, Fs.readSync(info, mountBuffer))
    const id = /^mnt_id:\s*(\d+)/m.exec(text)?.[1]
    if (id === undefined) throw Object.assign(new Error("no mnt_id in fdinfo"), { code: "ENOTSUP" })
    return id
  } finally {
    Fs.closeSync(info)
  }
}

const typeOf = (entry: Fs.Dirent): FileType => {
  if (entry.isDirectory()) return "directory"
  if (entry.isFile()) return "file"
  if (entry.isSymbolicLink()) return "symlink"
  if (entry.isFIFO()) return "fifo"
  if (entry.isSocket()) return "socket"
  return entry.isBlockDevice() || entry.isCharacterDevice() ? "device" : "unknown"
}

/** Bytes of a directory (its own, not its files') up to which all names are read at once, which is quicker. */
const smallDirectory = 65_536

interface Reader {
  readonly next: () => Fs.Dirent | null
  readonly close: () => void
  /** Of all that was read at once. */
  readonly restart?: () => void
}

/** The entries one after the other, in batches where there are many. */
const reader = (fd: number): Reader => {
  const path = `/proc/self/fd/${fd}`
  if (Fs.fstatSync(fd).size > smallDirectory) {
    const dir = Fs.opendirSync(path, { encoding: "latin1", bufferSize: 256 })
    return { next: () => dir.readSync(), close: () => dir.closeSync() }
  }
  const entries = Fs.readdirSync(path, { withFileTypes: true, encoding: "latin1" })
  let index = 0
  return {
    next: () => entries[index++] ?? null,
    close: () => {},
    restart: () => {
      index = 0
    }
  }
}

const listByNode = (fd: number): Listing => {
  let entries = reader(fd)
  const rewind = () => {
    const again = reader(fd)
    entries.close()
    entries = again
  }
  const listing: Listing = {
    next: () => {
      const entry = entries.next()
      return entry === null ? undefined : { name: nameIn(Buffer.from(entry.name, "latin1")), type: typeOf(entry) }
    },
    rewind,
    again: () => (entries.restart ?? rewind)(),
    close: () => entries.close(),
    // Node reads a directory by its path, and needs no descriptor of ours to go on.
    pause: () => () => listing
  }
  return listing
}

interface Opener {
  readonly open: (path: string) => number
  readonly close: (fd: number) => void
}

/** Where the kernel says that it is, if no symbolic link was followed on the way. */
const openReal = ({ close, open }: Opener, path: string): number => {
  const fd = open(path)
  try {
    const real = decodeName(Fs.readlinkSync(`/proc/self/fd/${fd}`, "buffer"))
    if (real !== path) throw Object.assign(new Error(`it is ${real}`), { code: "ELOOP" })
    return fd
  } catch (cause) {
    close(fd)
    throw cause
  }
}

/** Through `node:fs` alone: `/proc/self/fd/N/name` is `openat(N, name)`. */
export const procfs: At = {
  openPath: (path) =>
    openReal({ open: (path) => Fs.openSync(encodePath(path), waypointFlags), close: Fs.closeSync }, path),
  openDirectory: (fd, name) => withoutTrace((flags) => Fs.openSync(child(fd, name), flags), directoryFlags),
  openFile: (fd, name) => withoutTrace((flags) => Fs.openSync(child(fd, name), flags), fileFlags),
  close: Fs.closeSync,
  closeLater: (fd, ended) => Fs.close(fd, ended),
  isLasting: isMainThread,
  stat: fstat,
  look: Frames.byNode,
  statAt: (fd, name) => lstat(child(fd, name)),
  attributes: (fd, name) => (name === "" ? fstat(fd) : lstat(child(fd, name))),
  mount: mountByFdinfo,
  list: listByNode,
  read: (fd, into, length) => Fs.readSync(fd, into, 0, length, null),
  unlink: (fd, name) => Fs.unlinkSync(child(fd, name)),
  removeDirectory: (fd, name) => Fs.rmdirSync(child(fd, name)),
  rename: (fromFd, from, toFd, to) => Fs.renameSync(child(fromFd, from), child(toFd, to)),
  flock: undefined
}

const { EPERM } = Os.constants.errno

/** The answer of a call that gives a negative errno where it fails. */
const checked = (result: number): number => {
  if (result >= 0) return result
  const code = errnoName(-result)
  throw Object.assign(new Error(code), { code })
}

const AT_REMOVEDIR = 0x200

/** Of one listing at a time; a directory of few files fills a small part of it. */
const listingBytes = 32_768

// Freed ones are used again: a sweep opens one listing after another.
const blocks: Array<Dirent.Block> = []

/** `from`: the offset of the entry that came before. */
const listByLibc = (native: LibcAt, fd: number, from?: bigint): Listing => {
  const block = blocks.pop() ?? new Dirent.Block(listingBytes)
  let [at, end, current] = [0, 0, -1]
  // Of the blocks since the beginning, and whether there are no more.
  let reads = from === undefined ? 0 : 1
  let isOver = false
  const rewind = () => {
    checked(native.seek(fd, 0n))
    at = end = reads = 0
    isOver = false
  }
  const close = () => void blocks.push(block)
  return {
    next: () => {
      for (;;) {
        if (at >= end) {
          if (isOver) return undefined
          const count = checked(native.getdents(fd, block.bytes))
          isOver = count === 0
          if (isOver) return undefined
          ;[at, end] = [0, count]
          reads += 1
        }
        current = at
        at += block.length(current)
        if (block.isDots(current)) continue
        return { name: nameIn(block.bytes, Dirent.nameOf(current), block.nameEnd(current)), type: block.type(current) }
      }
    },
    rewind,
    again: () => {
      if (isOver && reads <= 1) at = 0
      else rewind()
    },
    close,
    pause: () => {
      const offset = current < 0 ? (from ?? 0n) : block.offset(current)
      close()
      return (fd) => {
        checked(native.seek(fd, offset))
        return listByLibc(native, fd, offset)
      }
    }
  }
}

/** `openat2(2)` came with 5.6, and a seccomp filter may not know it. */
const lacksCall = new Set(["ENOSYS", "EPERM", "EINVAL", "E2BIG"])

const libcAt = (native: LibcAt): At => {
  const openAt = (flags: number) => (fd: number, name: Name) => {
    const opened = native.open(fd, name, flags | O_NOATIME)
    return checked(opened === -EPERM ? native.open(fd, name, flags) : opened)
  }
  const statAt = (fd: number, name: Name): Stat => {
    checked(native.statx(fd, name, Statx.basicStats | Statx.birthTime, Statx.buffer))
    return Statx.stat()
  }
  const close = (fd: number) => void checked(native.close(fd))
  const mountByStatx = (fd: number): string | undefined => {
    checked(native.statx(fd, "", Statx.mountId, Statx.buffer))
    return Statx.mount()
  }
  return {
    openPath: (path) => {
      const fd = native.openWithoutSymlinks(nameOf(path), waypointFlags)
      if (fd >= 0 || !lacksCall.has(errnoName(-fd))) return checked(fd)
      return openReal({ open: (path) => checked(native.open(anywhere, nameOf(path), waypointFlags)), close }, path)
    },
    openDirectory: openAt(directoryFlags),
    openFile: openAt(fileFlags),
    close,
    closeLater: (fd, ended) => native.closeLater(fd, ended),
    isLasting: true,
    stat: (fd) => statAt(fd, ""),
    look: (fd) => {
      checked(native.statx(fd, "", Statx.basicStats | Statx.birthTime, Statx.buffer))
      return Frames.byLibc(native, fd, Statx.stat(), Statx.bornAt())
    },
    statAt,
    attributes: (fd, name) => {
      checked(native.statx(fd, name, Statx.basicStats, Statx.buffer))
      return Statx.attributes()
    },
    mount: (fd) => mountByStatx(fd) ?? mountByFdinfo(fd),
    list: (fd) => listByLibc(native, fd),
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

/** By libc where it can be called, which is quicker: a name below `/proc/self/fd` is looked up in procfs first. */
export const make = (native: LibcAt | undefined): At => (native === undefined ? procfs : libcAt(native))
