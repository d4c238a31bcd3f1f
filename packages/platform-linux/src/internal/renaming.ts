/** A rename that replaces nothing. */
import * as Fs from "node:fs"
import { errnoName } from "../Kernel.ts"
import { nameOf } from "./at.ts"
import { encodePath } from "./bytePath.ts"
import type { Libc } from "./libc.ts"
import { errnoOf } from "./stat.ts"

/** Without koffi, or where the file system has no RENAME_NOREPLACE, a look must do. */
const renameUnlessPresent = (from: string, to: string): void => {
  try {
    Fs.lstatSync(encodePath(to))
  } catch (cause) {
    if (errnoOf(cause) !== "ENOENT") throw cause
    Fs.renameSync(encodePath(from), encodePath(to))
    return
  }
  throw Object.assign(new Error("there is something under the new name"), { code: "EEXIST" })
}

/** Throws with EEXIST when there is anything under `to`. */
export const renameNew = (native: Libc | undefined, from: string, to: string): void => {
  const errno = native?.renameNoReplace(nameOf(from), nameOf(to))
  if (errno === 0) return
  const name = errno === undefined ? "ENOSYS" : errnoName(errno)
  if (name !== "ENOSYS" && name !== "EINVAL") throw Object.assign(new Error(name), { code: name })
  renameUnlessPresent(from, to)
}
