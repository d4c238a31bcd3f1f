/**
 * The file calls of libSystem that Node lacks, through koffi. A call that fails throws an error whose `code` is the
 * errno's name.
 */
import type { LockState } from "@vm-sentinel/core/Disk"
import { coded, errnoOf } from "@vm-sentinel/core/Errno"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import { darwinErrnoName } from "./errno.ts"
import { required } from "./koffi.ts"
import * as Structs from "./fileStructs.ts"
import * as PermissionStructs from "./permissionStructs.ts"

export interface FileCalls {
  /**
   * `openat(2)` of a directory that is no symbolic link. A descriptor that one of these calls opened must be closed by
   * {@link close}.
   */
  readonly openDirectory: (fd: number, name: Buffer) => number
  /** `openat(2)` of any file except a symbolic link, to read its attributes. Never blocks. */
  readonly openFile: (fd: number, name: Buffer) => number
  /** `open(2)` of a directory. Follows symbolic links, except as the last component of the path. */
  readonly openPath: (path: string) => number
  /** `open(2)` of a directory by an absolute path. Follows no symbolic link in any component. */
  readonly openReal: (path: string) => number
  /**
   * `close(2)` of libSystem, because in a worker thread Node tracks the descriptors that Node opened, and these aren't
   * among them.
   */
  readonly close: (fd: number) => void
  readonly unlink: (fd: number, name: Buffer) => void
  readonly removeDirectory: (fd: number, name: Buffer) => void
  readonly rename: (fd: number, name: Buffer, toFd: number, to: Buffer) => void
  /** `renameatx_np(2)` with RENAME_EXCL. */
  readonly renameNew: (from: string, to: string) => void
  /**
   * `getattrlistbulk(2)`: the next entries of an open directory, none at its end. ENOTSUP: the file system can't list
   * by descriptor.
   */
  readonly list: (fd: number) => ReadonlyArray<Structs.BulkEntry>
  /** `flock(2)`, without waiting. Throws EAGAIN if a conflicting lock is held. */
  readonly flock: (fd: number, operation: number) => void
  /**
   * `fcntl(2)` F_GETLK: the lock that an exclusive one would conflict with, one of `flock(2)` included. Takes no lock.
   */
  readonly lockState: (fd: number) => LockState
  /** `fcntl(2)` F_GETPATH: the path of an open file, with the names as they are on the disk. */
  readonly pathOf: (fd: number) => string
  readonly statfs: (path: string) => Structs.FileSystemInfo
  readonly fstatfs: (fd: number) => Structs.FileSystemInfo
  /**
   * The places where file systems are mounted, by `getfsstat(2)` with MNT_NOWAIT. Asks none of the file systems
   * themselves.
   */
  readonly mountPoints: () => ReadonlyArray<string>
  /** UUID of the volume that a file lies on. `undefined`: the volume has none. */
  readonly volumeUuid: (fd: number) => string | undefined
  /** Whether the access control list of a file lets anybody change the file. The file must not be a symbolic link. */
  readonly aclPermitsChange: (path: string) => boolean
  /** `getattrlistat(2)` of an entry. Follows no symbolic link. */
  readonly permissions: (fd: number, name: Buffer) => PermissionStructs.Permissions
  /** Sets the mode by `setattrlistat(2)`. Follows no symbolic link. */
  readonly setMode: (fd: number, name: Buffer, mode: number) => void
  /** Sets `st_flags` by `setattrlistat(2)`. Follows no symbolic link. */
  readonly setFlags: (fd: number, name: Buffer, flags: number) => void
}

type Call = (...values: Array<unknown>) => unknown

/** The part of koffi that is used. */
interface Koffi {
  readonly load: (path: string) => {
    readonly func: {
      (prototype: string): Call
      (name: string, result: string, parameters: Array<string>): Call
    }
  }
  readonly errno: () => number
}

const AT_FDCWD = -2
const AT_REMOVEDIR = 0x80
const F_GETLK = 7
const F_GETPATH = 50
const pathMax = 1024
const LOCK_NB = 4
const RENAME_EXCL = 4
const MNT_NOWAIT = 2
const FSOPT_NOFOLLOW = 1
const FSOPT_PACK_INVAL_ATTRS = 8
// Node has no names for these flags.
const O_CLOEXEC = 0x0100_0000
const O_NOFOLLOW_ANY = 0x2000_0000

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = Fs.constants
const fileFlags = O_RDONLY | O_NONBLOCK | O_CLOEXEC
const directoryFlags = fileFlags | O_DIRECTORY

const nul = Buffer.alloc(1)
const terminated = (name: string | Buffer): Buffer =>
  Buffer.concat([typeof name === "string" ? Buffer.from(name) : name, nul])

const make = (koffi: Koffi, path: string): FileCalls => {
  const library = koffi.load(path)
  const openat = library.func("int openat(int fd, const uint8_t *path, int flags, ...)")
  const unlinkat = library.func("int unlinkat(int fd, const uint8_t *path, int flags)")
  const renameat = library.func("int renameat(int fd, const uint8_t *from, int to_fd, const uint8_t *to)")
  const renameatx = library.func(
    "int renameatx_np(int fd, const uint8_t *from, int to_fd, const uint8_t *to, unsigned int flags)"
  )
  const getattrlistbulk = library.func(
    "int getattrlistbulk(int fd, uint8_t *list, _Out_ uint8_t *buffer, size_t size, uint64_t options)"
  )
  const flock = library.func("int flock(int fd, int operation)")
  const fcntl = library.func("int fcntl(int fd, int command, ...)")
  const getattrlist = library.func(
    "int getattrlist(const uint8_t *path, uint8_t *list, _Out_ uint8_t *buffer, size_t size, unsigned int options)"
  )
  const fgetattrlist = library.func(
    "int fgetattrlist(int fd, uint8_t *list, _Out_ uint8_t *buffer, size_t size, unsigned int options)"
  )
  const getattrlistat = library.func(
    "int getattrlistat(int fd, const uint8_t *path, uint8_t *list, _Out_ uint8_t *buffer, size_t size, uint64_t options)"
  )
  const setattrlistat = library.func(
    "int setattrlistat(int fd, const uint8_t *path, uint8_t *list, uint8_t *buffer, size_t size, uint32_t options)"
  )
  const close = library.func("int close(int fd)")
  // On Intel the symbol `statfs` fills the struct with 32-bit inodes, and `statfs$INODE64` the one with 64-bit inodes.
  // Apple silicon has only the latter struct, under the symbol `statfs`.
  const bindStatfs = (name: string, ...parameters: Array<string>): Call => {
    const bind = (symbol: string) => library.func(symbol, "int", parameters)
    try {
      return bind(`${name}$INODE64`)
    } catch {
      if (process.arch !== "arm64") throw coded("ENOSYS", `no ${name} of 64-bit inodes`)
      return bind(name)
    }
  }
  const statfs = bindStatfs("statfs", "const uint8_t *", "_Out_ uint8_t *")
  const fstatfs = bindStatfs("fstatfs", "int", "_Out_ uint8_t *")
  const getfsstat = bindStatfs("getfsstat", "_Out_ uint8_t *", "int", "int")

  /** Makes a call. Nothing may run between the call and the reading of its errno. */
  const invoke = (call: Call, ...values: Array<unknown>): number => {
    const result = call(...values)
    if (typeof result === "number" && result >= 0) return result
    throw coded(darwinErrnoName(koffi.errno()))
  }
  const buffer = Buffer.alloc(16 * 1024)
  const statfsOf = (call: Call, of: Buffer | number): Structs.FileSystemInfo => {
    const bytes = Buffer.alloc(Structs.statfsSize)
    invoke(call, of, bytes)
    const info = Structs.decodeStatfs(bytes)
    if (info === undefined) throw coded("ENOTSUP", "statfs answered in another layout")
    return info
  }

  const set = (fd: number, name: Buffer, attributes: Buffer, value: number): void => {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32LE(value)
    invoke(setattrlistat, fd, terminated(name), attributes, bytes, bytes.byteLength, FSOPT_NOFOLLOW)
  }

  return {
    openDirectory: (fd, name) => invoke(openat, fd, terminated(name), directoryFlags | O_NOFOLLOW),
    openFile: (fd, name) => invoke(openat, fd, terminated(name), fileFlags | O_NOFOLLOW),
    openPath: (path) => invoke(openat, AT_FDCWD, terminated(path), directoryFlags | O_NOFOLLOW),
    openReal: (path) => invoke(openat, AT_FDCWD, terminated(path), directoryFlags | O_NOFOLLOW_ANY),
    close: (fd) => void invoke(close, fd),
    unlink: (fd, name) => void invoke(unlinkat, fd, terminated(name), 0),
    removeDirectory: (fd, name) => void invoke(unlinkat, fd, terminated(name), AT_REMOVEDIR),
    rename: (fd, name, toFd, to) => void invoke(renameat, fd, terminated(name), toFd, terminated(to)),
    renameNew: (from, to) => void invoke(renameatx, AT_FDCWD, terminated(from), AT_FDCWD, terminated(to), RENAME_EXCL),
    list: (fd) => {
      const count = invoke(
        getattrlistbulk,
        fd,
        Structs.namesAndTypes,
        buffer,
        buffer.byteLength,
        FSOPT_PACK_INVAL_ATTRS
      )
      const entries = Structs.decodeBulk(buffer, count)
      if (entries === undefined) throw coded("ENOTSUP", "getattrlistbulk answered in another layout")
      return entries
    },
    flock: (fd, operation) => void invoke(flock, fd, operation | LOCK_NB),
    lockState: (fd) => {
      const lock = Structs.wholeFileLock()
      invoke(fcntl, fd, F_GETLK, "uint8_t *", lock)
      return Structs.decodeLock(lock)
    },
    pathOf: (fd) => {
      const bytes = Buffer.alloc(pathMax)
      invoke(fcntl, fd, F_GETPATH, "uint8_t *", bytes)
      return bytes.toString("utf8", 0, bytes.indexOf(0))
    },
    statfs: (path) => statfsOf(statfs, terminated(path)),
    fstatfs: (fd) => statfsOf(fstatfs, fd),
    mountPoints: () => {
      // The room includes 8 mounts that may be made between the two calls. An answer that fills the room may lack some
      // mounts.
      for (let room = invoke(getfsstat, null, 0, MNT_NOWAIT) + 8; ; room *= 2) {
        const bytes = Buffer.alloc(room * Structs.statfsSize)
        const count = invoke(getfsstat, bytes, bytes.byteLength, MNT_NOWAIT)
        if (count >= room) continue
        return Array.from({ length: count }, (_, index) => {
          const info = Structs.decodeStatfs(bytes.subarray(index * Structs.statfsSize))
          if (info === undefined) throw coded("ENOTSUP", "getfsstat answered in another layout")
          return info.mountPoint
        })
      }
    },
    volumeUuid: (fd) => {
      const bytes = Buffer.alloc(Structs.volumeUuidSize)
      invoke(fgetattrlist, fd, Structs.volumeUuid, bytes, bytes.byteLength, 0)
      return Structs.decodeVolumeUuid(bytes)
    },
    aclPermitsChange: (path) => {
      const bytes = Buffer.alloc(Structs.accessListSize)
      invoke(getattrlist, terminated(path), Structs.accessList, bytes, bytes.byteLength, FSOPT_NOFOLLOW)
      const isOpen = Structs.decodeAccessList(bytes)
      if (isOpen === undefined) throw coded("ENOTSUP", "getattrlist answered in another layout")
      return isOpen
    },
    permissions: (fd, name) => {
      const bytes = Buffer.alloc(PermissionStructs.permissionsSize)
      const { permissions } = PermissionStructs
      invoke(getattrlistat, fd, terminated(name), permissions, bytes, bytes.byteLength, FSOPT_NOFOLLOW)
      const found = PermissionStructs.decodePermissions(bytes)
      if (found === undefined) throw coded("ENOTSUP", "getattrlistat answered in another layout")
      return found
    },
    setMode: (fd, name, mode) => set(fd, name, PermissionStructs.accessMask, mode),
    setFlags: (fd, name, flags) => set(fd, name, PermissionStructs.fileFlags, flags)
  }
}

/** Whether the errno may mean that the kernel or the file system lacks the call. EINVAL has other causes, too. */
export const isMissing = (cause: unknown): boolean => ["ENOTSUP", "EINVAL", "ENOSYS"].includes(errnoOf(cause))

/** Loads the calls. `undefined`: koffi, the library or one of its calls can't be loaded. */
export const load = (path: string): Effect.Effect<FileCalls | undefined> =>
  Effect.try(() => make(required(), path)).pipe(
    Effect.tapError((error) => Effect.logDebug("libSystem can't be called", error)),
    Effect.orElseSucceed(() => undefined)
  )
