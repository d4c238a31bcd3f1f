/**
 * The names of a directory in a few bytes more than they have: as text each would be an object, and of very many
 * directories there are as many at once.
 */
import type { FileType, Listing } from "@vm-sentinel/core/Disk"
import type { Entry } from "./at.ts"
import { decodeName } from "./bytePath.ts"

const types: ReadonlyArray<FileType> = ["unknown", "file", "directory", "symlink", "fifo", "socket", "device"]

const grown = (bytes: Buffer, length: number): Buffer => {
  const larger = Buffer.allocUnsafe(2 * length)
  bytes.copy(larger)
  return larger
}

/** The indexes of numbers, in the order of these; of equal ones in their own. */
const sortByNumber = (numbers: ReadonlyArray<number>): Uint32Array => {
  // A number and its index in one, which is sorted much faster than the one by the other.
  const room = 2 ** 52 / numbers.length
  if (numbers.every((number) => number < room)) {
    const pairs = Float64Array.from(numbers, (number, index) => number * numbers.length + index).sort()
    return Uint32Array.from(pairs, (pair) => pair % numbers.length)
  }
  return Uint32Array.from(numbers.keys()).sort((a, b) => (numbers[a] ?? 0) - (numbers[b] ?? 0))
}

export const make = () => {
  let bytes: Buffer = Buffer.allocUnsafe(8192)
  /** Where each name ends. */
  const ends: Array<number> = []
  const kinds: Array<number> = []
  const inodes: Array<number> = []
  let end = 0

  const add = (text: string, { ino, name, type }: Entry): void => {
    // At most three bytes for each unit of a string.
    const most = end + 3 * name.length
    if (most > bytes.length) bytes = grown(bytes, most)
    end += typeof name === "string" ? bytes.write(text, end) : name.copy(bytes, end, 0, name.length - 1)
    ends.push(end)
    kinds.push(types.indexOf(type))
    if (ino !== undefined) inodes.push(ino)
  }

  const entry = (index: number) => {
    const name = bytes.subarray(ends[index - 1] ?? 0, ends[index])
    return { entry: decodeName(name), type: types[kinds[index] ?? 0] ?? ("unknown" as const) }
  }

  const sortByName = (): Uint32Array => {
    const names = ends.map((_, index) => entry(index).entry)
    return Uint32Array.from(names.keys()).sort((a, b) => ((names[a] ?? "") < (names[b] ?? "") ? -1 : 1))
  }

  const sorted = (): Listing => {
    const indexes = inodes.length === ends.length ? sortByNumber(inodes) : sortByName()
    return { size: ends.length, entry: (index) => entry(indexes[index] ?? 0) }
  }

  return { add, sorted }
}
