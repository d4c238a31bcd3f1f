/** What Node tells of a file, and of a call that failed. */
import type { FileType, Stat } from "@vm-sentinel/core/Disk"
import * as Fs from "node:fs"

/** The errno name in what `node:fs` threw. */
export const errnoOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "EUNKNOWN"

/** By the `d_type` of `readdir(3)`. */
const types: ReadonlyArray<FileType> = [
  "unknown",
  "fifo",
  "device",
  "unknown",
  "directory",
  "unknown",
  "device",
  "unknown",
  "file",
  "unknown",
  "symlink",
  "unknown",
  "socket"
]

export const typeOfListed = (type: number): FileType => types[type] ?? "unknown"

/** The type in a file's mode: S_IFMT of `inode(7)`, which is a `d_type` in twelve bits more. */
export const typeOf = (mode: number): FileType => typeOfListed((mode & Fs.constants.S_IFMT) >> 12)

const toStat = (stats: Fs.Stats | Fs.BigIntStats): Stat => {
  const mode = Number(stats.mode)
  return {
    type: typeOf(mode),
    id: { dev: stats.dev.toString(), ino: stats.ino.toString() },
    size: Number(stats.size),
    mode: mode & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    nlink: Number(stats.nlink),
    modifiedAt: Math.floor(Number(stats.mtimeMs))
  }
}

/** Plain numbers are quicker to get; an inode number that they can't hold is asked for again. */
const isExact = ({ dev, ino }: Fs.Stats): boolean => Number.isSafeInteger(ino) && Number.isSafeInteger(dev)

export const lstat = (path: string | Buffer): Stat => {
  const stats = Fs.lstatSync(path)
  return toStat(isExact(stats) ? stats : Fs.lstatSync(path, { bigint: true }))
}

export const fstat = (fd: number): Stat => {
  const stats = Fs.fstatSync(fd)
  return toStat(isExact(stats) ? stats : Fs.fstatSync(fd, { bigint: true }))
}
