/** Whether `/proc` may be believed, and how its files are read. */
import { isShortage } from "@vm-sentinel/core/Errno"
import { expectErrno, type Kernel } from "../Kernel.ts"
import { isProof, type Pidfds } from "../Pidfd.ts"
import * as ProcStatus from "../ProcStatus.ts"
import type { Trees } from "../OpenTree.ts"

export interface Source {
  readonly kernel: Kernel
  /** `undefined`: no native code. */
  readonly pidfds: Pidfds | undefined
  /** `undefined`: no native code. */
  readonly trees: Trees | undefined
  readonly root: string
  /** The sysfs. */
  readonly sysRoot: string
  readonly machineIdFiles: ReadonlyArray<string>
  /** Room for one read. Each call is synchronous, and what it read is parsed before the next one. */
  readonly buffer: Uint8Array
}

/**
 * Bytes of `Source.buffer`. One read returns a whole `stat` (at most about 1.1 kB) and the part of `status` up to `Uid`; on
 * most systems all of `status`.
 */
export const bufferBytes = 4096

/** Why a procfs isn't believed, and whether the failure may be ours alone. */
interface Doubt {
  readonly reason: "no-procfs" | "resources"
  readonly detail: string
}

/** `PROC_SUPER_MAGIC` of `linux/magic.h`. */
const procfsMagic = 0x9fa0

const utf8 = new TextDecoder()

export const readLinkText = ({ kernel }: Source, path: string): string => utf8.decode(kernel.readLink(path))

const noProcfs = (detail: string): Doubt => ({ reason: "no-procfs", detail })

const doubt = (what: string, error: unknown): Doubt => {
  const errno = expectErrno(error)
  return { reason: isShortage(errno) ? "resources" : "no-procfs", detail: `${what}: ${errno}` }
}

/** Whether the file system at `root` is procfs. */
export const checkType = ({ kernel, root }: Source): Doubt | undefined => {
  try {
    return kernel.fileSystemType(root) === procfsMagic ? undefined : noProcfs(`${root} is not procfs`)
  } catch (error) {
    return doubt(`statfs ${root}`, error)
  }
}

/** The most that is read of a file: `mountinfo` grows with the mounts, `status` with the groups. */
const longest = 4 * 1024 * 1024

/** All that can be read through a descriptor; `undefined` where it has no end. */
export const readWhole = ({ kernel }: Source, fd: number): Uint8Array | undefined => {
  let bytes = new Uint8Array(4096)
  let length = 0
  while (length < longest) {
    const count = kernel.read(fd, bytes.subarray(length), length)
    if (count === 0) return bytes.subarray(0, length)
    length += count
    if (length === bytes.length) {
      const larger = new Uint8Array(length * 4)
      larger.set(bytes)
      bytes = larger
    }
  }
  return undefined
}

const readOwnStatus = (source: Source, path: string): ProcStatus.ProcStatus => {
  const { buffer, kernel } = source
  const fd = kernel.open(path)
  try {
    const status = ProcStatus.parse(buffer.subarray(0, kernel.read(fd, buffer, 0)))
    if (status.pids !== undefined) return status
    // The line comes after the groups, which may be many; kernels before 4.1 have none.
    const bytes = readWhole(source, fd)
    return bytes === undefined ? {} : ProcStatus.parse(bytes)
  } finally {
    kernel.close(fd)
  }
}

/**
 * Whether the procfs is of the PID namespace that the calling process lives in. In another one the numbers are other
 * processes' numbers, and nothing else shows it: even `ns/pid` compares equal. There the caller has another number than it
 * knows of, or by chance the same one; but only in its own namespace's procfs does it have no second number further in.
 */
export const checkNamespace = (source: Source): Doubt | undefined => {
  const path = `${source.root}/self/status`
  const { pid } = source.kernel
  try {
    const { pids = [pid], tgid } = readOwnStatus(source, path)
    const other = "procfs of another PID namespace"
    if (tgid === undefined) return noProcfs(`${path}: malformed`)
    if (tgid !== pid) return noProcfs(`${path} is of process ${tgid}, not ${pid}: ${other}`)
    return pids.length === 1 ? undefined : noProcfs(`${path} knows us as ${pids.join(", ")}: ${other}`)
  } catch (error) {
    return doubt(path, error)
  }
}

/** What was read of the kernel's own file, or why there is no such thing. `passing`: it may be there the next time. */
export type Own<A> = { readonly value: A } | { readonly problem: string; readonly passing: boolean }

/**
 * Reads a file of the procfs, unless something is mounted over it. A directory's file lies on the directory's mount; a
 * file that was mounted over it lies on a mount of its own, even where it is procfs as well.
 */
export const readOwn = <A>(source: Source, name: string, from: (fd: number) => A): Own<A> => {
  const { kernel, root } = source
  const path = `${root}/${name}`
  const opened: Array<number> = []
  const open = (path: string): number => {
    const fd = kernel.open(path)
    opened.push(fd)
    return fd
  }
  try {
    const directory = open(path.slice(0, path.lastIndexOf("/")))
    const fd = open(path)
    if (kernel.mountId(fd) !== kernel.mountId(directory)) {
      return { problem: `a file is mounted over ${path}`, passing: false }
    }
    return isProcfs(source, `/proc/self/fd/${fd}`)
      ? { value: from(fd) }
      : { problem: `${path} is not procfs`, passing: false }
  } catch (error) {
    const errno = expectErrno(error)
    return { problem: `${path}: ${errno}`, passing: isShortage(errno) }
  } finally {
    for (const fd of opened) kernel.close(fd)
  }
}

export const isProcfs = ({ kernel }: Source, path: string): boolean => {
  try {
    return kernel.fileSystemType(path) === procfsMagic
  } catch {
    return false
  }
}

/** What `use` makes of a file; `undefined` where it can't be read. */
export const read = <A>({ kernel }: Source, path: string, from: (fd: number) => A): A | undefined => {
  try {
    const fd = kernel.open(path)
    try {
      return from(fd)
    } finally {
      kernel.close(fd)
    }
  } catch (error) {
    expectErrno(error)
    return undefined
  }
}

/** At most so many bytes, as far as they are UTF-8. */
export const readHead = ({ kernel }: Source, fd: number, most: number): string => {
  const buffer = new Uint8Array(most)
  let length = 0
  while (length < most) {
    const count = kernel.read(fd, buffer.subarray(length), length)
    if (count === 0) break
    length += count
  }
  return utf8.decode(buffer.subarray(0, length))
}

/** A file of one short line; `undefined` where it can't be read. */
export const readLine = (source: Source, path: string): string | undefined =>
  read(source, path, (fd) => readHead(source, fd, 256).trim())

/** A whole file; `undefined` where it can't be read or has no end. */
export const readBytes = (source: Source, path: string): Uint8Array | undefined =>
  read(source, path, (fd) => readWhole(source, fd))

/** Numbers of all processes that a procfs shows; `undefined` where they can't be listed. */
export const listProcesses = (source: Source): ReadonlyArray<string> | undefined => {
  try {
    return source.kernel.list(source.root).filter((name) => /^[0-9]+$/.test(name))
  } catch (error) {
    expectErrno(error)
    return undefined
  }
}

/** A kernel built without a kind of namespace has no such link: there is one for all, and "none" names it. */
export const readNamespace = (source: Source, kind: "pid" | "time" | "time_for_children"): string | undefined => {
  const folder = `${source.root}/self/ns`
  try {
    return readLinkText(source, `${folder}/${kind}`)
  } catch (error) {
    if (expectErrno(error) !== "ENOENT") return undefined
  }
  try {
    return source.kernel.exists(folder) ? "none" : undefined
  } catch (error) {
    expectErrno(error)
    return undefined
  }
}

/** `time_namespaces(7)`; numbers for names of clocks: before 5.7. */
const boottimeLine = /^(?:boottime|7)\s+(-?[0-9]{1,11})\s+([0-9]{1,9})$/m

/**
 * Nanoseconds that the caller's time namespace adds to the time since boot. The file says what is added for its children,
 * which is the same unless they are to be of another namespace.
 */
export const readTimeOffset = (source: Source): string | undefined => {
  const namespace = readNamespace(source, "time")
  if (namespace === "none") return "0"
  if (namespace === undefined || namespace !== readNamespace(source, "time_for_children")) return undefined
  const bytes = readBytes(source, `${source.root}/self/timens_offsets`)
  const [, seconds, nanos] = bytes === undefined ? [] : (boottimeLine.exec(utf8.decode(bytes)) ?? [])
  if (seconds === undefined || nanos === undefined) return undefined
  return `${BigInt(seconds) * 1_000_000_000n + BigInt(nanos)}`
}

/** What is asked once of a procfs that is believed. */
export interface Trusted {
  /** Present where the inode of a pidfd is a process's 64-bit id. */
  readonly pidfds: Pidfds | undefined
  /** `uptime` is the kernel's: lxcfs mounts a file of its own over it, with the age of the container. */
  readonly uptime: boolean
  readonly timeOffset: string | undefined
}

/** The process file descriptors whose inode is a 64-bit id; `undefined` where there are none. */
export const provenPidfds = ({ kernel, pidfds }: Source): Pidfds | undefined =>
  pidfds !== undefined && isProof(pidfds, kernel.pid, (path) => kernel.fileSystemType(path)) ? pidfds : undefined

export const trust = (source: Source): Trusted => ({
  pidfds: provenPidfds(source),
  uptime: "value" in readOwn(source, "uptime", () => undefined),
  timeOffset: readTimeOffset(source)
})

/** Seconds since boot, in the reader's time namespace. */
export const readUptime = (source: Source): number | undefined => {
  const seconds = /^([0-9]+\.[0-9]+) /.exec(readLine(source, `${source.root}/uptime`) ?? "")?.[1]
  return seconds === undefined ? undefined : Number(seconds)
}
