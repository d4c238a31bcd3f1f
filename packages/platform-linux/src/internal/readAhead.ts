/**
 * Reads a file of each of many directories in a thread of Node's pool, by one native call for a whole batch, while the
 * batch before is made use of: `readAhead.c`, where it was compiled. What isn't there yet when it is wanted is read then, and
 * some that will be wanted next.
 */
import type { Glimpse } from "@vm-sentinel/core/Disk"
import * as Effect from "effect/Effect"
import type { Call, Pool } from "./pool.ts"
import * as Statx from "./statx.ts"

/** Directories of a batch. */
export const most = 256

/** For fewer it isn't worth while to load native code. */
export const fewest = 64

/** Calls at once. */
const calls = 2

/** Directories that are read by one call when they are wanted and weren't read ahead. */
export const atOnce = 16

/** Milliseconds for which what was read ahead is as good as what is read now. */
const freshness = 250

/** Bytes of a content that are read ahead. */
export const contentBytes = 1016

// `struct batch` of readAhead.c. Of its numbers, each of 32 bits, the index.
const [wanted, told, begun, rootIndex, countIndex] = [0, 1, 2, 3, 4] as const
const nameBytes = 256
const below = 64
const names = below + nameBytes
const glimpses = names + most * nameBytes
// `struct glimpse`.
const [file, length, content, glimpseBytes] = [256, 512, 520, 1536] as const

const beyondAll = 0x7fffffff

const encoder = new TextEncoder()

/** Whether the texts, none of which has a NUL in it, were written, each followed by one. */
const write = (texts: ReadonlyArray<string>, into: Uint8Array): boolean => {
  if (texts.some((text) => text.includes("\0"))) return false
  const text = `${texts.join("\0")}\0`
  return text.isWellFormed() && encoder.encodeInto(text, into).read === text.length
}

const makeBatch = () => {
  const memory = new ArrayBuffer(glimpses + most * glimpseBytes)
  return {
    bytes: Buffer.from(memory),
    numbers: new Int32Array(memory),
    statx: Statx.memoryOf(memory),
    directories: [] as ReadonlyArray<string>,
    /** Of those, the one to be taken next. */
    next: 0,
    since: 0,
    isStarted: false
  }
}
type Batch = ReturnType<typeof makeBatch>

export interface ReadAhead {
  /** Begins to read of directories that will be wanted soon, in that order. */
  readonly expect: (directories: ReadonlyArray<string>) => void
  /** `undefined`: it wasn't expected, is too old, or there is something that isn't plain. */
  readonly take: (directory: string) => Glimpse | undefined
  /** Ends when nothing is read any more. */
  readonly end: Effect.Effect<void>
}

/** Of the files `entry` of directories of `root`. */
export const make = (
  load: () => Pick<Pool, "readAhead" | "readNow"> | undefined,
  root: number,
  entry: string,
  limit: number,
  now: () => number = Date.now
): ReadAhead => {
  const [directoryAt, fileAt] = [Statx.makePermissions(), Statx.makePermissions()]
  /** The one that is made use of, and the next. */
  let expected: ReadonlyArray<Batch> = []
  const all: Array<Batch> = []
  /** Whose calls haven't ended. */
  const running = new Set<Batch>()
  /** What this thread has read. */
  const near = makeBatch()
  let ended = () => {}

  const stop = (batch: Batch) => Atomics.store(batch.numbers, wanted, beyondAll)

  const free = (): Batch => {
    const found = all.find((batch) => !running.has(batch) && !expected.includes(batch))
    if (found !== undefined) return found
    const made = makeBatch()
    all.push(made)
    return made
  }

  /** Of two calls one goes on while the event loop is yet to be told that the other has ended. */
  const startNext = (read: Call): void => {
    if (running.size === calls) return
    const batch = expected.find(({ isStarted }) => !isStarted)
    if (batch === undefined) return
    running.add(batch)
    batch.isStarted = true
    batch.since = now()
    try {
      read(batch.bytes, () => {
        running.delete(batch)
        ended()
        startNext(read)
      })
    } catch {
      // Of asynchronous calls koffi has so many at once, whoever makes them.
      running.delete(batch)
    }
  }

  /** Whether it could be written down what is to be read. */
  const fill = (batch: Batch, directories: ReadonlyArray<string>): boolean => {
    const { bytes, numbers } = batch
    if (!write([`/${entry}`], bytes.subarray(below, names)) || !write(directories, bytes.subarray(names, glimpses)))
      return false
    numbers[wanted] = 0
    numbers[told] = directories.length
    numbers[begun] = 0
    numbers[rootIndex] = root
    numbers[countIndex] = directories.length
    batch.directories = directories
    batch.next = 0
    batch.isStarted = false
    return true
  }

  const expect = (directories: ReadonlyArray<string>) => {
    if (directories.length < fewest || directories.length > most) return
    const read = load()?.readAhead
    if (read === undefined) return
    const kept = expected.slice(-1)
    for (const batch of expected) if (!kept.includes(batch)) stop(batch)
    expected = kept
    const batch = free()
    if (!fill(batch, directories)) return
    expected = [...kept, batch]
    startNext(read)
  }

  /** What was expected may have turned out not to be wanted. */
  const find = (batch: Batch, directory: string): number =>
    batch.directories[batch.next] === directory ? batch.next : batch.directories.indexOf(directory, batch.next)

  const isTold = ({ numbers }: Batch, index: number): boolean => Atomics.load(numbers, told) <= index

  /** Of a clock that was set back nothing is known. */
  const isFresh = ({ since }: Batch): boolean => {
    const age = now() - since
    return age >= 0 && age <= freshness
  }

  const glimpseIn = (batch: Batch, index: number): Glimpse | undefined => {
    if (!isTold(batch, index) || !isFresh(batch)) return undefined
    const { bytes, numbers, statx } = batch
    const at = glimpses + index * glimpseBytes
    const size = numbers[(at + length) / 4] ?? -1
    if (size < 0 || size > limit) return undefined
    return {
      directory: directoryAt(statx, at),
      file: fileAt(statx, at + file),
      writtenAt: Statx.modifiedAtOf(statx, at + file),
      content: bytes.toString("latin1", at + content, at + content + size)
    }
  }

  /** Where the thread that reads ahead hasn't come to yet: some in one call, and it leaves them out. */
  const readNow = (batch: Batch, index: number): Glimpse | undefined => {
    const directories = batch.directories.slice(index, index + atOnce)
    batch.next = index + directories.length
    Atomics.store(batch.numbers, wanted, batch.next)
    if (!fill(near, directories)) return undefined
    near.since = now()
    load()?.readNow(near.bytes)
    near.next = 1
    return glimpseIn(near, 0)
  }

  const take = (directory: string): Glimpse | undefined => {
    if (near.directories[near.next] === directory) return glimpseIn(near, near.next++)
    // Of very many: a loop by index makes nothing.
    for (let place = 0; place < expected.length; place++) {
      const batch = expected[place]
      const index = batch === undefined ? -1 : find(batch, directory)
      if (batch === undefined || index < 0) continue
      batch.next = index + 1
      return isTold(batch, index) ? glimpseIn(batch, index) : readNow(batch, index)
    }
    return undefined
  }

  const end = Effect.suspend(() => {
    expected = []
    near.directories = []
    running.forEach(stop)
    // One that begins later finds nothing to read.
    const isInUse = () => [...running].some(({ numbers }) => Atomics.load(numbers, begun) !== 0)
    if (!isInUse()) return Effect.void
    return Effect.callback<void>((resume) => {
      ended = () => void (isInUse() || resume(Effect.void))
    })
  })

  return { expect, take, end }
}
