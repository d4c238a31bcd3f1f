import { errnoOf } from "@vm-sentinel/core/Errno"
import * as Fs from "node:fs"

/**
 * Calls a close. Its failure leaves nothing to do: Linux has freed the number by then. EIO and ENOSPC tell of earlier
 * writes, which `fsync(2)` has already told of, and EINTR of a wait. EBADF alone is a mistake of the caller.
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
