/**
 * Tells a tree that gets smaller, however slowly, from a tree that another process fills as fast as it is removed. This module makes
 * no system calls.
 *
 * A look counts the entries of a directory before the first of them is removed. Those entries are expected to go, and each one that
 * goes is progress. An entry that was created after the look is no progress: a process that keeps writing creates such entries
 * forever. A directory that is looked at again has got smaller if the look finds fewer entries than every look before.
 */

import * as Duration from "effect/Duration"

/** The entries of one directory. */
export interface Counted {
  /** `false`: the directory itself was created after the look at its parent. Its entries aren't progress. */
  readonly counts: boolean
  /** Entries that the current look has found so far. */
  found: number
  /** Fewest entries that a look has found. */
  fewest: number
  /** Entries that a look has found and that are still there. */
  expected: number
}

/** `above`: the parent, `undefined` for the top of the tree. */
export const counted = (above: Pick<Counted, "expected"> | undefined): Counted => ({
  counts: above === undefined || above.expected > 0,
  found: 0,
  fewest: Infinity,
  expected: 0
})

export interface Patience {
  /** A look at a directory has found all of its entries. */
  readonly looked: (directory: Counted) => void
  /** An entry is gone. */
  readonly removed: (directory: Counted) => void
  /** An entry was renamed from one directory into another. */
  readonly moved: (from: Counted, to: Counted) => void
  /**
   * `true`: no entry of the directory is expected any more, and the tree hasn't got smaller for the whole time. Once `true` for one
   * directory, no other directory gets any more time.
   */
  readonly isUsedUp: (directory: Counted) => boolean
}

/** How long a tree may take without getting smaller. */
export const standard: Duration.Duration = Duration.seconds(30)

/** `time`: how long a tree may take without getting smaller. `now`: milliseconds. */
export const make = (now: () => number, time: Duration.Duration = standard): Patience => {
  const millis = Duration.toMillis(time)
  let since = now()
  let isOver = false
  return {
    looked: (directory) => {
      const { counts, expected, fewest, found } = directory
      const isSmaller = counts && found < fewest
      if (isSmaller) since = now()
      directory.expected = isSmaller ? found : Math.min(expected, found)
      directory.fewest = Math.min(fewest, found)
      directory.found = 0
    },
    removed: (directory) => {
      if (directory.expected === 0) return
      directory.expected -= 1
      since = now()
    },
    moved: (from, to) => {
      if (from.expected === 0) return
      from.expected -= 1
      to.expected += 1
      since = now()
    },
    isUsedUp: ({ expected }) => {
      if (expected > 0) return false
      isOver ||= now() - since > millis
      return isOver
    }
  }
}
