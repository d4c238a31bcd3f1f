/** `struct statx` of `linux/stat.h`, as `statx(2)` fills it. */
import type { Attributes, Stat } from "@vm-sentinel/core/Disk"
import * as Os from "node:os"
import { typeOf } from "./stat.ts"

export const size = 256

/** STATX_BASIC_STATS. */
export const basicStats = 0x7ff

/** STATX_MNT_ID, Linux 5.8. */
export const mountId = 0x1000

const bytes = new Uint8Array(size)
const shorts = new Uint16Array(bytes.buffer)
const words = new Uint32Array(bytes.buffer)
const longs = new BigUint64Array(bytes.buffer)

const [low, high] = Os.endianness() === "LE" ? [0, 1] : [1, 0]
const word = (index: number): number => words[index] ?? 0

/** A number of 64 bits from its first word on; not exact above 2^53. */
const number = (index: number): number => (words[index + low] ?? 0) + (words[index + high] ?? 0) * 2 ** 32
const signed = (index: number): number => (words[index + low] ?? 0) + ((words[index + high] ?? 0) | 0) * 2 ** 32

const decimal = (index: number): string =>
  word(index + high) < 2 ** 21 ? number(index).toString() : (longs[index / 2] ?? 0n).toString()

// Most of what is looked at lies on one device.
let [major, minor, device] = [-1, -1, ""]

/** `makedev(3)` of glibc, which is how Node gives it too. */
const deviceOf = (newMajor: number, newMinor: number): string => {
  if (newMajor === major && newMinor === minor) return device
  ;[major, minor] = [newMajor, newMinor]
  const [wideMajor, wideMinor] = [BigInt(major), BigInt(minor)]
  const upper = ((wideMajor & 0xfffff000n) << 32n) | ((wideMinor & 0xffffff00n) << 12n)
  device = (upper | ((wideMajor & 0xfffn) << 8n) | (wideMinor & 0xffn)).toString()
  return device
}

/** Where the kernel writes it. Good until the next call. */
export const buffer = bytes

/** What {@link buffer} holds. */
export const attributes = (): Attributes => {
  const mode = shorts[14] ?? 0
  return {
    type: typeOf(mode),
    size: number(10),
    mode: mode & 0o7777,
    // Of each of very many: no call for each word.
    uid: words[5] ?? 0,
    gid: words[6] ?? 0,
    nlink: words[4] ?? 0,
    modifiedAt: Math.floor(signed(28) * 1000 + (words[30] ?? 0) / 1e6)
  }
}

export const stat = (): Stat => {
  const { gid, mode, modifiedAt, nlink, size, type, uid } = attributes()
  return { type, id: { dev: deviceOf(word(34), word(35)), ino: decimal(8) }, size, mode, uid, gid, nlink, modifiedAt }
}

/** The mount, where {@link buffer} tells it. */
export const mount = (): string | undefined => ((word(0) & mountId) === 0 ? undefined : decimal(36))
