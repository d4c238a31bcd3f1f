/** State of one directory of a tree during the tree's removal. This module makes no system calls. */
import type { DirectoryListing } from "../DirectoryCalls.ts"

export interface Level<Name> {
  readonly fd: number
  readonly name: Name
  readonly listing: DirectoryListing<Name>
  /** The parent directory. `undefined`: this level is the top of the tree. */
  readonly above: Level<Name> | undefined
  /** Number of directories above, up to the top. */
  readonly depth: number
  /** Original path, relative to the top, of a directory that was moved up to the top. `undefined` for every other. */
  readonly origin: string | undefined
  /** Sentinels of the directory, unlinked last: a directory names its owner as long as it holds anything else. */
  sentinels: Array<Name>
  /** `true`: all entries were read once. Nothing in a directory is removed before. */
  isLookedThrough: boolean
  /** An entry was removed since the listing was last rewound. */
  hasProgress: boolean
  /** An entry can't be removed, or has to stay. */
  isStuck: boolean
  /** How often the listing was read again because `rmdir` found the directory not empty. */
  passes: number
}

export type Opened<Name> = Pick<Level<Name>, "fd" | "listing" | "name">

/** The top of a tree. The caller has judged its sentinels: the removal needn't look for sentinels of others in it. */
export const top = <Name>(opened: Opened<Name>): Level<Name> => ({
  ...opened,
  above: undefined,
  depth: 0,
  origin: undefined,
  sentinels: [],
  isLookedThrough: true,
  hasProgress: false,
  isStuck: false,
  passes: 0
})

export const inner = <Name>(
  { fd, listing, name }: Opened<Name>,
  above: Level<Name>,
  origin: string | undefined
): Level<Name> => ({
  fd,
  listing,
  name,
  above,
  depth: above.depth + 1,
  origin,
  sentinels: [],
  isLookedThrough: false,
  hasProgress: false,
  isStuck: false,
  passes: 0
})

/** Resets a level whose listing is read from the beginning again. */
export const beginAnew = <Name>(level: Level<Name>): void => {
  level.hasProgress = false
  level.sentinels = []
}

/** Joins the names from below the top down to `entry`. */
const joined = <Name>(
  level: Level<Name>,
  entry: ReadonlyArray<string>,
  nameOf: (level: Level<Name>) => string
): string => {
  const names = [...entry]
  for (let at = level; at.above !== undefined; at = at.above) names.unshift(nameOf(at))
  return names.join("/")
}

/** Current path of a directory, or of an entry in it, relative to the top. `""`: the top itself. */
export const pathOf = <Name>(
  level: Level<Name>,
  textOf: (name: Name) => string,
  ...entry: ReadonlyArray<string>
): string => joined(level, entry, ({ name }) => textOf(name))

/** Original path of a directory, or of an entry in it, relative to the top: before any directory was moved up. */
export const originOf = <Name>(
  level: Level<Name>,
  textOf: (name: Name) => string,
  ...entry: ReadonlyArray<string>
): string => joined(level, entry, ({ name, origin }) => origin ?? textOf(name))
