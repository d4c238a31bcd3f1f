/**
 * Calls relative to a directory's descriptor. A name is bytes with the NUL behind them, as the kernel takes it. What
 * fails throws an error with the errno's name as `code`, as `node:fs` does.
 */
import type { FileType } from "@vm-sentinel/core/Disk"
import * as Fs from "node:fs"
import * as Os from "node:os"
import { errnoName } from "../Kernel.ts"
import { decodeName, encodePath } from "./bytePath.ts"
import type { LibcAt } from "./libc.ts"

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = Fs.constants
const fileFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK
const directoryFlags = fileFlags | O_DIRECTORY

// `open(2)` with it needs no right to read: a directory on the way may be for passing through alone. Node has no name
// for it; the number is that of every architecture that Node runs on.
const O_PATH = 0o10000000
const waypointFlags = O_PATH | O_DIRECTORY | O_NOFOLLOW

export interface Entry {
  /** Good until the next one is asked for. */
  readonly name: Buffer
  /** `unknown`: the listing doesn't say. */
  readonly type: FileType
}

/** A directory as it is read. */
export interface Listing {
  readonly next: () => Entry | undefined
  /** Begins anew. */
  readonly rewind: () => void
  readonly close: () => void
}

export interface At {
  /** A directory by its absolute path, with no symbolic link in any component followed. For passing through alone. */
  readonly openPath: (path: string) => number
  readonly openDirectory: (fd: number, name: Buffer) => number
  /** For reading; never waits. */
  readonly openFile: (fd: number, name: Buffer) => number
  /** The mount that a descriptor's file lies on. */
  readonly mount: (fd: number) => string
  readonly list: (fd: number) => Listing
  /** EISDIR for a directory. */
  readonly unlink: (fd: number, name: Buffer) => void
  readonly removeDirectory: (fd: number, name: Buffer) => void
  readonly rename: (fromFd: number, from: Buffer, toFd: number, to: Buffer) => void
}

/** A name of which every byte is known. */
export const nameOf = (name: string): Buffer => Buffer.concat([Buffer.from(encodePath(name)), Buffer.alloc(1)])

const withoutNul = (name: Buffer): Buffer => name.subarray(0, -1)

export const textOf = (name: Buffer): string => decodeName(withoutNul(name))

const componentsOf = (path: string): ReadonlyArray<Buffer> =>
  path
    .split("/")
    .filter((component) => component !== "")
    .map(nameOf)

const openChain = (root: number, path: string, open: (fd: number, name: Buffer) => number): number => {
  let fd = root
  for (const component of componentsOf(path)) {
    try {
      const next = open(fd, component)
      Fs.closeSync(fd)
      fd = next
    } catch (cause) {
      Fs.closeSync(fd)
      throw cause
    }
  }
  return fd
}

const child = (fd: number, name: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), withoutNul(name)])

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

/** The entries one after the other, in batches where there are many. */
const reader = (fd: number): { readonly next: () => Fs.Dirent | null; readonly close: () => void } => {
  const path = `/proc/self/fd/${fd}`
  if (Fs.fstatSync(fd).size > smallDirectory) {
    const dir = Fs.opendirSync(path, { encoding: "latin1", bufferSize: 256 })
    return { next: () => dir.readSync(), close: () => dir.closeSync() }
  }
  const entries = Fs.readdirSync(path, { withFileTypes: true, encoding: "latin1" })
  let index = 0
  return { next: () => entries[index++] ?? null, close: () => {} }
}

const listByNode = (fd: number): Listing => {
  let entries = reader(fd)
  return {
    next: () => {
      const entry = entries.next()
      return entry === null ? undefined : { name: Buffer.from(`${entry.name}\0`, "latin1"), type: typeOf(entry) }
    },
    rewind: () => {
      const again = reader(fd)
      entries.close()
      entries = again
    },
    close: () => entries.close()
  }
}

/** Through `node:fs` alone: `/proc/self/fd/N/name` is `openat(N, name)`. */
export const procfs: At = {
  openPath: (path) =>
    openChain(Fs.openSync("/", waypointFlags), path, (fd, name) => Fs.openSync(child(fd, name), waypointFlags)),
  openDirectory: (fd, name) => Fs.openSync(child(fd, name), directoryFlags),
  openFile: (fd, name) => Fs.openSync(child(fd, name), fileFlags),
  mount: mountByFdinfo,
  list: listByNode,
  unlink: (fd, name) => Fs.unlinkSync(child(fd, name)),
  removeDirectory: (fd, name) => Fs.rmdirSync(child(fd, name)),
  rename: (fromFd, from, toFd, to) => Fs.renameSync(child(fromFd, from), child(toFd, to))
}

/** The answer of a call that gives a negative errno where it fails. */
const checked = (result: number): number => {
  if (result >= 0) return result
  const code = errnoName(-result)
  throw Object.assign(new Error(code), { code })
}

/** `d_type` of `readdir(3)`. */
const types: ReadonlyMap<number, FileType> = new Map([
  [1, "fifo"],
  [2, "device"],
  [4, "directory"],
  [6, "device"],
  [8, "file"],
  [10, "symlink"],
  [12, "socket"]
])

const AT_REMOVEDIR = 0x200

/** Of one listing at a time; a directory of few files fills a small part of it. */
const listingBytes = 32_768

// Freed ones are used again: a sweep opens one listing after another.
const buffers: Array<Buffer> = []

const isDots = (bytes: Buffer, start: number, end: number): boolean =>
  bytes[start] === 0x2e && (end === start + 1 || (end === start + 2 && bytes[start + 1] === 0x2e))

const isLittle = Os.endianness() === "LE"
const readLength = (buffer: Buffer, at: number): number =>
  isLittle ? buffer.readUInt16LE(at) : buffer.readUInt16BE(at)

/** `getdents64(2)`: inode (8 bytes), offset (8), length of the record (2), type (1), name, NUL. */
const listByLibc = (native: LibcAt, fd: number): Listing => {
  const buffer = buffers.pop() ?? Buffer.allocUnsafeSlow(listingBytes)
  let [at, end] = [0, 0]
  return {
    next: () => {
      for (;;) {
        if (at >= end) {
          end = checked(native.getdents(fd, buffer))
          at = 0
          if (end === 0) return undefined
        }
        const start = at + 19
        const type = types.get(buffer[at + 18] ?? 0) ?? "unknown"
        at += readLength(buffer, at + 16)
        const nul = buffer.indexOf(0, start)
        if (isDots(buffer, start, nul)) continue
        return { name: buffer.subarray(start, nul + 1), type }
      }
    },
    rewind: () => {
      checked(native.rewind(fd))
      at = end = 0
    },
    close: () => void buffers.push(buffer)
  }
}

/** `openat2(2)` came with 5.6, and a seccomp filter may not know it. */
const lacksCall = new Set(["ENOSYS", "EPERM", "EINVAL", "E2BIG"])

const libcAt = (native: LibcAt): At => {
  const openAt = (flags: number) => (fd: number, name: Buffer) => checked(native.open(fd, name, flags))
  return {
    openPath: (path) => {
      const fd = native.openWithoutSymlinks(nameOf(path), waypointFlags)
      if (fd >= 0 || !lacksCall.has(errnoName(-fd))) return checked(fd)
      return openChain(Fs.openSync("/", waypointFlags), path, openAt(waypointFlags))
    },
    openDirectory: openAt(directoryFlags),
    openFile: openAt(fileFlags),
    mount: (fd) => native.mountId(fd)?.toString() ?? mountByFdinfo(fd),
    list: (fd) => listByLibc(native, fd),
    unlink: (fd, name) => void checked(native.unlink(fd, name, 0)),
    removeDirectory: (fd, name) => void checked(native.unlink(fd, name, AT_REMOVEDIR)),
    rename: (fromFd, from, toFd, to) => void checked(native.rename(fromFd, from, toFd, to))
  }
}

/** By libc where it can be called, which is quicker: a name below `/proc/self/fd` is looked up in procfs first. */
export const make = (native: LibcAt | undefined): At => (native === undefined ? procfs : libcAt(native))
