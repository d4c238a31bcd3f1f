/** The `Stat` of a file, through `node:fs`. */
import type { FileType, Stat } from "@vm-sentinel/core/Disk"
import * as Fs from "node:fs"

/** Indexed by the `d_type` of `readdir(3)`. */
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

/** The type in a file's mode: the S_IFMT bits of `inode(7)` are a `d_type` shifted left by 12. */
export const typeOf = (mode: number): FileType => typeOfListed((mode & Fs.constants.S_IFMT) >> 12)

/**
 * A device number by `makedev(3)` of glibc, the form in which `stat(2)` reports it. On Linux a major has 12 bits and a
 * minor 20.
 */
export const deviceOf = (major: number, minor: number): string =>
  ((minor - (minor % 256)) * 2 ** 12 + major * 256 + (minor % 256)).toString()

const areBirthsTold = (): boolean => {
  try {
    return Fs.statSync("/proc/self", { bigint: true }).birthtimeNs === 0n
  } catch {
    return false
  }
}

/**
 * Whether Node reports birth times. Without `statx(2)` libuv reports the ctime as the birth time, even in procfs, which
 * has no birth times. `/proc/self` shows which of the two Node reports.
 */
export const isBirthTold: boolean = areBirthsTold()

const birthOf = ({ birthtimeNs }: Fs.BigIntStats): { readonly birth?: string } =>
  birthtimeNs > 0n && isBirthTold ? { birth: birthtimeNs.toString() } : {}

export const toStat = (stats: Fs.BigIntStats): Stat => {
  const mode = Number(stats.mode)
  return {
    type: typeOf(mode),
    id: { dev: stats.dev.toString(), ino: stats.ino.toString() },
    size: Number(stats.size),
    mode: mode & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    nlink: Number(stats.nlink),
    modifiedAt: Math.floor(Number(stats.mtimeMs)),
    changedAt: Math.floor(Math.max(Number(stats.mtimeMs), Number(stats.ctimeMs))),
    ...birthOf(stats)
  }
}

// Both calls ask for bigints, because a number can't hold every inode, nor a birth time in nanoseconds.
export const lstat = (path: string | Buffer): Stat => toStat(Fs.lstatSync(path, { bigint: true }))

export const fstat = (fd: number): Stat => toStat(Fs.fstatSync(fd, { bigint: true }))
