/** `struct statx` of `linux/stat.h`, as `statx(2)` fills it. */
import type { Attributes, Stat } from "@vm-sentinel/core/Disk"
import * as Os from "node:os"
import { deviceOf, typeOf } from "./stat.ts"

export const size = 256

/** STATX_BASIC_STATS. */
export const basicStats = 0x7ff

/** STATX_BTIME. */
export const birthTime = 0x800

/** STATX_MNT_ID, Linux 5.8. */
export const mountId = 0x1000

const [low, high] = Os.endianness() === "LE" ? [0, 1] : [1, 0]

/** The 64-bit number whose first word is at `index`. Inexact above 2^53. */
const number = (words: Uint32Array, index: number): number =>
  (words[index + low] ?? 0) + (words[index + high] ?? 0) * 2 ** 32
const signed = (words: Uint32Array, index: number): number =>
  (words[index + low] ?? 0) + ((words[index + high] ?? 0) | 0) * 2 ** 32

/** A `struct statx_timestamp` in milliseconds. */
const timeAt = (words: Uint32Array, first: number): number =>
  signed(words, first) * 1000 + Math.floor((words[first + 2] ?? 0) / 1e6)

// Index of the first word of each timestamp.
const [birth, changed, modified] = [20, 24, 28] as const

/** One `struct statx`. Each method reads what the last call wrote into `buffer`. */
interface Statx {
  /** Memory that the kernel fills. */
  readonly buffer: Uint8Array
  readonly attributes: () => Attributes
  readonly stat: () => Stat
  /** Birth time in nanoseconds since the epoch. 0: not reported. */
  readonly bornAt: () => bigint
  /** Id of the mount. `undefined`: not reported, before Linux 5.8. */
  readonly mount: () => string | undefined
}

export const make = (): Statx => {
  const buffer = new Uint8Array(size)
  const shorts = new Uint16Array(buffer.buffer)
  const words = new Uint32Array(buffer.buffer)
  const longs = new BigUint64Array(buffer.buffer)
  const signedLongs = new BigInt64Array(buffer.buffer)

  const word = (index: number): number => words[index] ?? 0

  const decimal = (index: number): string =>
    word(index + high) < 2 ** 21 ? number(words, index).toString() : (longs[index / 2] ?? 0n).toString()

  const attributes = (): Attributes => {
    const mode = shorts[14] ?? 0
    const modifiedAt = timeAt(words, modified)
    return {
      type: typeOf(mode),
      mode: mode & 0o7777,
      uid: word(5),
      gid: word(6),
      nlink: word(4),
      size: number(words, 10),
      modifiedAt,
      changedAt: Math.max(modifiedAt, timeAt(words, changed))
    }
  }

  const bornAt = (): bigint =>
    (word(0) & birthTime) === 0 ? 0n : (signedLongs[birth / 2] ?? 0n) * 1_000_000_000n + BigInt(word(birth + 2))

  const stat = (): Stat => {
    const id = { dev: deviceOf(word(34), word(35)), ino: decimal(8) }
    const birth = bornAt()
    return birth > 0n ? { ...attributes(), id, birth: birth.toString() } : { ...attributes(), id }
  }

  return { buffer, attributes, stat, bornAt, mount: () => ((word(0) & mountId) === 0 ? undefined : decimal(36)) }
}
