/**
 * Determines the file system of a directory by the directory's own descriptor, never by a path, which another mount may
 * cover.
 */
import {
  type DirectoryFrame,
  type FileSystemFrame,
  type FileSystemId,
  oneKernelTypes
} from "@vm-sentinel/core/DirectoryFrame"
import type { Stat } from "@vm-sentinel/core/Disk"
import type { FileId } from "@vm-sentinel/core/FileId"
import * as Fs from "node:fs"
import type { LibcAt } from "./libc.ts"
import { isBirthTold, toStat } from "./stat.ts"

/** A directory and its file system. */
export interface Framed {
  readonly stat: Stat
  readonly frame: DirectoryFrame
}

/** Types of file systems by their magic numbers: those of `linux/magic.h`, and OpenZFS's. */
const types = new Map([
  [0xef53, "ext4"],
  [0x58465342, "xfs"],
  [0x9123683e, "btrfs"],
  [0xf2f52010, "f2fs"],
  [0x2fc12fc1, "zfs"],
  [0x01021994, "tmpfs"],
  [0x794c7630, "overlay"]
])

const typeOf = (magic: number): string => types.get(magic) ?? `0x${magic.toString(16).padStart(8, "0")}`

/**
 * Whether `f_fsid` identifies the file system. On xfs and f2fs it is the number of the device, which another file
 * system may have in another boot.
 */
const hasFsid = (type: string): boolean => type === "ext4" || type === "btrfs" || type === "overlay"

/** The id from both halves of `f_fsid`. `undefined`: `f_fsid` is 0, which identifies nothing. */
const ofFsid = (fsid: bigint): FileSystemId | undefined =>
  fsid === 0n ? undefined : { kind: "fsid", value: fsid.toString(16).padStart(16, "0") }

/** The frame of an overlay has no inode, because inodes of directories change there. */
const toFrame = (id: FileId, fileSystem: FileSystemFrame, birth: bigint): DirectoryFrame => ({
  id,
  fileSystem,
  ...(fileSystem.type === "overlay" ? {} : { inode: id.ino }),
  ...(birth > 0n ? { birth: birth.toString() } : {})
})

const toFileSystem = (type: string, id: FileSystemId | undefined): FileSystemFrame => ({
  type,
  ...(id === undefined ? {} : { id }),
  oneKernel: oneKernelTypes.has(type)
})

// `struct statfs` in 32-bit words: word 0 is `f_type`, words 14 and 15 are `f_fsid`.
const status = new Uint8Array(128)
const statusWords = new Uint32Array(status.buffer)
const [typeWord, fsidWord] = [0, 14] as const

/**
 * Whether the layout of structs and the numbers of requests below are those of this architecture: 64-bit,
 * little-endian, and without ioctl numbers of its own.
 */
const hasGenericAbi = ["x64", "arm64", "riscv64", "loong64"].includes(process.arch)

// `FS_IOC_GETFSUUID` (Linux 6.9) answers a length byte and the UUID. On xfs, `XFS_IOC_FSGEOMETRY_V1` has always
// answered the UUID.
const [uuidRequest, uuidAt, geometryRequest, geometryUuidAt] = [0x80111500, 1, 0x80705864, 64] as const
const uuidBytes = 16
const answer = Buffer.alloc(112)

const uuidBy = (native: LibcAt, fd: number, request: number, at: number): FileSystemId | undefined => {
  if (native.ioctl(fd, request, answer) < 0) return undefined
  return uuidFrom(answer.subarray(at, at + uuidBytes))
}

/** `undefined`: all bytes are 0, which identifies nothing. */
const uuidFrom = (bytes: Buffer): FileSystemId | undefined => {
  const value = bytes.toString("hex")
  return /^0+$/.test(value) ? undefined : { kind: "uuid", value }
}

const uuidOf = (native: LibcAt, fd: number, type: string): FileSystemId | undefined => {
  // Each subvolume and snapshot of a btrfs has an fsid of its own. Several of them may have one UUID.
  if (type === "btrfs") return undefined
  const own = uuidBy(native, fd, uuidRequest, uuidAt)
  return own === undefined && type === "xfs" ? uuidBy(native, fd, geometryRequest, geometryUuidAt) : own
}

/** `halves`: both halves of `f_fsid`. */
const fileSystemOf = (
  type: string,
  uuid: FileSystemId | undefined,
  [first, second]: readonly [number, number]
): FileSystemFrame =>
  toFileSystem(type, uuid ?? (hasFsid(type) ? ofFsid((BigInt(first) << 32n) | BigInt(second)) : undefined))

/** The file system by `fstatfs(2)` and `ioctl(2)`. `undefined`: the kernel doesn't report it. */
const fileSystemByLibc = (native: LibcAt, fd: number, directory: FileId): FileSystemFrame | undefined => {
  if (!hasGenericAbi) return fileSystemByNode(fd, directory)
  if (native.statfs(fd, status) < 0) return undefined
  const type = typeOf(statusWords[typeWord] ?? 0)
  return fileSystemOf(type, uuidOf(native, fd, type), [statusWords[fsidWord] ?? 0, statusWords[fsidWord + 1] ?? 0])
}

/** `f_fsid` by `stat(1)` of coreutils or busybox. 0: not known. */
const fsidByCommand = (fd: number): bigint => {
  const { spawnSync } = process.getBuiltinModule("node:child_process")
  const args = ["-f", "-c", "%i", "/proc/self/fd/3"]
  const { status, stdout } = spawnSync("stat", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore", fd] })
  return status === 0 && /^[0-9a-f]{1,16}\n$/.test(stdout) ? BigInt(`0x${stdout.trim()}`) : 0n
}

// Starting `stat(1)` takes 1000 times as long as all the rest. The answer is kept for each device, and for 1 s only.
// Once a file system is unmounted, another one may get the number of its device.
const fsids = new Map<string, { readonly fsid: bigint; readonly since: number }>()
const freshness = 1000

const fsidOf = (fd: number, key: string): bigint => {
  const now = performance.now()
  const known = fsids.get(key)
  if (known !== undefined && now - known.since < freshness) return known.fsid
  const fsid = fsidByCommand(fd)
  fsids.set(key, { fsid, since: now })
  return fsid
}

const fileSystemByNode = (fd: number, { dev }: FileId): FileSystemFrame | undefined => {
  try {
    const { blocks, files, type: magic } = Fs.statfsSync(`/proc/self/fd/${fd}`)
    const type = typeOf(magic >>> 0)
    return toFileSystem(type, hasFsid(type) ? ofFsid(fsidOf(fd, `${type} ${dev} ${blocks} ${files}`)) : undefined)
  } catch {
    return undefined
  }
}

/** Answers of `fstatfs(2)` and of `FS_IOC_GETFSUUID`. `uuid` is `undefined` if the kernel has no such request. */
export interface Answers {
  readonly magic: number
  readonly fsid: readonly [number, number]
  readonly uuid: Buffer | undefined
}

/** The file system by answers of native code. `undefined`: another request is needed, which that code doesn't make. */
export const ofAnswers = ({ fsid, magic, uuid }: Answers): FileSystemFrame | undefined => {
  const type = typeOf(magic)
  const own = uuid === undefined || type === "btrfs" ? undefined : uuidFrom(uuid)
  return own === undefined && type === "xfs" ? undefined : fileSystemOf(type, own, fsid)
}

export const framed = (stat: Stat, birth: bigint, fileSystem: FileSystemFrame | undefined): Framed => ({
  stat,
  frame: fileSystem === undefined ? { id: stat.id } : toFrame(stat.id, fileSystem, birth)
})

export const byLibc = (native: LibcAt, fd: number, stat: Stat, birth: bigint): Framed =>
  framed(stat, birth, fileSystemByLibc(native, fd, stat.id))

export const byNode = (fd: number): Framed => {
  const stats = Fs.fstatSync(fd, { bigint: true })
  const stat = toStat(stats)
  return framed(stat, isBirthTold ? stats.birthtimeNs : 0n, fileSystemByNode(fd, stat.id))
}
