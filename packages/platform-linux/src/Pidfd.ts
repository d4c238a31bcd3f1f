/**
 * Process file descriptors, `pidfd_open(2)`. On pidfs the inode of a descriptor is the process's 64-bit id.
 *
 * @since 0.1.0
 */
import { errnoName } from "@vm-sentinel/core/Errno"
import * as NodeFS from "node:fs"
import { type Library, withKoffi } from "./internal/koffi.ts"

/**
 * The pidfd calls, which need native code. A call that fails returns the name of the errno. `inode` throws, and `close`
 * reports nothing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pidfds {
  /**
   * A descriptor that refers to the process under `pid` until the descriptor is closed, even if the PID is recycled.
   */
  readonly open: (pid: number) => number | string
  /**
   * Whether the whole thread group has exited: the process is a zombie, or reaped. `false` while any of its threads
   * runs.
   */
  readonly hasExited: (fd: number) => boolean | string
  /** Inode of the descriptor. If {@link isProof} returns `true`, the kernel never reuses it within one boot. */
  readonly inode: (fd: number) => bigint
  readonly close: (fd: number) => void
  /** `kill(2)` with signal 0. `undefined`: allowed. Otherwise the name of the errno. */
  readonly kill: (pid: number) => string | undefined
}

/**
 * `PID_FS_MAGIC` of `linux/magic.h`. Before Linux 6.9 all pidfds share one anonymous inode, on a file system with
 * another magic number.
 */
const pidfsMagic = 0x50494446

/** Number of `pidfd_open(2)` in `linux/unistd.h`: the same on every architecture that Node runs on. */
const pidfdOpen = 434

const pollIn = 1

// A 32-bit kernel truncates the id to an inode of 32 bits, so inodes are reused.
const is64Bit = ["arm64", "loong64", "ppc64", "riscv64", "s390x", "x64"].includes(process.arch)

/**
 * Whether the inode of a pidfd identifies a process here, which needs Linux 6.9 or later, 64-bit, with pidfs built in.
 * Tries the calls on `pid`, the calling process. Returns the name of the errno if no pidfd can be opened. `wide`: whether
 * the kernel is 64-bit.
 *
 * @category getters
 * @since 0.1.0
 */
export const isProof = (
  pidfds: Pidfds,
  pid: number,
  fileSystemType: (path: string) => number,
  wide: boolean = is64Bit
): boolean | string => {
  if (!wide) return false
  const fd = pidfds.open(pid)
  if (typeof fd === "string") return fd
  try {
    return (
      fileSystemType(`/proc/self/fd/${fd}`) === pidfsMagic &&
      pidfds.inode(fd) > 0n &&
      pidfds.hasExited(fd) === false &&
      pidfds.kill(pid) === undefined
    )
  } catch {
    return false
  } finally {
    pidfds.close(fd)
  }
}

const make = (koffi: Library): Pidfds => {
  const library = koffi.load(null)
  // A raw system call is used, because glibc has pidfd_open only since 2.36, and musl lacks it.
  const open: (number: number, pid: number, flags: number) => number = library.func(
    "long syscall(long number, int pid, unsigned int flags)"
  )
  const poll: (fds: Uint8Array, count: number, timeout: number) => number = library.func(
    "int poll(void *fds, unsigned long count, int timeout)"
  )
  const kill: (pid: number, signal: number) => number = library.func("int kill(int pid, int signal)")
  // These descriptors need close(2) of libc. In a worker thread Node tracks the descriptors that Node opened, and these
  // aren't among them.
  const close: (fd: number) => number = library.func("int close(int fd)")
  const pollfd = new Int32Array(2)
  const pollfdBytes = new Uint8Array(pollfd.buffer)
  const pollfdShorts = new Int16Array(pollfd.buffer)
  const errno = () => errnoName(koffi.errno())
  return {
    open: (pid) => {
      const fd = open(pidfdOpen, pid, 0)
      return fd < 0 ? errno() : fd
    },
    hasExited: (fd) => {
      pollfd[0] = fd
      pollfdShorts[2] = pollIn
      pollfdShorts[3] = 0
      const ready = poll(pollfdBytes, 1, 0)
      if (ready < 0) return errno()
      return ready > 0 && ((pollfdShorts[3] ?? 0) & pollIn) !== 0
    },
    inode: (fd) => NodeFS.fstatSync(fd, { bigint: true }).ino,
    close: (fd) => void close(fd),
    kill: (pid) => (kill(pid, 0) === 0 ? undefined : errno())
  }
}

/**
 * Loads {@link Pidfds} through koffi, an optional dependency. `undefined`: koffi isn't installed or can't run.
 *
 * @category constructors
 * @since 0.1.0
 */
export const load = (): Pidfds | undefined => withKoffi(make)
