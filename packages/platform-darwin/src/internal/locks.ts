/**
 * `flock(2)` on a directory: of the open file, so the kernel gives it up when the last descriptor closes, however the
 * process ends; and of the inode, so it stays with a directory that is renamed. It is never given up by LOCK_UN, which would
 * take it from a child that has the descriptor.
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

/** Takes the lock. Throws with EBUSY or the errno. */
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
      // Node knows nothing of it, so no thread that ends closes it.
      lasting: true,
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
 * F_GETLK sees locks of both kinds, since on macOS they are in one list, and takes none. What only a Mac can settle: that it does
 * so for a directory of apfs. `test/real-disk.test.ts` asks it.
 */
export const probe = (calls: FileCalls, path: string): LockState => {
  try {
    return withDirectory(calls, path, calls.lockState)
  } catch {
    return "unknown"
  }
}
