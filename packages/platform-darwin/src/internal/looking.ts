/** Type, owner and file system of files and directories, for records and for the rules of trust. */
import type { FileType, Stat } from "@vm-sentinel/core/Disk"
import { coded, errnoOf } from "@vm-sentinel/core/Errno"
import type { DirectoryFrame } from "@vm-sentinel/core/DirectoryFrame"
import type { FileId } from "@vm-sentinel/core/FileId"
import type { Mounted } from "@vm-sentinel/core/Mounts"
import * as Fs from "node:fs"
import type { FileCalls } from "./fileCalls.ts"

/**
 * File systems that only one kernel can have mounted. The UUIDs of their volumes and their inode numbers are permanent.
 */
const oneKernelTypes = new Set(["apfs", "hfs"])

/**
 * File systems whose inode numbers stay the same as long as the volume or the export exists. Those of exfat and msdos
 * change.
 */
const lastingInodeTypes = new Set([...oneKernelTypes, "nfs"])

/**
 * Device and inode as unsigned numbers. If `st_dev` is that of a volume group, two directories may have equal ids. One
 * directory never has different ids.
 */
const idOfStat = ({ dev, ino }: Fs.BigIntStats): FileId => ({
  dev: `${BigInt.asUintN(64, dev)}`,
  ino: `${BigInt.asUintN(64, ino)}`
})

export const idOf = (fd: number): FileId => idOfStat(Fs.fstatSync(fd, { bigint: true }))

/** Follows symbolic links, because a home may be one. */
export const idAt = (path: string): FileId => idOfStat(Fs.statSync(path, { bigint: true }))

/** Opens a directory for `use`, and closes it again. */
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
 * The frame of an open directory. It has no birth time, because hfs lowers the birth time to any earlier mtime, and
 * restoring a copy restores the birth time, too. `f_fsid` identifies a mount of a volume. A share that is mounted on
 * demand has another `f_fsid` each time.
 *
 * Only a Mac can verify that `f_fstypename` and the flags distinguish apfs and hfs from all other file systems, that
 * `f_fsid` differs between two mounts of one UUID, and what the UUID of a snapshot is. `test/real-disk.test.ts` does
 * so.
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

const changeOf = ({ ctimeMs, mtimeMs }: Fs.BigIntStats): number => Math.max(Number(mtimeMs), Number(ctimeMs))

export const kindOf = (fd: number): Pick<Stat, "id" | "type" | "size" | "modifiedAt" | "changedAt"> => {
  const stat = Fs.fstatSync(fd, { bigint: true })
  const [size, modifiedAt] = [Number(stat.size), Number(stat.mtimeMs)]
  return { id: idOfStat(stat), type: typeOf(stat), size, modifiedAt, changedAt: changeOf(stat) }
}

/** Whether the file vanished meanwhile. That is reported as if the file had never existed. */
const isGone = (cause: unknown): boolean => ["ENOENT", "ENOTDIR"].includes(errnoOf(cause))

/**
 * Whether uid and mode show who can change a file. `false` if ownership is ignored, which makes everybody the owner.
 * `false` if an access control list lets somebody change the file, which no mode bit shows. `false` if either can't be
 * found out.
 */
const isOwned = (calls: FileCalls, path: string): boolean => {
  try {
    return !calls.statfs(path).ownerless && !calls.aclPermitsChange(path)
  } catch (cause) {
    if (isGone(cause)) throw cause
    return false
  }
}

/** `lstat(2)`. A file or directory has no uid and gid if uid and mode don't show who can change it. */
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
    changedAt: changeOf(stat),
    id: idOfStat(stat)
  }
}

/**
 * Replaces `uid`, `gid` and `changedAt` of a stat by those of {@link statAt}. Throws ESTALE if the path leads to
 * another file.
 */
export const complete = (calls: FileCalls, path: string, read: Stat): Stat => {
  const { changedAt, gid, id, uid } = statAt(calls, path)
  if (id.dev !== read.id.dev || id.ino !== read.id.ino) throw coded("ESTALE", "another file")
  return { ...read, changedAt, gid, uid }
}

/** The data volume of macOS 10.15 and later. Firmlinks show its directories without this prefix. */
const dataVolume = "/System/Volumes/Data"

const withoutFirmlink = (path: string): string =>
  path.startsWith(`${dataVolume}/`) ? path.slice(dataVolume.length) : path

/** Mounts at or below a real path, by the table of the kernel. */
export const mountsBelow = (calls: FileCalls, path: string): ReadonlyArray<Mounted> => {
  const top = withoutFirmlink(path)
  return calls.mountPoints().flatMap((mountPoint) => {
    const at = withoutFirmlink(mountPoint)
    const isBelow = at === top || at.startsWith(top === "/" ? "/" : `${top}/`)
    return isBelow ? [{ path: `${path}${at.slice(top.length)}`, mountPoint }] : []
  })
}
