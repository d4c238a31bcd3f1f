/** Structs of Darwin's file calls as an LP64 kernel writes them, little-endian. */

/** `struct statfs` with 64-bit inodes, `sys/mount.h`. */
export const statfsSize = 2168

const MNT_LOCAL = 0x1000

/** `struct statfs`, reduced. */
export interface FileSystemInfo {
  /** `MNT_LOCAL`: the kernel knows it to be on this machine. */
  readonly local: boolean
  /** `f_fstypename`, such as `apfs`. */
  readonly type: string
  /** `f_mntonname`. */
  readonly mountPoint: string
}

const textAt = (bytes: Uint8Array, start: number, size: number): string | undefined => {
  const end = bytes.subarray(start, start + size).indexOf(0)
  return end <= 0 ? undefined : new TextDecoder().decode(bytes.subarray(start, start + end))
}

/** `undefined`: too short, or its texts are empty or have no end. */
export const decodeStatfs = (bytes: Uint8Array): FileSystemInfo | undefined => {
  if (bytes.byteLength < statfsSize) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const [type, mountPoint] = [textAt(bytes, 72, 16), textAt(bytes, 88, 1024)]
  return type === undefined || mountPoint === undefined
    ? undefined
    : { local: (view.getUint32(64, true) & MNT_LOCAL) !== 0, type, mountPoint }
}

const ATTR_CMN_RETURNED_ATTRS = 0x8000_0000
const ATTR_CMN_ERROR = 0x2000_0000
const ATTR_CMN_OBJTYPE = 0x8
const ATTR_CMN_NAME = 0x1

/** `struct attrlist`, `sys/attr.h`: each entry's name and type. */
export const namesAndTypes: Buffer = ((): Buffer => {
  const list = Buffer.alloc(24)
  list.writeUInt16LE(5)
  list.writeUInt32LE(ATTR_CMN_RETURNED_ATTRS + ATTR_CMN_ERROR + ATTR_CMN_OBJTYPE + ATTR_CMN_NAME, 4)
  return list
})()

export interface BulkEntry {
  readonly name: Buffer
  /** `unknown`: the file system didn't say. */
  readonly type: "directory" | "other" | "unknown"
}

// Length, attribute_set_t, error, attrreference_t, fsobj_type_t. FSOPT_PACK_INVAL_ATTRS keeps the place of what isn't
// there, so the layout is the same for every entry.
const errorAt = 24
const nameAt = 28
const typeAt = 36
const entrySize = 40
const VDIR = 2

const isName = (name: Uint8Array): boolean =>
  name.byteLength > 0 && !name.includes(0) && !name.includes(0x2f) && !isDots(name)

const isDots = (name: Uint8Array): boolean => name.byteLength <= 2 && name.every((byte) => byte === 0x2e)

/** What `getattrlistbulk(2)` wrote for {@link namesAndTypes}. `undefined`: not in the documented layout. */
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
