/** The names of an open directory, as it is read. */
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
  /** Closes it, to go on later by another descriptor of the directory. */
  readonly pause: () => (fd: number) => Listing
}

/** Text, or where that would not be the same name, bytes. */
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

/** Bytes of a directory (its own, not its files') up to which all names are read at once, which is quicker. */
const smallDirectory = 65_536

interface Reader {
  readonly next: () => Fs.Dirent | null
  readonly close: () => void
  /** Of all that was read at once. */
  readonly restart?: () => void
}

/** The entries one after the other, in batches where there are many. */
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

/** Through `node:fs` alone. */
export const byNode = (fd: number): Listing => {
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
    // Node reads a directory by its path, and needs no descriptor of ours to go on.
    pause: () => () => listing
  }
  return listing
}

/** Of one listing at a time; a directory of few files fills a small part of it. */
const listingBytes = 32_768

/** `getdents64(2)`. */
export const byLibc = (native: LibcAt): ((fd: number) => Listing) => {
  // Freed ones are used again: a sweep opens one listing after another.
  const blocks: Array<Dirent.Block> = []

  /** `from`: the offset of the entry that came before. */
  const list = (fd: number, from?: bigint): Listing => {
    const block = blocks.pop() ?? new Dirent.Block(listingBytes)
    let [at, end, current] = [0, 0, -1]
    // Of the blocks since the beginning, and whether there are no more.
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
            ;[at, end] = [0, count]
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
        return (fd) => {
          checked(native.seek(fd, offset))
          return list(fd, offset)
        }
      }
    }
  }

  return (fd) => list(fd)
}
