/** Files of ours whose mode or flags keep them as they are: a removal makes them writable. */
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
 * Gives a directory u+rwx. Takes the flags `uchg` and `uappnd` from a file or a directory. Nothing on another device,
 * and nothing of another user. Nothing is followed. `false`: nothing was changed.
 *
 * There is no descriptor between the check and the change. Another file that comes in between is changed by the same
 * user only if it is that user's: the kernel requires it of all but root, whom no mode refuses.
 */
export const permit = (calls: FileCalls, fd: number, name: Buffer): boolean => {
  const { device, flags, isDirectory, mode, owner } = calls.permissions(fd, name)
  if (owner !== process.geteuid?.() || device !== deviceOf(fd)) return false
  const isKept = (flags & keepingFlags) !== 0
  const isClosed = isDirectory && (mode & all) !== all
  // The mode of what is immutable can't be changed.
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
