/** Inodes in memory: what they keep, the space they take, and who may do what with them. */
import type { FileType, Stat } from "../../Disk.ts"

/** Thrown by a call that is refused. No Error: nobody wants to know where from, and many are thrown. */
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
  /** Inodes that are gone. Their numbers are given again, the last one first, as ext4 does. */
  readonly free: Array<Inode>
  readonly births: Births
}

export interface Births {
  /** When the last inode was made, nanoseconds since the epoch: no two are made at one time. */
  last: bigint
  /** Whether numbers are given again. */
  readonly reuseInodes: boolean
}

export interface Inode {
  readonly device: Device
  readonly ino: number
  readonly type: FileType
  readonly children: Map<string, Inode>
  readonly target: string
  /** Nanoseconds since the epoch. */
  readonly birth: bigint
  mode: number
  uid: number
  gid: number
  modifiedAt: number
  /** When it, or what is kept of it, was changed last: ctime. */
  changedAt: number
  links: number
  bytes: Uint8Array
  /** May be more than there are bytes: the rest is a hole. */
  size: number
  /** Open files and mounts of it. Its number isn't given again while there is one. */
  readonly users: Set<User>
}

export interface User {
  readonly isOpen: () => boolean
}

const isUsed = ({ users }: Inode): boolean => [...users].some((user) => user.isOpen())

/** Who calls, and when. A process of uid 0 may do everything; a process's group has the number of its uid. */
export interface Caller {
  readonly uid: number
  readonly now: number
}

const block = 4096
export const blocks = (bytes: number): number => Math.ceil(bytes / block) * block

/** What an inode takes of its device. */
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
  const fresh = { links: 1, bytes: new Uint8Array(), size: target.length, ...empty }
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

/** `dev`: number of the superblock that it is seen on. */
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

const may = (inode: Inode, uid: number, bits: number): boolean => {
  if (uid === 0) return true
  const shift = inode.uid === uid ? 6 : inode.gid === uid ? 3 : 0
  return ((inode.mode >> shift) & bits) === bits
}

export const requireAccess = (inode: Inode, uid: number, bits: number): void => {
  if (!may(inode, uid, bits)) refuse("EACCES")
}
