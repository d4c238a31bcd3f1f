/**
 * The system calls that the inspector makes, so that each of their answers can be tested.
 *
 * @since 0.1.0
 */
import { codeOf } from "@vm-sentinel/core/Errno"
import * as NodeFS from "node:fs"
import * as NodeOS from "node:os"
import { mountId } from "./internal/fdinfo.ts"

/**
 * Synchronous calls: procfs is memory, and handing a call of a few µs to another thread costs ten times that. What
 * fails throws an error with the errno's name as `code`, as `node:fs` does.
 *
 * @category models
 * @since 0.1.0
 */
export interface Kernel {
  /** The calling process. */
  readonly pid: number
  /** Opens for reading. */
  readonly open: (path: string) => number
  /** Reads once from a position of the file, and tells how many bytes. */
  readonly read: (fd: number, into: Uint8Array, position: number) => number
  readonly close: (fd: number) => void
  readonly readLink: (path: string) => Uint8Array
  readonly list: (path: string) => ReadonlyArray<string>
  /** `false`: ENOENT. */
  readonly exists: (path: string) => boolean
  /** Device and inode behind a path, links followed. */
  readonly fileId: (path: string) => { readonly dev: bigint; readonly ino: bigint }
  /** `f_type` of `statfs(2)`. */
  readonly fileSystemType: (path: string) => number
  /** The mount that a descriptor's file lies on: `mnt_id` of `proc_pid_fdinfo(5)`. */
  readonly mountId: (fd: number) => string
  /** `kill(2)` with signal 0: `undefined`, or the name of the errno. `pid` is never below 1. */
  readonly kill: (pid: number) => string | undefined
  readonly hostname: () => string
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/**
 * Name of the errno that a call failed with. Anything else that was thrown is a defect, and is thrown again.
 *
 * @category errors
 * @since 0.1.0
 */
export const expectErrno = (error: unknown): string => {
  const errno = codeOf(error)
  if (errno === undefined) throw error
  return errno
}

// Of two names for one number, EAGAIN and EWOULDBLOCK, the kernel's own comes first.
const errnoNames = new Map(
  Object.entries(NodeOS.constants.errno)
    .toReversed()
    .map(([name, errno]) => [errno, name])
)

/**
 * Name of an errno, `ESRCH` for 3.
 *
 * @category errors
 * @since 0.1.0
 */
export const errnoName = (errno: number): string => errnoNames.get(errno) ?? `errno ${errno}`

/**
 * The kernel that runs us, through `node:fs`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const live: Kernel = {
  pid: process.pid,
  open: (path) => NodeFS.openSync(path, NodeFS.constants.O_RDONLY),
  read: (fd, into, position) => NodeFS.readSync(fd, into, 0, into.length, position),
  close: NodeFS.closeSync,
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
