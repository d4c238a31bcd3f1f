/** What files and directories are, whose, and what they lie on: for a record, and for the rules of trust. */
import type { FileType, Stat } from "@vm-sentinel/core/Disk"
import { coded, errnoOf } from "@vm-sentinel/core/Errno"
import type { DirectoryFrame } from "@vm-sentinel/core/DirectoryFrame"
import type { FileId } from "@vm-sentinel/core/FileId"
import * as Fs from "node:fs"
import type { FileCalls } from "./fileCalls.ts"

/** Only one kernel can have them mounted, and their volumes' UUIDs and inode numbers last. */
const oneKernelTypes = new Set(["apfs", "hfs"])

/** File systems whose inode numbers last as long as the volume or the export. Those of exfat and msdos don't. */
const lastingInodeTypes = new Set([...oneKernelTypes, "nfs"])

/** As unsigned numbers. Where `st_dev` is that of a volume group, two directories may look alike; the same never differ. */
const idOfStat = ({ dev, ino }: Fs.BigIntStats): FileId => ({
  dev: `${BigInt.asUintN(64, dev)}`,
  ino: `${BigInt.asUintN(64, ino)}`
})

export const idOf = (fd: number): FileId => idOfStat(Fs.fstatSync(fd, { bigint: true }))

/** Follows symbolic links: a home may be one. */
export const idAt = (path: string): FileId => idOfStat(Fs.statSync(path, { bigint: true }))

/** Opens a directory, and closes it again. */
export const withDirectory = <A>(calls: FileCalls, path: string, use: (fd: number) => A): A => {
  const fd = calls.openPath(path)
  try {
    return use(fd)
  } finally {
    calls.close(fd)
  }
}

export const orUndefined = <A>(call: () => A): A | undefined => {
  try {
    return call()
  } catch {
    return undefined
  }
}

/**
 * The frame of an open directory. No birth time: hfs lowers it with any earlier mtime, and what restores a copy restores it.
 * `f_fsid` names a mount of a volume; a share that mounts itself when it is needed has another one each time.
 *
 * What only a Mac can settle: that apfs and hfs are told from all else by `f_fstypename` and the flags, that `f_fsid` of two
 * mounts of one UUID differ, and what a snapshot's UUID is. `test/real-disk.test.ts` asks it.
 */
export const frameOf = (calls: FileCalls, fd: number): DirectoryFrame => {
  const id = idOf(fd)
  const info = orUndefined(() => calls.fstatfs(fd))
  if (info === undefined) return { id }
  const { mount, plain, type } = info
  const uuid = orUndefined(() => calls.volumeUuid(fd))
  const isOneKernelType = oneKernelTypes.has(type)
  return {
    id,
    fileSystem: {
      type,
      ...(uuid === undefined ? {} : { id: { kind: "volume", value: uuid } }),
      ...(isOneKernelType ? { mount } : {}),
      oneKernel: isOneKernelType && plain
    },
    ...(lastingInodeTypes.has(type) ? { inode: id.ino } : {})
  }
}

const typeOf = (stat: Fs.BigIntStats): FileType => {
  if (stat.isFile()) return "file"
  if (stat.isDirectory()) return "directory"
  if (stat.isSymbolicLink()) return "symlink"
  if (stat.isFIFO()) return "fifo"
  if (stat.isSocket()) return "socket"
  return stat.isBlockDevice() || stat.isCharacterDevice() ? "device" : "unknown"
}

export const kindOf = (fd: number): Pick<Stat, "id" | "type"> => {
  const stat = Fs.fstatSync(fd, { bigint: true })
  return { id: idOfStat(stat), type: typeOf(stat) }
}

/** What goes away meanwhile was never seen. */
const isGone = (cause: unknown): boolean => ["ENOENT", "ENOTDIR"].includes(errnoOf(cause))

/**
 * Whether uid and mode say who can change a file. Not where ownership is ignored, which makes everybody its owner; nor where an
 * access control list lets somebody do it, which no mode bit shows; nor where that can't be told.
 */
const isOwned = (calls: FileCalls, path: string): boolean => {
  try {
    return !calls.statfs(path).ownerless && !calls.isOpenToOthers(path)
  } catch (cause) {
    if (isGone(cause)) throw cause
    return false
  }
}

/** `lstat(2)`. A file or directory whose uid and mode don't say who can change it has no uid. */
export const statAt = (calls: FileCalls, path: string): Stat => {
  const stat = Fs.lstatSync(path, { bigint: true })
  const type = typeOf(stat)
  const isOwner = (type !== "file" && type !== "directory") || isOwned(calls, path)
  return {
    type,
    mode: Number(stat.mode) & 0o7777,
    uid: isOwner ? Number(stat.uid) : undefined,
    gid: isOwner ? Number(stat.gid) : undefined,
    nlink: Number(stat.nlink),
    size: Number(stat.size),
    modifiedAt: Number(stat.mtimeMs),
    changedAt: Math.max(Number(stat.mtimeMs), Number(stat.ctimeMs)),
    id: idOfStat(stat)
  }
}

/** Adds to a stat the data that only {@link statAt} tells. ESTALE: the path is another file by now. */
export const complete = (calls: FileCalls, path: string, read: Stat): Stat => {
  const { changedAt, gid, id, uid } = statAt(calls, path)
  if (id.dev !== read.id.dev || id.ino !== read.id.ino) throw coded("ESTALE", "another file")
  return { ...read, changedAt, gid, uid }
}
