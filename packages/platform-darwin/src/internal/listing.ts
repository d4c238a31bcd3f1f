/** Lists a directory by its descriptor, or by its path if the file system can't list by descriptor. */
import type { DirectoryListing } from "@vm-sentinel/core/DirectoryCalls"
import * as Fs from "node:fs"
import { type FileCalls, isMissing } from "./fileCalls.ts"
import type { BulkEntry } from "./fileStructs.ts"

/** Maximum number of entries of one directory kept in memory for another pass. A directory with more is read again. */
const maxEntries = 4096

const itself = Buffer.from(".")

const typeOf = (entry: Fs.Dirent<Buffer>): BulkEntry["type"] =>
  entry.isDirectory() ? "directory" : entry.isFile() || entry.isSymbolicLink() ? "other" : "unknown"

/** Lists by path. That is safe, since a listing only gives names, and nothing is removed by path. */
const readByPath = (path: string): ReadonlyArray<BulkEntry> =>
  Fs.readdirSync(path, { withFileTypes: true, encoding: "buffer" }).map((entry) => ({
    name: entry.name,
    type: typeOf(entry)
  }))

interface Reading {
  readonly fd: number
  /** The entries read last: at most {@link maxEntries}, or those of one read. All entries while `isAllKept`. */
  entries: ReadonlyArray<BulkEntry>
  isAllKept: boolean
  /** Number of `entries` that were returned. */
  index: number
  isBegun: boolean
  isOver: boolean
}

const begin = (fd: number): Reading => ({
  fd,
  entries: [],
  isAllKept: true,
  index: 0,
  isBegun: false,
  isOver: false
})

export const list = (calls: FileCalls, directory: number, path: () => string): DirectoryListing<Buffer> => {
  // A descriptor is read only once, and `rewind` opens another one. The directory's own descriptor, which may hold its
  // lock, stays open.
  let reading = begin(directory)

  const close = () => {
    if (reading.fd !== directory) calls.close(reading.fd)
  }

  const rewind = () => {
    const again = calls.openDirectory(directory, itself)
    close()
    reading = begin(again)
  }

  const readOn = (): void => {
    let found: ReadonlyArray<BulkEntry>
    try {
      found = calls.list(reading.fd)
      reading.isOver = found.length === 0
    } catch (cause) {
      if (reading.isBegun || !isMissing(cause)) throw cause
      found = readByPath(path())
      reading.isOver = true
    }
    reading.isBegun = true
    if (reading.entries.length + found.length <= maxEntries) {
      reading.entries = [...reading.entries, ...found]
    } else {
      reading.isAllKept = false
      reading.entries = found
      reading.index = 0
    }
  }

  return {
    next: () => {
      if (reading.index === reading.entries.length && !reading.isOver) readOn()
      const entry = reading.entries[reading.index]
      if (entry !== undefined) reading.index += 1
      return entry
    },
    rewind,
    again: () => {
      if (reading.isAllKept && reading.isOver) reading.index = 0
      else rewind()
    },
    close
  }
}
