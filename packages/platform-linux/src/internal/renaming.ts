/** A rename that replaces nothing. */
import { coded, errnoName, errnoOf } from "@vm-sentinel/core/Errno"
import * as Fs from "node:fs"
import { nameOf } from "./dirFd.ts"
import { encodePath } from "./bytePath.ts"
import type { Libc } from "./libc.ts"

/**
 * Looks first, then renames, if koffi is missing or the file system lacks RENAME_NOREPLACE. The two calls aren't
 * atomic.
 */
const renameUnlessPresent = (from: string, to: string): void => {
  try {
    Fs.lstatSync(encodePath(to))
  } catch (cause) {
    if (errnoOf(cause) !== "ENOENT") throw cause
    Fs.renameSync(encodePath(from), encodePath(to))
    return
  }
  throw coded("EEXIST", "there is something under the new name")
}

/** Answers of a kernel or a file system without RENAME_NOREPLACE, and of a seccomp filter that rejects the call. */
const unknownCall: ReadonlySet<string> = new Set(["ENOSYS", "EINVAL", "EPERM"])

/** Renames `from`. Throws EEXIST if something exists at `to`. */
export const renameNew = (native: Pick<Libc, "renameNoReplace"> | undefined, from: string, to: string): void => {
  const errno = native?.renameNoReplace(nameOf(from), nameOf(to))
  if (errno === 0) return
  const name = errno === undefined ? "ENOSYS" : errnoName(errno)
  if (!unknownCall.has(name)) throw coded(name)
  renameUnlessPresent(from, to)
}
