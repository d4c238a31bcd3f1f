/**
 * Makes directories of the calling user accessible if their mode refuses access. A removal has to change them, and a
 * search has to read them.
 */
import { coded } from "@vm-sentinel/core/Errno"
import { placeOf } from "@vm-sentinel/core/TreeRemoval"
import * as Fs from "node:fs"
import { type DirFd, nameOf } from "./dirFd.ts"
import type { Name } from "./libc.ts"

/** Rights of the owner to read, to change and to search. */
const all = 0o700

/**
 * `chmod u+rwx` of an open directory. `false`: nothing was changed, because the file isn't a directory, another user
 * owns it, or it has these permissions already.
 */
export const permitOpen = (calls: DirFd, fd: number): boolean => {
  const { mode, type, uid } = calls.stat(fd)
  if (type !== "directory" || uid !== process.geteuid?.() || (mode & all) === all) return false
  // fchmod(2) refuses an O_PATH descriptor. `/proc/self/fd/<fd>` names the open directory, even if another file has its
  // name now.
  Fs.chmodSync(`/proc/self/fd/${fd}`, mode | all)
  return true
}

/**
 * {@link permitOpen} of an entry of an open directory. The O_PATH descriptor makes the check and the change concern the
 * same entry. It needs no right to read the directory, and follows no link. Throws EXDEV for a directory on another
 * mount.
 */
export const permit = (calls: DirFd, fd: number, name: Name): boolean => {
  const entry = calls.openEntry(fd, name)
  try {
    return permitOpen(calls, entry)
  } finally {
    calls.close(entry)
  }
}

/** {@link permit} of an absolute path, with no symbolic link in any component. */
export const permitAt = (calls: DirFd, path: string): boolean => {
  const place = placeOf(path)
  if (place === undefined) throw coded("EBUSY", "no name in a directory")
  const parent = calls.openPath(place.parent)
  try {
    return permit(calls, parent, nameOf(place.name))
  } finally {
    calls.close(parent)
  }
}
