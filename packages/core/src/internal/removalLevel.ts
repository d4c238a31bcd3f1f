/** A directory that is being removed, and where it lies in its tree. No calls are made here. */
import type { DirectoryListing } from "../DirectoryCalls.ts"

export interface Level<Name> {
  readonly fd: number
  readonly name: Name
  readonly listing: DirectoryListing<Name>
  /** The directory that it lies in. `undefined`: it is the top of the tree. */
  readonly above: Level<Name> | undefined
  /** Directories above it in the tree. */
  readonly depth: number
  /** Where a directory that was moved up lay at the beginning. */
  readonly origin: string | undefined
  /** Its sentinels go when all else in it is gone: what says whose a directory is stays as long as anything else. */
  sentinels: Array<Name>
  /** Nothing in a directory is touched before all of it was looked through. */
  isLookedThrough: boolean
  /** Something in it was removed since it was last read from its beginning. */
  hasProgress: boolean
  /** Something in it can't be removed, or is to stay. */
  isStuck: boolean
  /** How often it was read again. */
  passes: number
}

export type Opened<Name> = Pick<Level<Name>, "fd" | "listing" | "name">

/** The caller has judged the sentinels of the top: the top needs no look. */
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

/** Before it is read from its beginning again. */
export const beginAnew = <Name>(level: Level<Name>): void => {
  level.hasProgress = false
  level.sentinels = []
}

/** Goes up to the top, which has no name in its own tree. */
const joined = <Name>(
  level: Level<Name>,
  entry: ReadonlyArray<string>,
  nameOf: (level: Level<Name>) => string
): string => {
  const names = [...entry]
  for (let at = level; at.above !== undefined; at = at.above) names.unshift(nameOf(at))
  return names.join("/")
}

/** Where a directory, or an entry of it, lies now, relative to the top. `""`: the top itself. */
export const pathOf = <Name>(
  level: Level<Name>,
  textOf: (name: Name) => string,
  ...entry: ReadonlyArray<string>
): string => joined(level, entry, ({ name }) => textOf(name))

/** Where it lay at the beginning, before anything was moved up. */
export const originOf = <Name>(
  level: Level<Name>,
  textOf: (name: Name) => string,
  ...entry: ReadonlyArray<string>
): string => joined(level, entry, ({ name, origin }) => origin ?? textOf(name))
