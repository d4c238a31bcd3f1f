/**
 * The names of a directory in the order of its inodes, read by a thread of Node's pool: `listing.c`. They stay as bytes, for
 * as text each would be an object, and of very many directories there are as many at once.
 */
import { type DirectoryEntry, DiskError, type Listing } from "@vm-sentinel/core/Disk"
import * as Effect from "effect/Effect"
import { errnoName } from "../Kernel.ts"
import { decodeName } from "./bytePath.ts"
import type { Call } from "./pool.ts"
import { typeOfListed } from "./stat.ts"

// `struct listing` of listing.c. Of its numbers, each of 32 bits, the index.
const [fdIndex, errorIndex, isDone, isFull, capacityIndex, used, countIndex, hiddenIndex] = [
  0, 1, 2, 3, 4, 5, 6, 7
] as const
const header = 64
// `struct place`.
const [name, length, type, placeBytes] = [8, 12, 14, 16] as const

/** Of a memory: the first, and what the numbers can tell. */
const [fewestBytes, manyBytes, mostBytes] = [2 ** 17, 2 ** 26, 2 ** 31] as const

/**
 * Mostly enough for all, and a power of two: of each name a directory has 16 bytes or more on most disks, and may say
 * whatever it likes on others.
 */
const capacityFor = (size: number): number =>
  2 ** Math.ceil(Math.log2(Math.min(Math.max(fewestBytes, size * 4), manyBytes)))

const makeMemory = (capacity: number) => {
  const memory = new ArrayBuffer(header + capacity)
  const numbers = new Uint32Array(memory)
  numbers[capacityIndex] = capacity
  return { capacity, bytes: Buffer.from(memory), numbers, shorts: new Uint16Array(memory) }
}
type Memory = ReturnType<typeof makeMemory>

const numberOf = ({ numbers }: Memory, index: number): number => numbers[index] ?? 0

/** Where the places begin. */
const placesOf = (memory: Memory): number => header + memory.capacity - numberOf(memory, countIndex) * placeBytes

const grown = (memory: Memory): Memory => {
  const larger = makeMemory(memory.capacity * 2)
  for (const index of [fdIndex, used, countIndex, hiddenIndex]) larger.numbers[index] = numberOf(memory, index)
  memory.bytes.copy(larger.bytes, header, header, header + numberOf(memory, used))
  memory.bytes.copy(larger.bytes, placesOf(larger), placesOf(memory))
  return larger
}

const nothing: DirectoryEntry = { entry: "", type: "unknown" }

const listingOf = (memory: Memory): Listing => {
  const { bytes, numbers, shorts } = memory
  const places = placesOf(memory)
  const hidden = numberOf(memory, hiddenIndex)
  const count = numberOf(memory, countIndex)
  const at = (index: number): DirectoryEntry => {
    const place = places + index * placeBytes
    const start = header + (numbers[(place + name) / 4] ?? 0)
    const end = start + (shorts[(place + length) / 2] ?? 0)
    return { entry: decodeName(bytes, start, end), type: typeOfListed(bytes[place + type] ?? 0) }
  }
  const byName = (a: DirectoryEntry, b: DirectoryEntry) => (a.entry < b.entry ? -1 : 1)
  return {
    hidden: Array.from({ length: hidden }, (_, index) => at(index)).sort(byName),
    size: count - hidden,
    entry: (index) => (index < count - hidden ? at(hidden + index) : nothing)
  }
}

/**
 * Of a directory of so many bytes, just opened. `undefined`: there are too many names, or koffi makes no other call now.
 */
export const read = (
  list: Call,
  path: string,
  fd: number,
  size: number
): Effect.Effect<Listing | undefined, DiskError> => {
  const called = (memory: Memory) =>
    Effect.callback<boolean>((resume) => {
      try {
        list(memory.bytes, () => resume(Effect.succeed(true)))
      } catch {
        resume(Effect.succeed(false))
      }
    })
  return Effect.gen(function* () {
    let memory = makeMemory(capacityFor(size))
    memory.numbers[fdIndex] = fd
    for (;;) {
      // The memory is the thread's, and so is the descriptor, until it has ended.
      if (!(yield* Effect.uninterruptible(called(memory)))) return undefined
      const error = numberOf(memory, errorIndex)
      if (error !== 0) return yield* new DiskError({ errno: errnoName(error), operation: "readdir", path })
      if (numberOf(memory, isDone) !== 0) return listingOf(memory)
      if (numberOf(memory, isFull) === 0) continue
      if (memory.capacity >= mostBytes) return undefined
      memory = grown(memory)
    }
  })
}
