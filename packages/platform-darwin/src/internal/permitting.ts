/** Makes files of the calling user writable if their mode or their flags refuse a removal. */
import { coded } from "@vm-sentinel/core/Errno"
import { placeOf } from "@vm-sentinel/core/TreeRemoval"
import type { FileCalls } from "./fileCalls.ts"
import { idOf } from "./looking.ts"
import { keepingFlags } from "./permissionStructs.ts"

/** Rights of the owner to read, to change and to search. */
const all = 0o700

/** `dev_t` has 32 bits. */
const deviceOf = (fd: number): number => Number(BigInt.asIntN(32, BigInt(idOf(fd).dev)))

/**
 * Gives a directory u+rwx. Clears the flags `uchg` and `uappnd` of a file or a directory. Changes no entry on another
 * device and none of another user. Follows no symbolic link. `false`: nothing was changed.
 *
 * No descriptor pins the entry between the check and the change. If another file takes the name in between, the kernel
 * lets an ordinary user change that file only if the user owns it. Root can change a file of another user in this way.
 */
export const permit = (calls: FileCalls, fd: number, name: Buffer): boolean => {
  const { device, flags, isDirectory, mode, owner } = calls.permissions(fd, name)
  if (owner !== process.geteuid?.() || device !== deviceOf(fd)) return false
  const isKept = (flags & keepingFlags) !== 0
  const isClosed = isDirectory && (mode & all) !== all
  // The mode of an immutable file can't be changed, so its flags are cleared first.
  if (isKept) calls.setFlags(fd, name, (flags & ~keepingFlags) >>> 0)
  if (isClosed) calls.setMode(fd, name, mode | all)
  return isKept || isClosed
}

/** {@link permit} of an absolute path, with no symbolic link in any component. */
export const permitAt = (calls: FileCalls, path: string): boolean => {
  const place = placeOf(path)
  if (place === undefined) throw coded("EBUSY", "no name in a directory")
  const parent = calls.openReal(place.parent)
  try {
    return permit(calls, parent, Buffer.from(place.name))
  } finally {
    calls.close(parent)
  }
}
