/** Finds out whether a directory can be changed, with a file that has no name (`O_TMPFILE` of `open(2)`). */
import type { Room } from "@vm-sentinel/core/Disk"
import { coded, errnoOf } from "@vm-sentinel/core/Errno"
import * as Fs from "node:fs"
import { encodePath } from "./bytePath.ts"
import { close } from "./closing.ts"

const { O_DIRECTORY, O_NOFOLLOW, O_WRONLY } = Fs.constants

// Node has no name for the flag. Its value is the same on every architecture that Node runs on, except for O_DIRECTORY.
const O_TMPFILE = 0o20000000 | O_DIRECTORY

/** One block. Writing it takes space, which the file system grants or refuses. */
const block = new Uint8Array(4096)

/** Errnos that a sweep would get, too. */
const refusals: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT"])

/** Errnos of a file system, or of a kernel, without O_TMPFILE. */
const unsupported: ReadonlySet<string> = new Set(["EOPNOTSUPP", "ENOTSUP", "EISDIR", "EINVAL", "ENOSYS"])

/** The refusal of a call, or `undefined` if it succeeds. Any other errno is thrown. */
const refused = (call: () => void): string | undefined => {
  try {
    call()
    return undefined
  } catch (cause) {
    const errno = errnoOf(cause)
    if (!refusals.has(errno)) throw cause
    return errno
  }
}

/**
 * Makes a file without an entry in the directory. The kernel applies the same rules as to a file with an entry, and
 * frees the file when it is closed.
 */
const byFile = (path: string): string | undefined =>
  refused(() => {
    const fd = Fs.openSync(encodePath(path), O_WRONLY | O_TMPFILE | O_NOFOLLOW, 0o600)
    try {
      Fs.writeSync(fd, block)
    } finally {
      close(fd)
    }
  })

/** `access(2)` checks the real user. NFS asks its server, and FUSE may ask its program. */
const byAccess = (path: string): string | undefined =>
  refused(() => Fs.accessSync(encodePath(path), Fs.constants.W_OK | Fs.constants.X_OK))

const refusalOf = (path: string): string | undefined => {
  try {
    return byFile(path)
  } catch (cause) {
    if (!unsupported.has(errnoOf(cause))) throw cause
    return byAccess(path)
  }
}

/** ext4 and others reserve a part of the space for root. */
export const room = (path: string, isRoot: boolean): Room => {
  if (!Fs.lstatSync(encodePath(path)).isDirectory()) throw coded("ENOTDIR")
  const { bavail, bfree, blocks, bsize, ffree, files } = Fs.statfsSync(encodePath(path))
  return {
    refusal: refusalOf(path),
    bytes: blocks === 0 ? undefined : (isRoot ? bfree : bavail) * bsize,
    files: files === 0 ? undefined : ffree
  }
}
