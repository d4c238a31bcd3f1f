/**
 * Lists a directory in the order of its inodes, in a thread of Node's pool: `listing.c`. Visible names stay bytes until
 * the stream is pulled. If all were decoded at once, a root of 100 000 directories would be 100 000 objects.
 */
import { type DirectoryEntry, DiskError, type Listing } from "@vm-sentinel/core/Disk"
import { errnoName } from "@vm-sentinel/core/Errno"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Os from "node:os"
import { decodeName } from "./bytePath.ts"
import * as Pool from "./pool.ts"
import { typeOfListed } from "./stat.ts"

// Layout of `struct listing` in listing.c: indices of 32-bit numbers, and the byte offset of `bytes`.
const { count, error, fd: fdIndex } = Pool.header
const [capacityIndex, used, hiddenIndex, headerBytes] = [4, 5, 6, 32] as const
// Byte offsets in `struct place`, and its size.
const [name, length, type, placeBytes] = [8, 12, 14, 16] as const

const { ENOBUFS } = Os.constants.errno

/** Bytes for names and places: 128 KiB to 64 MiB at first, 2 GiB at most, since offsets have 32 bits. */
const [minInitialBytes, maxInitialBytes, maxBytes] = [2 ** 17, 2 ** 26, 2 ** 31] as const

/**
 * Four times the directory's own size, rounded up to a power of two. The result is bounded, because some file systems
 * report any size.
 */
const capacityFor = (size: number): number =>
  2 ** Math.ceil(Math.log2(Math.min(Math.max(minInitialBytes, size * 4), maxInitialBytes)))

const makeMemory = (capacity: number) => {
  const memory = new ArrayBuffer(headerBytes + capacity)
  const numbers = new Uint32Array(memory)
  numbers[capacityIndex] = capacity
  return { capacity, bytes: Buffer.from(memory), numbers, shorts: new Uint16Array(memory) }
}
type Memory = ReturnType<typeof makeMemory>

const numberOf = ({ numbers }: Memory, index: number): number => numbers[index] ?? 0

/** Byte offset of the first `struct place`. All places lie at the end of the memory. */
const placesOf = (memory: Memory): number => headerBytes + memory.capacity - numberOf(memory, count) * placeBytes

const grown = (memory: Memory): Memory => {
  const larger = makeMemory(memory.capacity * 2)
  for (const index of [fdIndex, used, count, hiddenIndex]) larger.numbers[index] = numberOf(memory, index)
  memory.bytes.copy(larger.bytes, headerBytes, headerBytes, headerBytes + numberOf(memory, used))
  memory.bytes.copy(larger.bytes, placesOf(larger), placesOf(memory))
  return larger
}

/** Number of names that are decoded at a time. */
const page = 512

const listingOf = (memory: Memory): Listing => {
  const { bytes, numbers, shorts } = memory
  const places = placesOf(memory)
  const hidden = numberOf(memory, hiddenIndex)
  const all = numberOf(memory, count)
  const at = (index: number): DirectoryEntry => {
    const place = places + index * placeBytes
    const start = headerBytes + (numbers[(place + name) / 4] ?? 0)
    const end = start + (shorts[(place + length) / 2] ?? 0)
    return { entry: decodeName(bytes, start, end), type: typeOfListed(bytes[place + type] ?? 0) }
  }
  const between = (start: number, end: number) => Array.from({ length: end - start }, (_, index) => at(start + index))
  const byName = (a: DirectoryEntry, b: DirectoryEntry) => (a.entry < b.entry ? -1 : 1)
  return {
    hidden: between(0, hidden).sort(byName),
    visible: Stream.paginate(hidden, (start) =>
      Effect.sync(() => {
        const end = Math.min(start + page, all)
        return [between(start, end), end < all ? Option.some(end) : Option.none()] as const
      })
    )
  }
}

/** Lists a directory that was just opened. `undefined`: too many names, or koffi has too many calls in flight. */
export const read = Effect.fnUntraced(function* (
  list: Pool.Call,
  path: string,
  fd: number,
  size: number
): Effect.fn.Return<Listing | undefined, DiskError> {
  let memory = makeMemory(capacityFor(size))
  memory.numbers[fdIndex] = fd
  while (yield* Pool.run(list, memory)) {
    const errno = numberOf(memory, error)
    if (errno === 0) return listingOf(memory)
    if (errno !== ENOBUFS) return yield* new DiskError({ errno: errnoName(errno), operation: "readdir", path })
    if (memory.capacity >= maxBytes) return undefined
    memory = grown(memory)
  }
  return undefined
})
