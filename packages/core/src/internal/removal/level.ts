/** State of one directory of a tree during the tree's removal. This module makes no system calls. */
import type { DirectoryListing } from "../../DirectoryCalls.ts"
import { counted, type Counted } from "./patience.ts"

/**
 * Original path of a directory that was moved up, as a list of parts. The parts are joined only if an entry's path is
 * needed, because the path of a deep directory is long.
 */
export interface Origin {
  readonly names: string
  readonly above: Origin | undefined
}

export interface Level<Name> extends Counted {
  readonly fd: number
  readonly name: Name
  readonly listing: DirectoryListing<Name>
  /** The parent directory. `undefined`: this level is the top of the tree. */
  readonly above: Level<Name> | undefined
  /** Number of directories above, up to the top. */
  readonly depth: number
  /** Original path, relative to the top, of a directory that was moved up. `undefined` for every other directory. */
  readonly origin: Origin | undefined
  /**
   * Sentinels of the directory. They are unlinked last, so a directory names its owner as long as it holds anything
   * else.
   */
  sentinels: Array<Name>
  /**
   * `true`: all entries were counted and, unless all sentinels of the top may go, checked for sentinels of others.
   * Nothing is removed before that.
   */
  isLookedThrough: boolean
  /** An entry was removed or moved up since the listing was last rewound. */
  hasProgress: boolean
  /** An entry can't be removed, or has to stay. */
  isStuck: boolean
  /** A directory was moved up into this one since the listing was last rewound. */
  isHoistedInto: boolean
  /** The directory lies in place, and its sentinels are gone. An owner may have taken it. */
  isUnguarded: boolean
  /** The removal has already tried, after a refusal, to make the directory writable. */
  isPermitted: boolean
}

export type Opened<Name> = Pick<Level<Name>, "fd" | "listing" | "name">

const state = () => ({
  isLookedThrough: false,
  hasProgress: false,
  isStuck: false,
  isHoistedInto: false,
  isUnguarded: false,
  isPermitted: false
})

export const top = <Name>({ fd, listing, name }: Opened<Name>): Level<Name> => ({
  fd,
  listing,
  name,
  above: undefined,
  depth: 0,
  origin: undefined,
  sentinels: [],
  ...state(),
  ...counted(undefined)
})

export const inner = <Name>(
  { fd, listing, name }: Opened<Name>,
  above: Level<Name>,
  origin: Origin | undefined
): Level<Name> => ({
  fd,
  listing,
  name,
  above,
  depth: above.depth + 1,
  origin,
  sentinels: [],
  ...state(),
  ...counted(above)
})

/** Resets a level before its listing is read again from the beginning. */
export const beginAnew = <Name>(level: Level<Name>): void => {
  level.isLookedThrough = false
  level.hasProgress = false
  level.isHoistedInto = false
  level.sentinels = []
}

/** The levels from the top down to the parent of a level. */
export const levelsAbove = <Name>(level: Level<Name>): ReadonlyArray<Level<Name>> => {
  const levels: Array<Level<Name>> = []
  for (let at = level.above; at !== undefined; at = at.above) levels.push(at)
  return levels.toReversed()
}

/** Current path of a directory, or of an entry in it, relative to the top. `""`: the top itself. */
export const pathOf = <Name>(
  level: Level<Name>,
  textOf: (name: Name) => string,
  ...entry: ReadonlyArray<string>
): string => {
  const names = [...entry]
  for (let at = level; at.above !== undefined; at = at.above) names.unshift(textOf(at.name))
  return names.join("/")
}

/** Path that a directory had before any directory was moved up. `undefined`: the top. */
export const originOf = <Name>(level: Level<Name>, textOf: (name: Name) => string): Origin | undefined => {
  const names: Array<string> = []
  let at = level
  for (; at.above !== undefined && at.origin === undefined; at = at.above) names.unshift(textOf(at.name))
  return names.length === 0 ? at.origin : { names: names.join("/"), above: at.origin }
}

/** Path, relative to the top, that an entry had before any directory was moved up. */
export const originalPath = <Name>(level: Level<Name>, textOf: (name: Name) => string, entry: string): string => {
  const parts = [entry]
  for (let at = originOf(level, textOf); at !== undefined; at = at.above) parts.push(at.names)
  return parts.toReversed().join("/")
}
