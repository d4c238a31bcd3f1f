/** Moves deep directories up. The removal of a tree of any depth therefore needs a bounded number of descriptors. */
import type { DirectoryCalls } from "../../DirectoryCalls.ts"
import { coded, errnoOf } from "../../Errno.ts"
import type { Permitted } from "./permitting.ts"
import * as Levels from "./level.ts"

/** Minimum depth of a directory that is moved up. */
const maxDepth = 32

/** Minimum number of levels by which a directory is moved up. */
const minRise = 16

/** Minimum depth at which the removal gives up a directory that can't be moved up. */
const maxOpen = 128

const prefix = ".vm-sentinel-hoist."

export interface Hoisting<Name> {
  /**
   * Renames a deep directory into the top, or as far up as a rename can go. Returns its new parent. `undefined`: the
   * directory wasn't moved.
   */
  readonly hoist: (level: Levels.Level<Name>) => Levels.Level<Name> | undefined
  /** Original path of an entry that was moved up. */
  readonly originOf: (name: Name) => Levels.Origin | undefined
  /** Forgets an entry that is gone. */
  readonly forget: (name: Name) => void
}

export const make = <Name>(calls: DirectoryCalls<Name>, permitted: Permitted<Name>): Hoisting<Name> => {
  type Level = Levels.Level<Name>
  const { textOf } = calls
  /** Original paths of the directories that were moved up, by their present names. */
  const origins = new Map<string, Levels.Origin>()
  /** Part of each new name that distinguishes it from the names that an earlier, killed removal gave. */
  let tag: string | undefined
  let count = 0

  const move = (level: Level, above: Level, target: Level): void => {
    tag ??= crypto.randomUUID()
    count += 1
    const moved = `${prefix}${tag}.${count}`
    const origin = Levels.originOf(level, textOf)
    permitted([above, target], level.name, () => calls.rename(above.fd, level.name, target.fd, calls.nameOf(moved)))
    if (origin !== undefined) origins.set(moved, origin)
  }

  return {
    hoist: (level) => {
      const { above } = level
      if (above === undefined || level.depth < maxDepth) return undefined
      for (const target of Levels.levelsAbove(level)) {
        if (level.depth - target.depth < minRise) break
        try {
          move(level, above, target)
          target.isHoistedInto = true
          return target
        } catch (cause) {
          // A rename can't move a directory out of a subvolume of btrfs, or out of a directory with its own project id.
          if (errnoOf(cause) !== "EXDEV") throw cause
        }
      }
      if (level.depth < maxOpen) return undefined
      throw coded("EXDEV", "too deep, and it can't be moved up")
    },
    originOf: (name) => (origins.size === 0 ? undefined : origins.get(textOf(name))),
    forget: (name) => void origins.delete(textOf(name))
  }
}
