/** Checks whether `/proc` can be trusted, and reads its files. */
import { isShortage } from "@vm-sentinel/core/Errno"
import { expectErrno, type Kernel } from "../Kernel.ts"
import { isProof, type Pidfds } from "../Pidfd.ts"
import * as ProcStatus from "../ProcStatus.ts"

/** Where the facts about processes come from. */
export interface Source {
  readonly kernel: Kernel
  /** Loads the calls. `undefined`: no native code. */
  readonly pidfds: () => Pidfds | undefined
  /** Mount point of the procfs. */
  readonly root: string
  /** Buffer for one read. Each call is synchronous, and its bytes are parsed before the next one. */
  readonly buffer: Uint8Array
}

/**
 * Bytes of `Source.buffer`. One read returns all of `stat` (1.1 kB at most), and `status` up to `Uid` at least. On most
 * systems it returns all of `status`.
 */
export const bufferBytes = 4096

/** Why a procfs isn't trusted. `resources`: the check itself lacked a resource. */
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

/** Checks that the file system at `root` is procfs. */
export const checkType = ({ kernel, root }: Source): Doubt | undefined => {
  try {
    return kernel.fileSystemType(root) === procfsMagic ? undefined : noProcfs(`${root} is not procfs`)
  } catch (error) {
    return doubt(`statfs ${root}`, error)
  }
}

/**
 * Maximum number of bytes read of a file. `mountinfo` grows with the number of mounts, and `status` with the number of
 * groups.
 */
const maxFileBytes = 4 * 1024 * 1024

/** Reads a descriptor to its end. `undefined`: no end within {@link maxFileBytes} bytes. */
export const readWhole = ({ kernel }: Source, fd: number): Uint8Array | undefined => {
  let bytes = new Uint8Array(4096)
  let length = 0
  while (length < maxFileBytes) {
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
    // `NStgid` comes after `Groups`, which may be long. Kernels before 4.1 have no `NStgid`.
    const bytes = readWhole(source, fd)
    return bytes === undefined ? {} : ProcStatus.parse(bytes)
  } finally {
    kernel.close(fd)
  }
}

/**
 * Checks that the procfs is of the PID namespace that the calling process lives in. In a procfs of another namespace,
 * PIDs mean other processes, and no other file shows the difference. Even `ns/pid` compares equal. Such a procfs shows
 * the caller under another PID than its own. If the PID is by chance the same, it also shows the caller's PID in a
 * nested namespace. The procfs of the caller's own namespace shows no second PID of the caller.
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

/** A value from a file, or why there is none. `isTransient`: the next attempt may succeed. */
export type KernelFile<A> = { readonly value: A } | { readonly problem: string; readonly isTransient: boolean }

/**
 * Reads a file of the procfs, unless something is mounted over it. The kernel's own file is on the same mount as its
 * directory. A file that is mounted over it is on another mount, even if that mount is procfs, too.
 */
export const readKernelFile = <A>(source: Source, name: string, from: (fd: number) => A): KernelFile<A> => {
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
      return { problem: `a file is mounted over ${path}`, isTransient: false }
    }
    return isProcfs(source, `/proc/self/fd/${fd}`)
      ? { value: from(fd) }
      : { problem: `${path} is not procfs`, isTransient: false }
  } catch (error) {
    const errno = expectErrno(error)
    return { problem: `${path}: ${errno}`, isTransient: isShortage(errno) }
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

/** Calls about a path, and turns the errno of a failure into words. */
export const told = <A>(path: string, call: () => A): KernelFile<A> => {
  try {
    return { value: call() }
  } catch (error) {
    const errno = expectErrno(error)
    return { problem: `${path}: ${errno}`, isTransient: isShortage(errno) }
  }
}

/** Opens a file and applies `from`. */
const readAny = <A>({ kernel }: Source, path: string, from: (fd: number) => A): KernelFile<A> =>
  told(path, () => {
    const fd = kernel.open(path)
    try {
      return from(fd)
    } finally {
      kernel.close(fd)
    }
  })

/** Opens a file and applies `from`. `undefined`: the file can't be read. */
export const read = <A>(source: Source, path: string, from: (fd: number) => A): A | undefined => {
  const found = readAny(source, path, from)
  return "value" in found ? found.value : undefined
}

/** Reads at most `most` bytes. Bytes that aren't UTF-8 become U+FFFD. */
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

/** Reads a file of one short line, 256 bytes at most. */
export const readLineOf = (source: Source, path: string): KernelFile<string> =>
  readAny(source, path, (fd) => readHead(source, fd, 256).trim())

/** {@link readLineOf}. `undefined`: the file can't be read. */
export const readLine = (source: Source, path: string): string | undefined => {
  const line = readLineOf(source, path)
  return "value" in line ? line.value : undefined
}

/** Reads a whole file. `undefined`: the file can't be read or has no end. */
export const readBytes = (source: Source, path: string): Uint8Array | undefined =>
  read(source, path, (fd) => readWhole(source, fd))

/** PIDs of all processes that the procfs shows. `undefined`: they can't be listed. */
export const listProcesses = (source: Source): ReadonlyArray<string> | undefined => {
  try {
    return source.kernel.list(source.root).filter((name) => /^[0-9]+$/.test(name))
  } catch (error) {
    expectErrno(error)
    return undefined
  }
}

/**
 * The link of the caller's namespace. A kernel built without a kind of namespace has no such link. Its one namespace
 * for all processes is named "none". `undefined`: the link can't be read.
 */
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

/**
 * The line of CLOCK_BOOTTIME, `time_namespaces(7)`. Before Linux 5.7 the file identifies clocks by numbers, and this
 * one by 7.
 */
const boottimeLine = /^(?:boottime|7)\s+(-?[0-9]{1,11})\s+([0-9]{1,9})$/m

/**
 * Nanoseconds that the caller's time namespace adds to the time since boot. `timens_offsets` shows the offset of the
 * namespace for children. That namespace is the caller's own unless the two links differ. `undefined`: not known.
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

export interface Proven {
  /** Present if the inode of a pidfd is a process's 64-bit id. */
  readonly pidfds: Pidfds | undefined
  /** Something wasn't found for want of a resource. The next attempt may find it. */
  readonly isTransient: boolean
}

/** Facts of a trusted procfs that never change. */
export interface Trusted extends Proven {
  /** Whether `uptime` is the kernel's. lxcfs mounts a file of its own over it, with the age of the container. */
  readonly uptime: boolean
  readonly timeOffset: string | undefined
}

export const provePidfds = ({ kernel, pidfds: load }: Source): Proven => {
  const pidfds = load()
  const proof = pidfds !== undefined && isProof(pidfds, kernel.pid, (path) => kernel.fileSystemType(path))
  return {
    pidfds: proof === true ? pidfds : undefined,
    isTransient: typeof proof === "string" && isShortage(proof)
  }
}

export const trust = (source: Source): Trusted => {
  const { isTransient, pidfds } = provePidfds(source)
  const uptime = readKernelFile(source, "uptime", () => undefined)
  return {
    pidfds,
    uptime: "value" in uptime,
    timeOffset: readTimeOffset(source),
    isTransient: isTransient || ("problem" in uptime && uptime.isTransient)
  }
}

/** Seconds since boot, in the reader's time namespace. */
export const readUptime = (source: Source): number | undefined => {
  const seconds = /^([0-9]+\.[0-9]+) /.exec(readLine(source, `${source.root}/uptime`) ?? "")?.[1]
  return seconds === undefined ? undefined : Number(seconds)
}
