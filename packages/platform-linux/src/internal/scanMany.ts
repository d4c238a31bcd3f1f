/**
 * Looks at a page of directories in a thread of Node's pool, in one native call: `look.c`. The call may lock or rename
 * each directory first.
 */
import type { FileSystemFrame } from "@vm-sentinel/core/DirectoryFrame"
import type { Locked, Move, Moved, Scan, ScannedFile, ScanOptions } from "@vm-sentinel/core/Disk"
import * as ScanNames from "@vm-sentinel/core/ScanNames"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { decodeName, encodePath } from "./bytePath.ts"
import * as Frames from "./frames.ts"
import * as Pool from "./pool.ts"
import { typeOfListed } from "./stat.ts"
import * as Statx from "./statx.ts"

/** Maximum number of directories of one native call. */
export const maxPage = 32

/** Maximum number of memories that are kept for reuse. No two calls use one memory at the same time. */
const maxIdle = 4

// Layout of `struct page` in look.c: indices of 32-bit numbers, then byte offsets.
const [next, action, locks, errors] = [4, 5, 8, 40] as const
const [names, nameBytes, targets, targetBytes] = [288, 256, 8480, 512] as const
const looks = targets + maxPage * targetBytes
// Values of `enum action`.
const [looking, locking, moving] = [0, 1, 2] as const
// Byte offsets in `struct look`, its size, and the same of `struct file`.
const look = { result: 0, fileCount: 4, namesLength: 8, hasUuid: 12, magic: 16, fsid: 24, uuid: 32, stat: 48 } as const
const [namesFound, files, lookBytes] = [304, 1312, 3840] as const
const [nameOfFile, lengthOfFile, contentOfFile, fileBytes] = [256, 260, 264, 1264] as const

const makeMemory = () => {
  const memory = new ArrayBuffer(looks + maxPage * lookBytes)
  return { bytes: Buffer.from(memory), numbers: new Uint32Array(memory) }
}
type Memory = ReturnType<typeof makeMemory>

/** Writes a name and a NUL. A name that doesn't fit becomes empty, and no directory has that name. */
const put = ({ bytes }: Memory, name: string, at: number, room: number): void => {
  const encoded = Buffer.from(encodePath(name))
  const length = encoded.length < room && !encoded.includes(0) ? encoded.copy(bytes, at) : 0
  bytes[at + length] = 0
}

const fill = (memory: Memory, root: number, act: number, directories: ReadonlyArray<string>): void => {
  const { numbers } = memory
  numbers.fill(0, 0, names / 4)
  numbers[Pool.header.count] = directories.length
  numbers[Pool.header.fd] = root
  numbers[action] = act
  directories.forEach((directory, index) => put(memory, directory, names + index * nameBytes, nameBytes))
}

const reader = (memory: Memory, options: ScanOptions) => {
  const { bytes, numbers } = memory
  const statx = Statx.make()
  const numberAt = (at: number): number => numbers[at / 4] ?? 0

  const statAt = (at: number) => {
    bytes.copy(statx.buffer, 0, at, at + Statx.size)
    return statx.stat()
  }

  // Nearly all directories of a page lie on one file system.
  let fileSystem: FileSystemFrame | undefined
  let answered: Buffer | undefined
  const fileSystemAt = (at: number): FileSystemFrame | undefined => {
    const answers = bytes.subarray(at + look.hasUuid, at + look.stat)
    if (answered?.equals(answers) === true) return fileSystem
    answered = Buffer.from(answers)
    const uuid = numberAt(at + look.hasUuid) === 0 ? undefined : bytes.subarray(at + look.uuid, at + look.stat)
    const fsid = [numberAt(at + look.fsid), numberAt(at + look.fsid + 4)] as const
    return (fileSystem = Frames.ofAnswers({ magic: numberAt(at + look.magic), fsid, uuid }))
  }

  const fileAt = (at: number, entry: string): ScannedFile | undefined => {
    const stat = statAt(at)
    if (stat.size > options.mostBytes) return undefined
    const content = bytes.subarray(at + contentOfFile, at + contentOfFile + numberAt(at + lengthOfFile))
    return { entry, stat, bytes: new Uint8Array(content) }
  }

  /** All names of a directory, and the place of each. */
  const namesAt = (at: number) => {
    const length = numberAt(at + look.namesLength)
    const start = at + namesFound
    const found: Array<{ readonly entry: string; readonly type: number; readonly place: number }> = []
    for (let place = 0; place < length;) {
      const end = bytes.indexOf(0, start + place + 1)
      found.push({
        entry: decodeName(bytes, start + place + 1, end),
        type: bytes[start + place] ?? 0,
        place: place + 1
      })
      place = end - start + 1
    }
    return found
  }

  const scanAt = (at: number): Scan | undefined => {
    if (numberAt(at + look.result) === 0) return undefined
    const stat = statAt(at + look.stat)
    const birth = statx.bornAt()
    const fileSystem = fileSystemAt(at)
    if (fileSystem === undefined || !options.isRead(stat)) return undefined
    const collected = ScanNames.make(options, true)
    let subdirectories: Scan["subdirectories"] = "none"
    const places = new Map<string, number>()
    for (const { entry, place, type } of namesAt(at)) {
      const kind = typeOfListed(type)
      if (kind === "directory" || kind === "unknown") subdirectories = "some"
      if (!collected.add(entry)) return undefined
      places.set(entry, place)
    }
    const { read, ...told } = collected.end()
    const scanned: Array<ScannedFile> = []
    for (const entry of read) {
      const place = places.get(entry)
      const count = numberAt(at + look.fileCount)
      for (let index = 0; index < count; index++) {
        const file = at + files + index * fileBytes
        if (numberAt(file + nameOfFile) !== place) continue
        const found = fileAt(file, entry)
        if (found !== undefined) scanned.push(found)
      }
    }
    if (scanned.length < read.length) return undefined
    return { ...Frames.framed(stat, birth, fileSystem), subdirectories, files: scanned, ...told }
  }
  return scanAt
}

type Names = Arr.NonEmptyReadonlyArray<string>

/**
 * Scans directories of an open root, at most {@link maxPage}. `undefined`: the caller has to scan that directory. There
 * may be fewer answers than directories, or none.
 */
export interface Scanner {
  readonly look: (
    root: number,
    directories: Names,
    options: ScanOptions
  ) => Effect.Effect<ReadonlyArray<Scan | undefined>>
  /** Locks each directory first. The scope closes the locks that weren't released. */
  readonly lock: (
    root: number,
    directories: Names,
    options: ScanOptions
  ) => Effect.Effect<ReadonlyArray<Locked>, never, Scope.Scope>
  /** Renames each directory first. */
  readonly move: (
    root: number,
    moves: Arr.NonEmptyReadonlyArray<Move>,
    options: ScanOptions
  ) => Effect.Effect<ReadonlyArray<Moved>>
}

/** `close` closes a descriptor. */
export const make = (load: () => Pool.Pool | undefined, close: (fd: number) => void): Scanner => {
  const free: Array<Memory> = []
  const keep = (memory: Memory) => void (free.length < maxIdle && free.push(memory))

  const called = Effect.fnUntraced(function* (memory: Memory, call: Pool.Call, options: ScanOptions) {
    yield* Pool.run(call, memory)
    const scanAt = reader(memory, options)
    return Array.from({ length: memory.numbers[next] ?? 0 }, (_, index) => scanAt(looks + index * lookBytes))
  })

  const begin = (act: number, root: number, directories: Names) => {
    const call = directories.length <= maxPage ? load()?.look : undefined
    if (call === undefined) return undefined
    const memory = free.pop() ?? makeMemory()
    fill(memory, root, act, directories)
    return { call, memory }
  }

  const look: Scanner["look"] = Effect.fnUntraced(function* (root, directories, options) {
    const begun = begin(looking, root, directories)
    if (begun === undefined) return []
    const scans = yield* called(begun.memory, begun.call, options)
    keep(begun.memory)
    return scans
  })

  /** One native call closes all locks, because the close of a removed directory frees its blocks. */
  const closeLocks = (memory: Memory, unlock: Pool.Call): Effect.Effect<void> =>
    Effect.callback((resume) => {
      unlock(memory.bytes, (wasMade) => {
        const count = wasMade ? 0 : (memory.numbers[next] ?? 0)
        for (const fd of new Int32Array(memory.numbers.buffer, locks * 4, count)) if (fd >= 0) close(fd)
        keep(memory)
        resume(Effect.void)
      })
    })

  const lock: Scanner["lock"] = Effect.fnUntraced(function* (root, directories, options) {
    const unlock = load()?.unlock
    const begun = unlock && begin(locking, root, directories)
    if (unlock === undefined || begun === undefined) return []
    const { call, memory } = begun
    let isOurs = true
    yield* Effect.addFinalizer(() => {
      isOurs = false
      return closeLocks(memory, unlock)
    })
    const fds = new Int32Array(memory.numbers.buffer, locks * 4, maxPage)
    const release = (index: number) =>
      Effect.sync(() => {
        const fd = isOurs ? (fds[index] ?? -1) : -1
        if (fd < 0) return
        fds[index] = -1
        close(fd)
      })
    const scans = yield* called(memory, call, options)
    return scans.map((scan, index) => ({ scan, release: release(index) }))
  }, Effect.uninterruptible)

  const move: Scanner["move"] = Effect.fnUntraced(function* (root, moves, options) {
    const begun = begin(
      moving,
      root,
      Arr.map(moves, ({ from }) => from)
    )
    if (begun === undefined) return []
    const { call, memory } = begun
    moves.forEach(({ to }, index) => put(memory, to, targets + index * targetBytes, targetBytes))
    const scans = yield* called(memory, call, options)
    const moved = scans.map((scan, index) => ({ isMoved: memory.numbers[errors + index] === 0, scan }))
    keep(memory)
    return moved
  }, Effect.uninterruptible)

  return { look, lock, move }
}
