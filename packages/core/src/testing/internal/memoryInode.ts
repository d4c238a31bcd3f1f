/** Inodes in memory: their attributes, the space that they take, and permission checks. */
import type { FileType, Stat } from "../../Disk.ts"

/**
 * Thrown by a call that fails with an errno. It isn't an `Error`, because an `Error` captures a stack trace at each
 * failure.
 */
export class Refusal {
  readonly errno: string
  constructor(errno: string) {
    this.errno = errno
  }
}

export const refuse = (errno: string): never => {
  throw new Refusal(errno)
}

export interface Device {
  readonly number: number
  capacity: number
  used: number
  highest: number
  /** Removed inodes. Their numbers are reused, the last removed first. ext4 reuses numbers at once too. */
  readonly free: Array<Inode>
  readonly births: Births
}

export interface Births {
  /** Birth time of the last inode, nanoseconds since the epoch. No two inodes have the same birth time. */
  last: bigint
  /** Whether inode numbers are reused. */
  readonly reuseInodes: boolean
}

export interface Inode {
  readonly device: Device
  readonly ino: number
  readonly type: FileType
  readonly children: Map<string, Inode>
  readonly target: string
  /** Birth time, nanoseconds since the epoch. */
  readonly birth: bigint
  mode: number
  uid: number
  gid: number
  modifiedAt: number
  /** ctime, milliseconds since the epoch. */
  changedAt: number
  links: number
  bytes: Uint8Array
  /** A size beyond the length of `bytes` is a hole. */
  size: number
  /** A directory of a lower layer of overlayfs. Its rename fails with EXDEV. */
  isLower: boolean
  /** Open file descriptions and mounts of the inode. Its number isn't reused while one of them is open. */
  readonly users: Set<User>
}

export interface User {
  readonly isOpen: () => boolean
}

const isUsed = ({ users }: Inode): boolean => [...users].some((user) => user.isOpen())

/** Uid and time of a call. Uid 0 passes all permission checks. The gid of a process equals its uid. */
export interface Caller {
  readonly uid: number
  readonly now: number
}

/** Bytes of a block, of which a directory takes one. */
export const block = 4096
export const blocks = (bytes: number): number => Math.ceil(bytes / block) * block

/** Bytes that an inode takes on its device. */
export const occupied = ({ bytes, type }: Inode): number => (type === "directory" ? block : blocks(bytes.length))

export const charge = (device: Device, bytes: number): void => {
  if (bytes > 0 && device.used + bytes > device.capacity) refuse("ENOSPC")
  device.used += bytes
}

export interface Content {
  readonly mode?: number
  readonly target?: string
}

export const allocate = (
  device: Device,
  type: FileType,
  { now, uid }: Caller,
  { mode = 0o644, target = "" }: Content
) => {
  charge(device, type === "directory" ? block : 0)
  const free = device.free.findLastIndex((inode) => !isUsed(inode))
  const ino = device.free.splice(free, free < 0 ? 0 : 1)[0]?.ino ?? ++device.highest
  const { births } = device
  const clock = BigInt(Math.trunc(now)) * 1_000_000n
  births.last = clock > births.last ? clock : births.last + 1n
  const empty = { children: new Map<string, Inode>(), users: new Set<User>() }
  const fresh = { links: 1, bytes: new Uint8Array(), size: target.length, isLower: false, ...empty }
  const times = { birth: births.last, modifiedAt: now, changedAt: now }
  const inode: Inode = { device, ino, type, target, mode, uid, gid: uid, ...times, ...fresh }
  return inode
}

export const release = (inode: Inode): void => {
  inode.links -= 1
  if (inode.links > 0) return
  charge(inode.device, -occupied(inode))
  if (inode.device.births.reuseInodes) inode.device.free.push(inode)
}

export const makeDevice = (number: number, capacity: number, births: Births): Device => ({
  number,
  capacity,
  used: 0,
  highest: 1,
  free: [],
  births
})

export interface Measured extends Stat {
  readonly occupied: number
}

const subdirectories = ({ children }: Inode): number =>
  [...children.values()].filter(({ type }) => type === "directory").length

/** `dev`: number of the superblock through which the inode is seen. */
export const statOf = (inode: Inode, dev = inode.device.number): Measured => ({
  type: inode.type,
  id: { dev: `${dev}`, ino: `${inode.ino}` },
  size: inode.size,
  mode: inode.mode,
  uid: inode.uid,
  gid: inode.gid,
  nlink: inode.type === "directory" ? 2 + subdirectories(inode) : inode.links,
  modifiedAt: inode.modifiedAt,
  changedAt: Math.max(inode.modifiedAt, inode.changedAt),
  birth: `${inode.birth}`,
  occupied: occupied(inode)
})

export const may = (inode: Inode, uid: number, bits: number): boolean => {
  if (uid === 0) return true
  const shift = inode.uid === uid ? 6 : inode.gid === uid ? 3 : 0
  return ((inode.mode >> shift) & bits) === bits
}

export const requireAccess = (inode: Inode, uid: number, bits: number): void => {
  if (!may(inode, uid, bits)) refuse("EACCES")
}
