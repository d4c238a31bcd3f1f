/**
 * The free space of a directory's volume, and whether the directory can be changed. `access(2)` also checks access
 * control lists and read-only volumes.
 */
import type { Room } from "@vm-sentinel/core/Disk"
import { errnoOf } from "@vm-sentinel/core/Errno"
import * as Fs from "node:fs"

const refusals: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS"])

const refusalOf = (path: string): string | undefined => {
  try {
    Fs.accessSync(path, Fs.constants.W_OK | Fs.constants.X_OK)
    return undefined
  } catch (cause) {
    const errno = errnoOf(cause)
    if (!refusals.has(errno)) throw cause
    return errno
  }
}

/** `byMode`: what owner and mode refuse to the effective user. `access(2)` checks the real user. */
export const room = (path: string, byMode: Room): Room => {
  const { bavail, bsize, ffree } = Fs.statfsSync(path)
  return { refusal: byMode.refusal ?? refusalOf(path), bytes: bavail * bsize, files: ffree }
}
