/**
 * `flock(2)` on a directory. The lock belongs to the open file, so the kernel releases it when the last descriptor
 * closes, however the process ends. The lock is on the inode, so a renamed directory keeps it. LOCK_UN is never used,
 * because it would release the lock for every process that inherited the descriptor.
 */
import type { HeldLock, LockOptions, LockState } from "@vm-sentinel/core/Disk"
import { sameFile } from "@vm-sentinel/core/FileId"
import { attempt, coded, errnoOf, isShortage } from "@vm-sentinel/core/Errno"
import * as Effect from "effect/Effect"
import * as DirFd from "./dirFd.ts"

export const LOCK_SH = 1
export const LOCK_EX = 2
export const LOCK_NB = 4

type Answer = "done" | "busy"

/**
 * Takes or converts the lock of an open directory, without waiting. `busy`: a conflicting lock is held. Throws with the
 * errno.
 */
type Lock = (fd: number, operation: number) => Answer

const fail = (code: string): never => {
  throw coded(code)
}

const open = (calls: DirFd.DirFd, path: string): number => calls.openDirectory(DirFd.AT_FDCWD, DirFd.nameOf(path))

/** Messages of glibc and musl for ENOLCK, ENOTSUP, EOPNOTSUPP and ENOSYS. */
const unsupported = /No locks available|[Nn]ot supported|Function not implemented/

/**
 * Runs `flock(1)` of util-linux or busybox. The command locks the open file that it inherits from this process. The
 * lock outlives the command, since this process still has the file open. ENOTSUP: there is no such command, or the file
 * system has no locks.
 */
const lockByCommand: Lock = (fd, operation) => {
  const { spawnSync } = process.getBuiltinModule("node:child_process")
  const { error, status, stderr } = spawnSync("flock", [operation === LOCK_SH ? "-sn" : "-xn", "3"], {
    stdio: ["ignore", "ignore", "pipe", fd],
    env: { ...process.env, LC_ALL: "C" }
  })
  // A command that wasn't started for want of a resource says nothing about the lock.
  if (error !== undefined) return fail(isShortage(errnoOf(error)) ? errnoOf(error) : "ENOTSUP")
  if (status === 0) return "done"
  // Busybox exits with 1 for every failure, and prints an error for each but a held lock.
  if (status === 1 && stderr.length === 0) return "busy"
  return fail(unsupported.test(stderr.toString()) ? "ENOTSUP" : "EIO")
}

/** The function that locks here. It may start a command. */
const lockHere = ({ flock }: DirFd.DirFd): Lock =>
  flock === undefined
    ? lockByCommand
    : (fd, operation) => {
        const errno = flock(fd, operation | LOCK_NB)
        return errno === undefined ? "done" : errno === "EAGAIN" ? "busy" : fail(errno)
      }

/**
 * The call that locks an open directory exclusively, without waiting. The call returns `undefined` on success, otherwise
 * the name of the errno: EAGAIN if the lock is held.
 */
export const exclusively = (calls: DirFd.DirFd): ((fd: number) => string | undefined) => {
  const lock = lockHere(calls)
  return (fd) => {
    try {
      return lock(fd, LOCK_EX) === "busy" ? "EAGAIN" : undefined
    } catch (cause) {
      return errnoOf(cause)
    }
  }
}

/** Runs `ask` with a new descriptor of the directory, and closes the descriptor afterwards. */
const withDescriptor = <A>(calls: DirFd.DirFd, path: string, ask: (fd: number) => A): A => {
  const fd = open(calls, path)
  try {
    return ask(fd)
  } finally {
    calls.close(fd)
  }
}

/**
 * Takes the lock, which lasts until the last copy of `fd` closes. With `test`, tries whether the lock excludes another
 * descriptor. Throws EBUSY if a conflicting lock is held, otherwise the errno of the call.
 */
export const acquire = (
  calls: DirFd.DirFd,
  path: string,
  { mode, test }: LockOptions
): HeldLock & { readonly fd: number } => {
  const lock = lockHere(calls)
  const [own, others] = mode === "exclusive" ? [LOCK_EX, LOCK_SH] : [LOCK_SH, LOCK_EX]
  const fd = open(calls, path)
  try {
    if (lock(fd, own) === "busy") return fail("EBUSY")
    const { id } = calls.stat(fd)
    const tested =
      test &&
      withDescriptor(calls, path, (other) => sameFile(calls.stat(other).id, id) && lock(other, others) === "busy")
    const share = attempt("lock", path, () => {
      if (lock(fd, LOCK_SH) === "busy") fail("EBUSY")
    })
    const isGone = Effect.orElseSucceed(
      attempt("stat", path, () => calls.stat(fd).nlink === 0),
      () => false
    )
    return { id, fd, tested, outlivesThread: calls.isLasting, isGone, share: Effect.uninterruptible(share) }
  } catch (cause) {
    calls.close(fd)
    throw cause
  }
}

/** Whether the directory still has a name. `false`: the directory was removed, or its `stat` failed. */
const hasLink = (calls: DirFd.DirFd, fd: number): boolean => {
  try {
    return calls.stat(fd).nlink !== 0
  } catch {
    return false
  }
}

/**
 * Closes the descriptor. The close of a removed directory frees its blocks, for which a thread of Node's pool waits.
 */
export const release = (calls: DirFd.DirFd, fd: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (!hasLink(calls, fd)) return Effect.callback((resume) => calls.closeLater(fd, () => resume(Effect.void)))
    calls.close(fd)
    return Effect.void
  })

export const probe = (calls: DirFd.DirFd, path: string): LockState => {
  const lock = lockHere(calls)
  try {
    return withDescriptor(calls, path, (fd) => {
      if (lock(fd, LOCK_EX) === "done") return "free"
      return lock(fd, LOCK_SH) === "done" ? "shared" : "exclusive"
    })
  } catch {
    return "unknown"
  }
}
