/** `struct statx` of `linux/stat.h`, as `statx(2)` fills it. */
import type { Attributes, Permissions, Stat } from "@vm-sentinel/core/Disk"
import * as Os from "node:os"
import { typeOf } from "./stat.ts"

export const size = 256

/** STATX_BASIC_STATS. */
export const basicStats = 0x7ff

/** STATX_BTIME. */
export const birthTime = 0x800

/** STATX_MNT_ID, Linux 5.8. */
export const mountId = 0x1000

/** Memory in which such structures are. */
export interface Memory {
  readonly shorts: Uint16Array
  readonly words: Uint32Array
}

export const memoryOf = (bytes: ArrayBuffer): Memory => ({
  shorts: new Uint16Array(bytes),
  words: new Uint32Array(bytes)
})

const bytes = new Uint8Array(size)
const memory = memoryOf(bytes.buffer)
const longs = new BigUint64Array(bytes.buffer)
const signedLongs = new BigInt64Array(bytes.buffer)

const [low, high] = Os.endianness() === "LE" ? [0, 1] : [1, 0]
const word = (index: number): number => memory.words[index] ?? 0

/** A number of 64 bits from its first word on; not exact above 2^53. */
const number = (words: Uint32Array, index: number): number =>
  (words[index + low] ?? 0) + (words[index + high] ?? 0) * 2 ** 32
const signed = (words: Uint32Array, index: number): number =>
  (words[index + low] ?? 0) + ((words[index + high] ?? 0) | 0) * 2 ** 32

const decimal = (index: number): string =>
  word(index + high) < 2 ** 21 ? number(memory.words, index).toString() : (longs[index / 2] ?? 0n).toString()

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

/** `struct statx_timestamp`, in milliseconds. */
const timeAt = (words: Uint32Array, first: number): number =>
  signed(words, first) * 1000 + Math.floor((words[first + 2] ?? 0) / 1e6)

// Of the three times by their first word.
const [birth, changed, modified] = [20, 24, 28] as const

/** Of the structure that begins at a byte. */
export const modifiedAtOf = ({ words }: Memory, at: number): number => timeAt(words, at / 4 + modified)

/** Of structures one after the other: as long as nothing differs it is one object, as it nearly always is of very many. */
export const makePermissions = () => {
  let last: Permissions | undefined
  let [lastMode, lastUid, lastGid, lastLinks] = [0, 0, 0, 0]
  return ({ shorts, words }: Memory, at: number): Permissions => {
    const first = at / 4
    const mode = shorts[at / 2 + 14] ?? 0
    const uid = words[first + 5] ?? 0
    const gid = words[first + 6] ?? 0
    const nlink = words[first + 4] ?? 0
    if (last !== undefined && mode === lastMode && uid === lastUid && gid === lastGid && nlink === lastLinks)
      return last
    ;[lastMode, lastUid, lastGid, lastLinks] = [mode, uid, gid, nlink]
    last = { type: typeOf(mode), mode: mode & 0o7777, uid, gid, nlink }
    return last
  }
}

const permissionsAt = makePermissions()

/** What {@link buffer} holds. */
export const attributes = (): Attributes => {
  const { gid, mode, nlink, type, uid } = permissionsAt(memory, 0)
  const modifiedAt = timeAt(memory.words, modified)
  const changedAt = Math.max(modifiedAt, timeAt(memory.words, changed))
  return { type, mode, uid, gid, nlink, size: number(memory.words, 10), modifiedAt, changedAt }
}

export const stat = (): Stat => {
  const { changedAt, gid, mode, modifiedAt, nlink, size, type, uid } = attributes()
  const id = { dev: deviceOf(word(34), word(35)), ino: decimal(8) }
  const birth = bornAt()
  const stat = { type, id, size, mode, uid, gid, nlink, modifiedAt, changedAt }
  return birth > 0n ? { ...stat, birth: birth.toString() } : stat
}

/** When it was made, in nanoseconds since the epoch; 0 where {@link buffer} doesn't tell it. */
export const bornAt = (): bigint =>
  (word(0) & birthTime) === 0 ? 0n : (signedLongs[birth / 2] ?? 0n) * 1_000_000_000n + BigInt(word(birth + 2))

/** The mount, where {@link buffer} tells it. */
export const mount = (): string | undefined => ((word(0) & mountId) === 0 ? undefined : decimal(36))
