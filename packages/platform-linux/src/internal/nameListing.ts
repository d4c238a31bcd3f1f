/** Lists an open directory, entry by entry. */
import type { DirectoryListing, ListedEntry } from "@vm-sentinel/core/DirectoryCalls"
import type { FileType } from "@vm-sentinel/core/Disk"
import * as Fs from "node:fs"
import * as Dirent from "./dirent.ts"
import { checked, type LibcAt, type Name } from "./libc.ts"

export interface Entry extends ListedEntry<Name> {
  readonly type: FileType
}

export interface Listing extends DirectoryListing<Name> {
  readonly next: () => Entry | undefined
  /**
   * Frees the listing's buffer, if it has one. A {@link List} from the returned place continues with the next entry.
   */
  readonly pause: () => Place
}

/**
 * Where a listing was paused: the offset of its last entry, or the listing itself. A deep tree has one for each level,
 * so an offset saves memory.
 */
export type Place = bigint | Listing

/** Lists an open directory, from the beginning or from a place on. */
export type List = (fd: number, from?: Place) => Listing

/** The name as text or, if text would lose bytes, as bytes that end in a NUL. */
const nameIn = (bytes: Buffer, start = 0, end = bytes.length): Name => {
  const text = bytes.toString("utf8", start, end)
  return text.includes("\uFFFD") ? Buffer.concat([bytes.subarray(start, end), Buffer.alloc(1)]) : text
}

const typeOf = (entry: Fs.Dirent): FileType => {
  if (entry.isDirectory()) return "directory"
  if (entry.isFile()) return "file"
  if (entry.isSymbolicLink()) return "symlink"
  if (entry.isFIFO()) return "fifo"
  if (entry.isSocket()) return "socket"
  return entry.isBlockDevice() || entry.isCharacterDevice() ? "device" : "unknown"
}

/** Bytes of a directory's own size up to which all names are read at once, which is faster. */
const smallDirectory = 65_536

interface Reader {
  readonly next: () => Fs.Dirent | null
  readonly close: () => void
  /** Starts over without reading again. Missing if the entries weren't read at once. */
  readonly restart?: () => void
}

/** Reads entries through `node:fs`: all at once, or in batches of 256 in a large directory. */
const reader = (fd: number): Reader => {
  const path = `/proc/self/fd/${fd}`
  if (Fs.fstatSync(fd).size > smallDirectory) {
    const dir = Fs.opendirSync(path, { encoding: "latin1", bufferSize: 256 })
    return { next: () => dir.readSync(), close: () => dir.closeSync() }
  }
  const entries = Fs.readdirSync(path, { withFileTypes: true, encoding: "latin1" })
  let index = 0
  return {
    next: () => entries[index++] ?? null,
    close: () => {},
    restart: () => {
      index = 0
    }
  }
}

/** Lists through `node:fs` alone. */
export const byNode: List = (fd, from) => {
  // Node opens a directory by its path, and needs no descriptor to resume.
  if (typeof from === "object") return from
  let entries = reader(fd)
  const rewind = () => {
    const again = reader(fd)
    entries.close()
    entries = again
  }
  const listing: Listing = {
    next: () => {
      const entry = entries.next()
      return entry === null ? undefined : { name: nameIn(Buffer.from(entry.name, "latin1")), type: typeOf(entry) }
    },
    rewind,
    again: () => (entries.restart ?? rewind)(),
    close: () => entries.close(),
    pause: () => listing
  }
  return listing
}

/** Bytes of the buffer of a listing. A directory of few files fills a small part of it. */
const listingBytes = 32_768

/** Lists by `getdents64(2)`. */
export const byLibc = (native: LibcAt): List => {
  // Closed listings leave their blocks for reuse, because a sweep opens one listing after another.
  const blocks: Array<Dirent.Block> = []

  /** `from`: the offset of the entry after which the listing begins. */
  const list = (fd: number, from?: bigint): Listing => {
    const block = blocks.pop() ?? new Dirent.Block(listingBytes)
    let at = 0
    let end = 0
    let current = -1
    // Number of blocks read since the start of the directory, and whether the end is reached.
    let reads = from === undefined ? 0 : 1
    let isOver = false
    const rewind = () => {
      checked(native.seek(fd, 0n))
      at = end = reads = 0
      isOver = false
    }
    const close = () => void blocks.push(block)
    return {
      next: () => {
        for (;;) {
          if (at >= end) {
            if (isOver) return undefined
            const count = checked(native.getdents(fd, block.bytes))
            isOver = count === 0
            if (isOver) return undefined
            at = 0
            end = count
            reads += 1
          }
          current = at
          at += block.length(current)
          if (block.isDots(current)) continue
          return {
            name: nameIn(block.bytes, Dirent.nameOf(current), block.nameEnd(current)),
            type: block.type(current)
          }
        }
      },
      rewind,
      again: () => {
        if (isOver && reads <= 1) at = 0
        else rewind()
      },
      close,
      pause: () => {
        const offset = current < 0 ? (from ?? 0n) : block.offset(current)
        close()
        return offset
      }
    }
  }

  return (fd, from) => {
    if (typeof from !== "bigint") return list(fd)
    checked(native.seek(fd, from))
    return list(fd, from)
  }
}
