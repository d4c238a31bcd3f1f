/**
 * An interface of the system calls of the inspector, with which tests produce every answer of a kernel.
 *
 * @since 0.1.0
 */
import { codeOf } from "@vm-sentinel/core/Errno"
import * as NodeFS from "node:fs"
import * as NodeOS from "node:os"
import { close } from "./internal/closing.ts"
import { mountId } from "./internal/fdinfo.ts"

/**
 * Synchronous system calls. A call to procfs reads memory and takes a few µs. Handing it to another thread would take
 * ten times as long. A call that fails throws an error whose `code` is the errno's name, as in `node:fs`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Kernel {
  /** PID of the calling process. */
  readonly pid: number
  /** Opens a file for reading. Returns the descriptor. */
  readonly open: (path: string) => number
  /** One read at a position of the file. Returns the number of bytes, 0 at the end. */
  readonly read: (fd: number, into: Uint8Array, position: number) => number
  readonly close: (fd: number) => void
  /** Target of a symbolic link, as bytes. */
  readonly readLink: (path: string) => Uint8Array
  /** Names in a directory. */
  readonly list: (path: string) => ReadonlyArray<string>
  /** Whether something exists at a path, links followed. `false`: ENOENT, in later versions of Node also ENOTDIR. */
  readonly exists: (path: string) => boolean
  /** Device and inode of the file at a path, links followed. */
  readonly fileId: (path: string) => { readonly dev: bigint; readonly ino: bigint }
  /** `f_type` of `statfs(2)`. */
  readonly fileSystemType: (path: string) => number
  /** Id of the mount that a descriptor's file lies on: `mnt_id` of `proc_pid_fdinfo(5)`. */
  readonly mountId: (fd: number) => string
  /** `kill(2)` with signal 0. `undefined` on success, else the name of the errno. `pid` is never below 1. */
  readonly kill: (pid: number) => string | undefined
  readonly hostname: () => string
  /**
   * Milliseconds since the epoch, by the kernel's clock. Starts of processes are compared with times of files, which
   * have this clock. Effect's `Clock` may be another one.
   */
  readonly now: () => number
}

/**
 * Name of the errno that a call failed with. An error without an errno is a defect, and is thrown again.
 *
 * @category errors
 * @since 0.1.0
 */
export const expectErrno = (error: unknown): string => {
  const errno = codeOf(error)
  if (errno === undefined) throw error
  return errno
}

/**
 * The calls of the running kernel, through `node:fs` and `node:os`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const live: Kernel = {
  pid: process.pid,
  open: (path) => NodeFS.openSync(path, NodeFS.constants.O_RDONLY),
  read: (fd, into, position) => NodeFS.readSync(fd, into, 0, into.length, position),
  close,
  readLink: (path) => NodeFS.readlinkSync(path, "buffer"),
  list: (path) => NodeFS.readdirSync(path),
  exists: (path) => NodeFS.statSync(path, { throwIfNoEntry: false }) !== undefined,
  fileId: (path) => NodeFS.statSync(path, { bigint: true }),
  fileSystemType: (path) => NodeFS.statfsSync(path).type,
  mountId,
  kill: (pid) => {
    try {
      process.kill(pid, 0)
      return undefined
    } catch (error) {
      return expectErrno(error)
    }
  },
  hostname: NodeOS.hostname,
  now: Date.now
}
