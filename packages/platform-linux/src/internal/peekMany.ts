/** Peeks in a thread of Node's pool, at a page of directories in one native call: `peek.c`. */
import type { Peek, Permissions } from "@vm-sentinel/core/Disk"
import * as Effect from "effect/Effect"
import { encodePath } from "./bytePath.ts"
import * as Pool from "./pool.ts"
import { typeOf } from "./stat.ts"

/** Fewest and most directories of one native call. For fewer, loading koffi takes longer than the peeks. */
export const [minPage, maxPage] = [64, 512] as const

/** Maximum number of memories that are kept for reuse. No two calls use one memory at the same time. */
const maxIdle = 2

/** Maximum size of a file's content in bytes. */
export const contentBytes = 980

// Layout of `struct page` in peek.c: byte offsets, except `next`, which is the index of a 32-bit number.
const next = 4
const nameBytes = 256
const pathToFile = 24
const names = pathToFile + nameBytes
const peeks = names + maxPage * nameBytes
// Byte offsets in `struct peek`, and its size.
const [modifiedAt, directory, file, length, content, peekBytes] = [0, 8, 24, 40, 44, 1024] as const

const makeMemory = () => {
  const memory = new ArrayBuffer(peeks + maxPage * peekBytes)
  return {
    bytes: Buffer.from(memory),
    numbers: new Uint32Array(memory),
    doubles: new Float64Array(memory, 0, Math.floor(memory.byteLength / 8))
  }
}
type Memory = ReturnType<typeof makeMemory>

/** Writes texts, a NUL after each. `false`: a text has a NUL in it, or the room is too small. */
const write = (texts: ReadonlyArray<string>, into: Buffer): boolean => {
  if (texts.some((text) => text.includes("\0"))) return false
  const encoded = Buffer.from(encodePath(`${texts.join("\0")}\0`))
  return encoded.length <= into.length && encoded.copy(into) === encoded.length
}

/** Decodes permissions. Consecutive equal ones share one object. */
const makePermissions = ({ numbers }: Memory) => {
  let last: Permissions | undefined
  let lastAt = 0
  const isSame = (first: number, second: number): boolean =>
    numbers[first] === numbers[second] &&
    numbers[first + 1] === numbers[second + 1] &&
    numbers[first + 2] === numbers[second + 2] &&
    numbers[first + 3] === numbers[second + 3]
  return (at: number): Permissions => {
    const first = at / 4
    if (last !== undefined && isSame(first, lastAt)) return last
    const mode = numbers[first] ?? 0
    lastAt = first
    last = {
      type: typeOf(mode),
      mode: mode & 0o7777,
      uid: numbers[first + 1],
      gid: numbers[first + 2],
      nlink: numbers[first + 3]
    }
    return last
  }
}

/** Decodes the answers in a memory. `undefined`: a special case. */
const read = (memory: Memory, limit: number): ReadonlyArray<Peek | undefined> => {
  const { bytes, doubles, numbers } = memory
  const [directoryAt, fileAt] = [makePermissions(memory), makePermissions(memory)]
  const mostBytes = Math.min(limit, contentBytes)
  const count = numbers[next] ?? 0
  // One decoded string for the whole page takes less time than a string for each content. A slice keeps the string of
  // its page alive. Triage keeps slices of 8 pages at most.
  const text = bytes.toString("latin1", peeks, peeks + count * peekBytes)
  const peekAt = (at: number): Peek | undefined => {
    const size = numbers[(at + length) / 4] ?? 0
    if (size > mostBytes) return undefined
    return {
      directory: directoryAt(at + directory),
      file: fileAt(at + file),
      modifiedAt: doubles[(at + modifiedAt) / 8] ?? 0,
      content: text.slice(at - peeks + content, at - peeks + content + size)
    }
  }
  return Array.from({ length: count }, (_, index) => peekAt(peeks + index * peekBytes))
}

/** Writes a page into a memory. `false`: a name has a NUL in it, or the names are too long. */
const fill = (memory: Memory, root: number, directories: ReadonlyArray<string>, file: string): boolean => {
  const { bytes, numbers } = memory
  numbers.fill(0, 0, pathToFile / 4)
  numbers[Pool.header.count] = directories.length
  numbers[Pool.header.fd] = root
  return write([`/${file}`], bytes.subarray(pathToFile, names)) && write(directories, bytes.subarray(names, peeks))
}

/**
 * Peeks at a file in directories of an open root. `undefined`: the caller has to look at that directory. There may be
 * fewer answers than directories, or none.
 */
export type Peeker = (
  root: number,
  directories: ReadonlyArray<string>,
  file: string,
  limit: number
) => Effect.Effect<ReadonlyArray<Peek | undefined>>

export const make = (load: () => Pool.Pool | undefined): Peeker => {
  const free: Array<Memory> = []
  return Effect.fnUntraced(function* (root, directories, file, limit) {
    const isPage = directories.length >= minPage && directories.length <= maxPage
    const call = isPage ? load()?.peek : undefined
    if (call === undefined) return []
    const memory = free.pop() ?? makeMemory()
    if (!fill(memory, root, directories, file)) return []
    yield* Pool.run(call, memory)
    const told = read(memory, limit)
    if (free.length < maxIdle) free.push(memory)
    return told
  })
}
