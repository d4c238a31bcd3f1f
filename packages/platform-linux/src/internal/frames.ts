/** What a directory lies on, by its own descriptor: never by a path, whose mount may be covered by another. */
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

/** A directory, and what it lies on. */
export interface Framed {
  readonly stat: Stat
  readonly frame: DirectoryFrame
}

/** `linux/magic.h`, and what OpenZFS has. */
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

/** Of xfs and f2fs it is the number of the device, which another file system gets in another boot. */
const hasFsid = (type: string): boolean => type === "ext4" || type === "btrfs" || type === "overlay"

/** Both its halves; zero says nothing. */
const ofFsid = (fsid: bigint): FileSystemId | undefined =>
  fsid === 0n ? undefined : { kind: "fsid", value: fsid.toString(16).padStart(16, "0") }

/** The inodes of an overlay's directories change. */
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

// `struct statfs`: the first word is the type, two others the id.
const status = new Uint8Array(128)
const statusWords = new Uint32Array(status.buffer)
const [typeWord, fsidWord] = [0, 14] as const

/** Whether structures and requests are as they are here: 64 bits, little-endian, and no numbers of its own. */
const isUsual = ["x64", "arm64", "riscv64", "loong64"].includes(process.arch)

// `FS_IOC_GETFSUUID`, Linux 6.9: a length, and the bytes. On xfs `XFS_IOC_FSGEOMETRY_V1` has told them always.
const [uuidRequest, uuidAt, geometryRequest, geometryUuidAt] = [0x80111500, 1, 0x80705864, 64] as const
const uuidBytes = 16
const answer = Buffer.alloc(112)

const uuidBy = (native: LibcAt, fd: number, request: number, at: number): FileSystemId | undefined => {
  if (native.ioctl(fd, request, answer) < 0) return undefined
  const value = answer.toString("hex", at, at + uuidBytes)
  return /^0+$/.test(value) ? undefined : { kind: "uuid", value }
}

const uuidOf = (native: LibcAt, fd: number, type: string): FileSystemId | undefined => {
  // Of its subvolumes and snapshots each has an fsid of its own, and they may have one UUID.
  if (type === "btrfs") return undefined
  const own = uuidBy(native, fd, uuidRequest, uuidAt)
  return own === undefined && type === "xfs" ? uuidBy(native, fd, geometryRequest, geometryUuidAt) : own
}

/** `undefined`: the kernel doesn't say. */
const fileSystemByLibc = (native: LibcAt, fd: number, directory: FileId): FileSystemFrame | undefined => {
  if (!isUsual) return fileSystemByNode(fd, directory)
  if (native.statfs(fd, status) < 0) return undefined
  const type = typeOf(statusWords[typeWord] ?? 0)
  const fsid = (BigInt(statusWords[fsidWord] ?? 0) << 32n) | BigInt(statusWords[fsidWord + 1] ?? 0)
  return toFileSystem(type, uuidOf(native, fd, type) ?? (hasFsid(type) ? ofFsid(fsid) : undefined))
}

/** `stat(1)` of coreutils, or of busybox. */
const fsidByCommand = (fd: number): bigint => {
  const { spawnSync } = process.getBuiltinModule("node:child_process")
  const args = ["-f", "-c", "%i", "/proc/self/fd/3"]
  const { status, stdout } = spawnSync("stat", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore", fd] })
  return status === 0 && /^[0-9a-f]{1,16}\n$/.test(stdout) ? BigInt(`0x${stdout.trim()}`) : 0n
}

// To start a program takes a thousand times what all the rest does: once a device, and once a second, for the number of a
// device is another file system's as soon as it is unmounted.
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

const framed = (stat: Stat, birth: bigint, fileSystem: FileSystemFrame | undefined): Framed => ({
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
