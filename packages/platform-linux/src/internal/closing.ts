import { errnoOf } from "@vm-sentinel/core/Errno"
import * as Fs from "node:fs"

/**
 * Runs `close`, and ignores every failure but EBADF, which is a mistake of the caller. After any other failure Linux
 * has freed the descriptor's number. EIO and ENOSPC are about earlier writes. A caller that needs to know of them calls
 * `fsync(2)` first.
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
