/**
 * Structs of `getattrlistat(2)` and `setattrlistat(2)` about who may change a file, as an LP64 kernel writes them,
 * little-endian.
 */
import { ATTR_CMN_OBJTYPE, ATTR_CMN_RETURNED_ATTRS, attributeList, VDIR } from "./attributeList.ts"

const ATTR_CMN_DEVID = 0x2
const ATTR_CMN_OWNERID = 0x8000
const ATTR_CMN_ACCESSMASK = 0x2_0000
const ATTR_CMN_FLAGS = 0x4_0000

const wanted = ATTR_CMN_DEVID + ATTR_CMN_OBJTYPE + ATTR_CMN_OWNERID + ATTR_CMN_ACCESSMASK + ATTR_CMN_FLAGS

/** Asks for {@link Permissions}. */
export const permissions: Buffer = attributeList(ATTR_CMN_RETURNED_ATTRS + wanted)

/** Bytes of the answer: length, attribute_set_t, dev_t, fsobj_type_t, uid_t, mode, flags. */
export const permissionsSize = 44

/** Sets the mode of a file. */
export const accessMask: Buffer = attributeList(ATTR_CMN_ACCESSMASK)

/** Sets `st_flags` of a file. */
export const fileFlags: Buffer = attributeList(ATTR_CMN_FLAGS)

/** UF_IMMUTABLE and UF_APPEND, `sys/stat.h`: flags that the owner of a file may set and clear. */
export const keepingFlags = 0x2 + 0x4

export interface Permissions {
  readonly isDirectory: boolean
  /** `st_dev`. */
  readonly device: number
  readonly owner: number
  /** The 12 bits of the mode. */
  readonly mode: number
  readonly flags: number
}

/** The answer for {@link permissions}. `undefined`: the answer isn't in the documented layout, or lacks a datum. */
export const decodePermissions = (bytes: Buffer): Permissions | undefined => {
  if (bytes.byteLength < permissionsSize || bytes.readUInt32LE(0) !== permissionsSize) return undefined
  if (bytes.readUInt32LE(4) !== ATTR_CMN_RETURNED_ATTRS + wanted) return undefined
  return {
    device: bytes.readInt32LE(24),
    isDirectory: bytes.readUInt32LE(28) === VDIR,
    owner: bytes.readUInt32LE(32),
    mode: bytes.readUInt32LE(36) & 0o7777,
    flags: bytes.readUInt32LE(40)
  }
}
