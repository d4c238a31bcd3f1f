/**
 * Reads a file of each of many directories in a thread of Node's pool, by one native call for a whole batch, while the
 * batch before is made use of: `readAhead.c`, where it was compiled. Whoever wants what isn't there yet reads it himself.
 */
import type { Glimpse } from "@vm-sentinel/core/Disk"
import * as Effect from "effect/Effect"
import type { Call } from "./pool.ts"
import * as Statx from "./statx.ts"

/** Directories of a batch. */
export const most = 256

/** For fewer it isn't worth while to load native code. */
export const fewest = 64

/** Milliseconds for which what was read ahead is as good as what is read now. */
const freshness = 100

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

const glimpseOf = ({ bytes, numbers, statx }: Batch, index: number, limit: number): Glimpse | undefined => {
  const at = glimpses + index * glimpseBytes
  const size = numbers[(at + length) / 4] ?? -1
  if (size < 0 || size > limit) return undefined
  return {
    directory: Statx.attributesAt(statx, at),
    file: Statx.attributesAt(statx, at + file),
    content: bytes.toString("latin1", at + content, at + content + size)
  }
}

export interface ReadAhead {
  /** Begins to read of directories that will be wanted soon, in that order. */
  readonly expect: (directories: ReadonlyArray<string>) => void
  /** `undefined`: it isn't there yet, is too old, or there is something that isn't plain. */
  readonly take: (directory: string) => Glimpse | undefined
  /** Ends when nothing is read any more. */
  readonly end: Effect.Effect<void>
}

/** Of the files `entry` of directories of `root`. */
export const make = (
  load: () => Call | undefined,
  root: number,
  entry: string,
  limit: number,
  now: () => number = () => performance.now()
): ReadAhead => {
  /** The one that is made use of, and the next. */
  let expected: ReadonlyArray<Batch> = []
  const all: Array<Batch> = []
  let running: Batch | undefined
  let ended = () => {}

  const stop = (batch: Batch) => Atomics.store(batch.numbers, wanted, beyondAll)

  const free = (): Batch => {
    const found = all.find((batch) => batch !== running && !expected.includes(batch))
    if (found !== undefined) return found
    const made = makeBatch()
    all.push(made)
    return made
  }

  /** One after the other: two threads beside this one would leave it no processor, of two. */
  const startNext = (read: Call): void => {
    if (running !== undefined) return
    const batch = expected.find(({ isStarted }) => !isStarted)
    if (batch === undefined) return
    running = batch
    batch.isStarted = true
    batch.since = now()
    try {
      read(batch.bytes, () => {
        running = undefined
        ended()
        startNext(read)
      })
    } catch {
      // Of asynchronous calls koffi has so many at once, whoever makes them.
      running = undefined
    }
  }

  const expect = (directories: ReadonlyArray<string>) => {
    if (directories.length < fewest || directories.length > most) return
    const read = load()
    if (read === undefined) return
    const kept = expected.slice(-1)
    for (const batch of expected) if (!kept.includes(batch)) stop(batch)
    expected = kept
    const batch = free()
    const { bytes, numbers } = batch
    if (!write([`/${entry}`], bytes.subarray(below, names)) || !write(directories, bytes.subarray(names, glimpses)))
      return
    numbers[wanted] = 0
    numbers[told] = directories.length
    numbers[begun] = 0
    numbers[rootIndex] = root
    numbers[countIndex] = directories.length
    batch.directories = directories
    batch.next = 0
    batch.isStarted = false
    expected = [...kept, batch]
    startNext(read)
  }

  /** What was expected may have turned out not to be wanted. */
  const find = (batch: Batch, directory: string): number =>
    batch.directories[batch.next] === directory ? batch.next : batch.directories.indexOf(directory, batch.next)

  const take = (directory: string): Glimpse | undefined => {
    for (const batch of expected) {
      const index = find(batch, directory)
      if (index < 0) continue
      batch.next = index + 1
      if (Atomics.load(batch.numbers, told) > index) {
        Atomics.store(batch.numbers, wanted, index + 1)
        return undefined
      }
      return now() - batch.since > freshness ? undefined : glimpseOf(batch, index, limit)
    }
    return undefined
  }

  const end = Effect.suspend(() => {
    expected = []
    if (running === undefined) return Effect.void
    stop(running)
    // If it begins later, it finds nothing to read.
    if (Atomics.load(running.numbers, begun) === 0) return Effect.void
    return Effect.callback<void>((resume) => {
      ended = () => resume(Effect.void)
    })
  })

  return { expect, take, end }
}
