/**
 * `struct attrlist` of `sys/attr.h`, which lists the attributes that a call of the `getattrlist(2)` family reads or
 * sets.
 */

export const ATTR_CMN_RETURNED_ATTRS = 0x8000_0000
export const ATTR_CMN_OBJTYPE = 0x8

/** `VDIR` of `enum vtype`: the object type of a directory. */
export const VDIR = 2

/** Asks for `common` attributes of a file, and for `volume` attributes of its volume. */
export const attributeList = (common: number, volume = 0): Buffer => {
  const list = Buffer.alloc(24)
  list.writeUInt16LE(5)
  list.writeUInt32LE(common, 4)
  list.writeUInt32LE(volume, 8)
  return list
}
