/** Makes entries of the calling user writable if their mode, or on macOS a flag, refuses a removal. */
import type { DirectoryCalls } from "../../DirectoryCalls.ts"
import { errnoOf, isRefusal } from "../../Errno.ts"
import type { Level } from "./level.ts"

/**
 * Makes a call about an entry of the first directory. If the call is refused, the directories and the entry are made
 * writable. If that changes any of them, the call is made again. Without a directory, the entry is the tree itself, and
 * its parent stays as it is.
 */
export type Permitted<Name> = <A>(levels: ReadonlyArray<Level<Name>>, name: Name, call: () => A) => A

/** `parent`: descriptor of the directory that the tree lies in. */
export const make = <Name>(calls: DirectoryCalls<Name>, parent: number): Permitted<Name> => {
  const permit = (fd: number, name: Name): boolean => {
    try {
      return calls.permit(fd, name)
    } catch {
      return false
    }
  }

  /** Makes each directory writable at most once. A later refusal has another cause. */
  const permitLevel = (level: Level<Name>): boolean => {
    if (level.isPermitted) return false
    level.isPermitted = true
    return permit(level.above?.fd ?? parent, level.name)
  }

  return (levels, name, call) => {
    try {
      return call()
    } catch (cause) {
      if (!isRefusal(errnoOf(cause))) throw cause
      const changed = levels.filter(permitLevel).length
      if (!permit(levels[0]?.fd ?? parent, name) && changed === 0) throw cause
      return call()
    }
  }
}
