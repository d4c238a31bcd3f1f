/** A directory that is being deleted: what is open of it, and what was read and not yet handled. */
import * as SentinelName from "@vm-sentinel/core/SentinelName"
import * as Fs from "node:fs"
import { type FileCalls, isMissing } from "./fileCalls.ts"
import type { BulkEntry } from "./fileStructs.ts"

export interface Frame {
  fd: number
  /** What was opened first, and holds the lock. */
  readonly lock: number
  readonly name: Buffer
  /** Where it lay at the beginning, relative to the tree. */
  readonly relative: string
  /** Its sentinels: what says whose a directory is stays as long as anything else in it does. */
  last: Array<Buffer>
  /** Entries that were read and not yet handled. */
  batch: Array<BulkEntry>
  /** There was a batch before: what is read goes on from there. */
  begun: boolean
  /** Nothing is left to read. */
  ended: boolean
  /** Something was removed since it was last read from its beginning. */
  progress: boolean
  /** Something in it can't be removed. */
  isStuck: boolean
  passes: number
}

export const open = (calls: FileCalls, above: number, name: Buffer, relative: string): Frame => {
  const fd = calls.openDirectory(above, name)
  const state = { last: [], batch: [], begun: false, ended: false, progress: false, isStuck: false, passes: 0 }
  return { fd, lock: fd, name, relative, ...state }
}

export const close = (calls: FileCalls, { fd, lock }: Frame): void => {
  calls.close(fd)
  if (lock !== fd) calls.close(lock)
}

/** Where a name in it lay at the beginning. */
export const relativeTo = ({ relative }: Frame, name: Buffer): string =>
  relative === "" ? name.toString() : `${relative}/${name.toString()}`

export const isSentinel = ({ name, type }: BulkEntry): boolean =>
  type !== "directory" && SentinelName.isSentinel(name.toString())

const typeOf = (entry: Fs.Dirent<Buffer>): BulkEntry["type"] =>
  entry.isDirectory() ? "directory" : entry.isFile() || entry.isSymbolicLink() ? "other" : "unknown"

/** Reads on. By path where the descriptor doesn't do: a listing gives names alone, and no removal goes by path. */
export const readOn = (calls: FileCalls, frame: Frame, pathOf: (frame: Frame) => string): ReadonlyArray<BulkEntry> => {
  let entries: ReadonlyArray<BulkEntry>
  try {
    entries = calls.list(frame.fd)
  } catch (cause) {
    if (frame.begun || !isMissing(cause)) throw cause
    const found = Fs.readdirSync(pathOf(frame), { withFileTypes: true, encoding: "buffer" })
    entries = found.map((entry) => ({ name: entry.name, type: typeOf(entry) }))
    frame.ended = true
  }
  frame.begun = true
  if (entries.length === 0) frame.ended = true
  return entries
}
