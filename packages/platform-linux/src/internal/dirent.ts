/**
 * `struct linux_dirent64`, the record of `getdents64(2)`: inode (8 bytes), offset (8), length of the record (2), type
 * (1), name, NUL. Each record is aligned to 8 bytes.
 */
import type { FileType } from "@vm-sentinel/core/Disk"
import { typeOfListed } from "./stat.ts"

const dot = 0x2e

/** Offset of the name in the record at `at`. */
export const nameOf = (at: number): number => at + 19

/** A buffer of records. Each method reads the record that begins at `at`. */
export class Block {
  readonly bytes: Buffer
  readonly #shorts: Uint16Array
  readonly #longs: BigInt64Array

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size)
    this.#shorts = new Uint16Array(this.bytes.buffer, this.bytes.byteOffset, size / 2)
    this.#longs = new BigInt64Array(this.bytes.buffer, this.bytes.byteOffset, size / 8)
  }

  /** Length of the whole record, in bytes. */
  length(at: number): number {
    return this.#shorts[(at + 16) / 2] ?? 0
  }

  /** Offset for `lseek(2)`, after which reading continues with the entries after this one. */
  offset(at: number): bigint {
    return this.#longs[at / 8 + 1] ?? 0n
  }

  type(at: number): FileType {
    return typeOfListed(this.bytes[at + 18] ?? 0)
  }

  nameEnd(at: number): number {
    const limit = at + this.length(at)
    // The search begins 8 bytes before the end of the record, because the NUL and the padding take 8 bytes at most.
    let end = Math.max(nameOf(at), limit - 8)
    while (end < limit && this.bytes[end] !== 0) end++
    return end
  }

  /** Whether the name is `.` or `..`. */
  isDots(at: number): boolean {
    const { bytes } = this
    return bytes[at + 19] === dot && (bytes[at + 20] === 0 || (bytes[at + 20] === dot && bytes[at + 21] === 0))
  }
}
