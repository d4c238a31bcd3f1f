/** Moves deep directories up: the removal of a tree of any depth needs few descriptors. */
import type { DirectoryCalls } from "../../DirectoryCalls.ts"
import { coded, errnoOf } from "../../Errno.ts"
import type { Permitted } from "./permitting.ts"
import * as Levels from "./level.ts"

/** A directory at this depth is moved up. */
const maxDepth = 32

/** The fewest levels by which a directory is moved up. */
const minRise = 16

/** Depth at which a directory that can't be moved up is given up. */
const maxOpen = 128

const prefix = ".vm-sentinel-hoist."

export interface Hoisting<Name> {
  /**
   * Renames a deep directory into the top, or as far up as a rename can go. Returns the directory that it lies in now.
   * `undefined`: it stays where it is.
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
  /** Original paths, by the present names of the directories. */
  const origins = new Map<string, Levels.Origin>()
  /** Part of each new name, which distinguishes it from the names of earlier, killed removals. */
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
          // A rename can't leave a subvolume of btrfs, nor a directory with a project id of its own.
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
