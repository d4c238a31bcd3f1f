/** Whether `/proc` may be believed, and what it says about the kernel rather than about a process. */
import type { HostIdentity } from "@vm-sentinel/core/ProcessIdentity"
import { errnoOf, type Kernel } from "../Kernel.ts"
import { isProof, type Pidfds } from "../Pidfd.ts"

export interface Source {
  readonly kernel: Kernel
  /** `undefined`: no native code. */
  readonly pidfds: Pidfds | undefined
  readonly root: string
  readonly machineIdFiles: ReadonlyArray<string>
}

/** Why a procfs isn't believed, and whether the failure may be ours alone. */
export interface Doubt {
  readonly reason: "no-procfs" | "resources"
  readonly detail: string
}

export const resourceErrnos: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "ENOMEM", "EIO", "EINTR", "EAGAIN"])

/** `PROC_SUPER_MAGIC` of `linux/magic.h`. */
const procfsMagic = 0x9fa0

const utf8 = new TextDecoder()

export const readLinkText = ({ kernel }: Source, path: string): string => utf8.decode(kernel.readLink(path))

const doubt = (what: string, error: unknown): Doubt => {
  const errno = errnoOf(error)
  return { reason: resourceErrnos.has(errno) ? "resources" : "no-procfs", detail: `${what}: ${errno}` }
}

/** Whether the file system at `root` is procfs. */
export const checkType = ({ kernel, root }: Source): Doubt | undefined => {
  try {
    return kernel.fileSystemType(root) === procfsMagic
      ? undefined
      : { reason: "no-procfs", detail: `${root} is not procfs` }
  } catch (error) {
    return doubt(`statfs ${root}`, error)
  }
}

/**
 * Whether the procfs is of the PID namespace that the calling process lives in. In another one the numbers are other
 * processes' numbers, and nothing else shows it: even `ns/pid` compares equal.
 */
export const checkNamespace = (source: Source): Doubt | undefined => {
  const path = `${source.root}/self`
  try {
    const self = readLinkText(source, path)
    return self === `${source.kernel.pid}`
      ? undefined
      : { reason: "no-procfs", detail: `${path} is ${self}, not ${source.kernel.pid}: procfs of another PID namespace` }
  } catch (error) {
    return doubt(`readlink ${path}`, error)
  }
}

/** What is asked once of a procfs that is believed. */
export interface Trusted {
  /** Present where the inode of a pidfd is a process's 64-bit id. */
  readonly pidfds: Pidfds | undefined
  /** `uptime` is the kernel's: lxcfs mounts a file of its own over it, with the age of the container. */
  readonly uptime: boolean
}

const isProcfs = ({ kernel }: Source, path: string): boolean => {
  try {
    return kernel.fileSystemType(path) === procfsMagic
  } catch {
    return false
  }
}

export const trust = (source: Source): Trusted => {
  const { kernel, pidfds } = source
  return {
    pidfds:
      pidfds !== undefined && isProof(pidfds, kernel.pid, (path) => kernel.fileSystemType(path)) ? pidfds : undefined,
    uptime: isProcfs(source, `${source.root}/uptime`)
  }
}

const read = <A>({ kernel }: Source, path: string, from: (fd: number) => A): A | undefined => {
  try {
    const fd = kernel.open(path)
    try {
      return from(fd)
    } finally {
      kernel.close(fd)
    }
  } catch (error) {
    errnoOf(error)
    return undefined
  }
}

/** A file of one short line; `undefined` where it can't be read. */
const readLine = (source: Source, path: string): string | undefined =>
  read(source, path, (fd) => {
    const buffer = new Uint8Array(256)
    return utf8.decode(buffer.subarray(0, source.kernel.read(fd, buffer, 0))).trim()
  })

/** The most that is read of a file: `mountinfo` grows with the mounts, `status` with the groups. */
const longest = 4 * 1024 * 1024

/** A whole file; `undefined` where it can't be read or has no end. */
export const readBytes = (source: Source, path: string): Uint8Array | undefined =>
  read(source, path, (fd) => {
    let bytes = new Uint8Array(4096)
    let length = 0
    while (length < longest) {
      const count = source.kernel.read(fd, bytes.subarray(length), length)
      if (count === 0) return bytes.subarray(0, length)
      length += count
      if (length === bytes.length) {
        const larger = new Uint8Array(length * 4)
        larger.set(bytes)
        bytes = larger
      }
    }
    return undefined
  })

/** Seconds since boot, in the reader's time namespace. */
export const readUptime = (source: Source): number | undefined => {
  const seconds = /^([0-9]+\.[0-9]+) /.exec(readLine(source, `${source.root}/uptime`) ?? "")?.[1]
  return seconds === undefined ? undefined : Number(seconds)
}

const readBootId = (source: Source): string | undefined => {
  const id = readLine(source, `${source.root}/sys/kernel/random/boot_id`)
  return id !== undefined && /^[0-9a-f-]{36}$/.test(id) ? id : undefined
}

/** `machine-id(5)`. During a first boot the file says `uninitialized`, in an image it may be empty or all zeros. */
const readMachineId = (source: Source): string | undefined =>
  source.machineIdFiles
    .map((path) => readLine(source, path))
    .find((id) => id !== undefined && /^[0-9a-f]{32}$/.test(id) && !/^0+$/.test(id))

/** A kernel built without a kind of namespace has no such link: there is one for all, and "none" names it. */
const readNamespace = (source: Source, kind: "pid" | "time"): string | undefined => {
  const folder = `${source.root}/self/ns`
  try {
    return readLinkText(source, `${folder}/${kind}`)
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") return undefined
  }
  try {
    return source.kernel.exists(folder) ? "none" : undefined
  } catch (error) {
    errnoOf(error)
    return undefined
  }
}

export type Facts = Omit<HostIdentity, "hostname">

const factsWith = (values: { readonly [K in Exclude<keyof Facts, "namespaces">]: string | undefined }): Facts => ({
  namespaces: "supported",
  ...(values.bootId === undefined ? {} : { bootId: values.bootId }),
  ...(values.machineId === undefined ? {} : { machineId: values.machineId }),
  ...(values.pidNamespace === undefined ? {} : { pidNamespace: values.pidNamespace }),
  ...(values.timeNamespace === undefined ? {} : { timeNamespace: values.timeNamespace })
})

/**
 * What can't change while the calling process lives: its own PID namespace never does, and only a process of one thread,
 * which Node isn't, can enter another time namespace.
 */
export const readFacts = (source: Source): Facts => {
  const believed = checkType(source) === undefined
  return factsWith({
    bootId: believed ? readBootId(source) : undefined,
    machineId: readMachineId(source),
    pidNamespace: believed ? readNamespace(source, "pid") : undefined,
    timeNamespace: believed ? readNamespace(source, "time") : undefined
  })
}
