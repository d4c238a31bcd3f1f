/** Structs of Darwin's file calls as an LP64 kernel writes them, little-endian. */

import type { LockState } from "@vm-sentinel/core/Disk"
import { ATTR_CMN_OBJTYPE, ATTR_CMN_RETURNED_ATTRS, attributeList, VDIR } from "./attributeList.ts"
import { formatUuid } from "./processStructs.ts"

/** Bytes of `struct statfs` with 64-bit inodes, `sys/mount.h`. */
export const statfsSize = 2168

const MNT_UNION = 0x20
const MNT_LOCAL = 0x1000
const MNT_IGNORE_OWNERSHIP = 0x20_0000
const MNT_SNAPSHOT = 0x4000_0000
const MNT_EXT_FSKIT = 0x2

/** The fields of `struct statfs` that are used. */
export interface FileSystemInfo {
  /**
   * `f_fstypename`, such as `apfs`. Not `f_type`, which counts file systems in the order in which they were registered.
   */
  readonly type: string
  /** `f_mntonname`. */
  readonly mountPoint: string
  /** Both halves of `f_fsid`. Identifies one mount in one boot. */
  readonly mount: string
  /** `MNT_LOCAL`, and neither a snapshot, nor a union, nor a file system that a program implements (FSKit). */
  readonly plain: boolean
  /** `MNT_IGNORE_OWNERSHIP`: the kernel shows every user as the owner of every file. */
  readonly ownerless: boolean
}

const textAt = (bytes: Uint8Array, start: number, size: number): string | undefined => {
  const end = bytes.subarray(start, start + size).indexOf(0)
  return end <= 0 ? undefined : new TextDecoder().decode(bytes.subarray(start, start + end))
}

/**
 * Decodes `struct statfs`. `undefined`: the buffer is too short, or the type or the mount point is empty or lacks its
 * NUL.
 */
export const decodeStatfs = (bytes: Uint8Array): FileSystemInfo | undefined => {
  if (bytes.byteLength < statfsSize) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const [type, mountPoint] = [textAt(bytes, 72, 16), textAt(bytes, 88, 1024)]
  if (type === undefined || mountPoint === undefined) return undefined
  const [flags, more] = [view.getUint32(64, true), view.getUint32(2136, true)]
  return {
    type,
    mountPoint,
    mount: `${view.getInt32(48, true)}:${view.getInt32(52, true)}`,
    plain: (flags & (MNT_LOCAL | MNT_SNAPSHOT | MNT_UNION)) === MNT_LOCAL && (more & MNT_EXT_FSKIT) === 0,
    ownerless: (flags & MNT_IGNORE_OWNERSHIP) !== 0
  }
}

const ATTR_CMN_ERROR = 0x2000_0000
const ATTR_CMN_EXTENDED_SECURITY = 0x40_0000
const ATTR_CMN_NAME = 0x1
const ATTR_VOL_INFO = 0x8000_0000
const ATTR_VOL_UUID = 0x4_0000

/** Asks for attributes. The answer begins with the set of the attributes that it has. */
const attributes = (common: number, volume = 0): Buffer => attributeList(ATTR_CMN_RETURNED_ATTRS + common, volume)

/** Asks for the name and the type of each entry. */
export const namesAndTypes: Buffer = attributes(ATTR_CMN_ERROR + ATTR_CMN_OBJTYPE + ATTR_CMN_NAME)

/** Asks for the UUID of the volume. */
export const volumeUuid: Buffer = attributes(0, ATTR_VOL_INFO + ATTR_VOL_UUID)

/** Bytes of the answer: length, attribute_set_t, uuid_t. */
export const volumeUuidSize = 40

/** Decodes the answer of `fgetattrlist(2)` for {@link volumeUuid}. `undefined`: the volume has none. */
export const decodeVolumeUuid = (bytes: Buffer): string | undefined =>
  bytes.byteLength >= volumeUuidSize &&
  bytes.readUInt32LE(0) === volumeUuidSize &&
  (bytes.readUInt32LE(8) & ATTR_VOL_UUID) !== 0
    ? formatUuid(bytes.subarray(24, volumeUuidSize))
    : undefined

/** Asks for the access control list of a file. */
export const accessList: Buffer = attributes(ATTR_CMN_EXTENDED_SECURITY)

/** Bytes of the answer: room for 128 entries of 24 bytes, the most that a list can have. */
export const accessListSize = 4096

const KAUTH_FILESEC_MAGIC = 0x012c_c16d
const KAUTH_FILESEC_NOACL = 0xffff_ffff
const KAUTH_ACE_KINDMASK = 0xf
const KAUTH_ACE_PERMIT = 1

/**
 * The rights to change a file, as bits of `bsd/sys/kauth.h`: WRITE_DATA, DELETE, APPEND_DATA, DELETE_CHILD,
 * WRITE_ATTRIBUTES, WRITE_EXTATTRIBUTES, WRITE_SECURITY, TAKE_OWNERSHIP, GENERIC_ALL, GENERIC_WRITE.
 */
const rightsToChange = [2, 4, 5, 6, 8, 10, 12, 13, 21, 23].reduce((rights, bit) => rights | (1 << bit), 0)

// struct kauth_filesec: magic, two guid_t, number of entries, flags. struct kauth_ace: guid_t, flags, rights.
const referenceAt = 24
const entriesAt = 44
const aceSize = 24

/**
 * Decodes the answer of `getattrlist(2)` for {@link accessList}. `true`: at least one entry allows a change of the
 * file, so the mode doesn't show all users who can change it. `false`: no entry does, or the file has no list.
 * `undefined`: the answer doesn't have the documented layout.
 */
export const decodeAccessList = (bytes: Buffer): boolean | undefined => {
  const length = bytes.byteLength < referenceAt ? 0 : bytes.readUInt32LE(0)
  if (length < referenceAt || length > bytes.byteLength) return undefined
  if ((bytes.readUInt32LE(4) & ATTR_CMN_EXTENDED_SECURITY) === 0) return false
  if (length < referenceAt + 8) return undefined
  const start = referenceAt + bytes.readInt32LE(referenceAt)
  const size = bytes.readUInt32LE(referenceAt + 4)
  if (size === 0) return false
  if (start < referenceAt + 8 || size < entriesAt || start + size > length) return undefined
  if (bytes.readUInt32LE(start) !== KAUTH_FILESEC_MAGIC) return undefined
  const count = bytes.readUInt32LE(start + 36)
  if (count === KAUTH_FILESEC_NOACL) return false
  if (entriesAt + count * aceSize > size) return undefined
  for (let ace = start + entriesAt; ace < start + entriesAt + count * aceSize; ace += aceSize) {
    const allows = (bytes.readUInt32LE(ace + 16) & KAUTH_ACE_KINDMASK) === KAUTH_ACE_PERMIT
    if (allows && (bytes.readUInt32LE(ace + 20) & rightsToChange) !== 0) return true
  }
  return false
}

const F_RDLCK = 1
const F_UNLCK = 2
const F_WRLCK = 3

/**
 * A `struct flock`, `sys/fcntl.h`, for F_GETLK. It asks which lock an exclusive one of the whole file would conflict
 * with.
 */
export const wholeFileLock = (): Buffer => {
  const lock = Buffer.alloc(24)
  lock.writeInt16LE(F_WRLCK, 20)
  return lock
}

/** Decodes the answer of F_GETLK, which overwrites the question. */
export const decodeLock = (lock: Buffer): LockState => {
  switch (lock.readInt16LE(20)) {
    case F_UNLCK:
      return "free"
    case F_RDLCK:
      return "shared"
    case F_WRLCK:
      return "exclusive"
    default:
      return "unknown"
  }
}

export interface BulkEntry {
  readonly name: Buffer
  /** `unknown`: the file system didn't report the type. */
  readonly type: "directory" | "other" | "unknown"
}

// Layout of an entry: length, attribute_set_t, error, attrreference_t, fsobj_type_t. With FSOPT_PACK_INVAL_ATTRS a
// missing attribute keeps its place, so every entry has the same layout.
const errorAt = 24
const nameAt = 28
const typeAt = 36
const entrySize = 40

const isName = (name: Uint8Array): boolean =>
  name.byteLength > 0 && !name.includes(0) && !name.includes(0x2f) && !isDots(name)

const isDots = (name: Uint8Array): boolean => name.byteLength <= 2 && name.every((byte) => byte === 0x2e)

/**
 * Decodes the answer of `getattrlistbulk(2)` for {@link namesAndTypes}. `undefined`: the answer isn't in the documented
 * layout.
 */
export const decodeBulk = (bytes: Buffer, count: number): ReadonlyArray<BulkEntry> | undefined => {
  const entries: Array<BulkEntry> = []
  for (let start = 0; entries.length < count;) {
    if (start + entrySize > bytes.byteLength) return undefined
    const length = bytes.readUInt32LE(start)
    const end = start + length
    if (length < entrySize || end > bytes.byteLength) return undefined
    const returned = bytes.readUInt32LE(start + 4)
    if ((returned & ATTR_CMN_NAME) === 0) return undefined
    const nameStart = start + nameAt + bytes.readInt32LE(start + nameAt)
    const nameEnd = nameStart + bytes.readUInt32LE(start + nameAt + 4) - 1
    if (nameStart < start + entrySize || nameEnd >= end || bytes[nameEnd] !== 0) return undefined
    const name = Buffer.from(bytes.subarray(nameStart, nameEnd))
    if (!isName(name)) return undefined
    const hasType = (returned & ATTR_CMN_OBJTYPE) !== 0 && bytes.readUInt32LE(start + errorAt) === 0
    const type = bytes.readUInt32LE(start + typeAt)
    entries.push({ name, type: !hasType || type === 0 ? "unknown" : type === VDIR ? "directory" : "other" })
    start = end
  }
  return entries
}
