import { errnoOf } from "@vm-sentinel/core/Errno"
import * as Fs from "node:fs"

/**
 * Calls a close, and ignores its failure unless that is EBADF, a mistake of the caller. Linux has freed the number
 * after every other failure. `fsync(2)` has already reported the earlier writes that EIO and ENOSPC are about.
 */
export const closed = (close: () => unknown): void => {
  try {
    close()
  } catch (cause) {
    if (errnoOf(cause) === "EBADF") throw cause
  }
}

/** Closes a descriptor that `node:fs` opened. */
export const close = (fd: number): void => closed(() => Fs.closeSync(fd))
