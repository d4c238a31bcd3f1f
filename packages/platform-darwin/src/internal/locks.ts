/**
 * `flock(2)` on a directory. The lock belongs to the open file, so the kernel releases it when the last descriptor
 * closes, however the process ends. The lock is on the inode, so a renamed directory keeps it. LOCK_UN is never used,
 * because it would release the lock for a child that has the descriptor.
 */
import type { HeldLock, LockOptions, LockState } from "@vm-sentinel/core/Disk"
import { attempt, coded, errnoOf } from "@vm-sentinel/core/Errno"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import type { FileCalls } from "./fileCalls.ts"
import { idOf, withDirectory } from "./looking.ts"

const LOCK_SH = 1
export const LOCK_EX = 2

const take = (calls: FileCalls, fd: number, operation: number): boolean => {
  try {
    calls.flock(fd, operation)
    return true
  } catch (cause) {
    if (errnoOf(cause) !== "EAGAIN") throw cause
    return false
  }
}

/**
 * Takes the lock, which lasts until the last copy of `fd` closes. Throws EBUSY if a conflicting lock is held, otherwise
 * the errno of the call.
 */
export const acquire = (
  calls: FileCalls,
  path: string,
  { mode, test }: Pick<LockOptions, "mode" | "test">
): HeldLock & { readonly fd: number } => {
  const [operation, refused] = mode === "exclusive" ? [LOCK_EX, LOCK_SH] : [LOCK_SH, LOCK_EX]
  const fd = calls.openPath(path)
  try {
    if (!take(calls, fd, operation)) throw coded("EBUSY")
    return {
      id: idOf(fd),
      fd,
      tested: test && !withDirectory(calls, path, (second) => take(calls, second, refused)),
      // Node didn't open this descriptor, so no thread that ends closes it.
      outlivesThread: true,
      isGone: Effect.orElseSucceed(
        attempt("stat", path, () => Fs.fstatSync(fd).nlink === 0),
        () => false
      ),
      share: attempt("lock", path, () => {
        if (!take(calls, fd, LOCK_SH)) throw coded("EBUSY")
      })
    }
  } catch (cause) {
    calls.close(fd)
    throw cause
  }
}

/**
 * F_GETLK takes no lock. It reports locks of `flock(2)` and of `fcntl(2)`, because macOS keeps both in one list. Only a
 * Mac can verify that this holds for a directory of apfs, which `test/real-disk.test.ts` does.
 */
export const probe = (calls: FileCalls, path: string): LockState => {
  try {
    return withDirectory(calls, path, calls.lockState)
  } catch {
    return "unknown"
  }
}
