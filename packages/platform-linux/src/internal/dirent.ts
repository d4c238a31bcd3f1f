/**
 * `struct linux_dirent64`, as `getdents64(2)` fills a buffer with them: inode (8 bytes), offset (8), length of the record
 * (2), type (1), name, NUL; each aligned to 8 bytes.
 */
import type { FileType } from "@vm-sentinel/core/Disk"
import * as Os from "node:os"

/** `d_type` of `readdir(3)`. */
const types: ReadonlyArray<FileType> = [
  "unknown",
  "fifo",
  "device",
  "unknown",
  "directory",
  "unknown",
  "device",
  "unknown",
  "file",
  "unknown",
  "symlink",
  "unknown",
  "socket"
]

const [low, high] = Os.endianness() === "LE" ? [0, 1] : [1, 0]
const dot = 0x2e

/** Where the name of the record at `at` begins. */
export const nameOf = (at: number): number => at + 19

/** A buffer, and what the record that begins at `at` says. */
export interface Block {
  readonly bytes: Buffer
  /** Of the whole record, in bytes. */
  readonly length: (at: number) => number
  /** Not exact above 2^53. */
  readonly inode: (at: number) => number
  readonly type: (at: number) => FileType
  readonly nameEnd: (at: number) => number
  readonly isHidden: (at: number) => boolean
  /** `.` or `..` */
  readonly isDots: (at: number) => boolean
}

export const make = (size: number): Block => {
  const bytes = Buffer.allocUnsafeSlow(size)
  const shorts = new Uint16Array(bytes.buffer, bytes.byteOffset, size / 2)
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, size / 4)
  const length = (at: number): number => shorts[(at + 16) / 2] ?? 0
  const isHidden = (at: number): boolean => bytes[at + 19] === dot
  return {
    bytes,
    length,
    inode: (at) => (words[at / 4 + low] ?? 0) + (words[at / 4 + high] ?? 0) * 2 ** 32,
    type: (at) => types[bytes[at + 18] ?? 0] ?? "unknown",
    nameEnd: (at) => {
      const limit = at + length(at)
      // No more than 8 bytes of a record are the NUL and what aligns the next.
      let end = Math.max(nameOf(at), limit - 8)
      while (end < limit && bytes[end] !== 0) end++
      return end
    },
    isHidden,
    isDots: (at) => isHidden(at) && (bytes[at + 20] === 0 || (bytes[at + 20] === dot && bytes[at + 21] === 0))
  }
}
