/**
 * Distinguishes a tree that gets smaller, however slowly, from a tree that another process fills as fast as it is
 * removed. This module makes no system calls.
 *
 * A look counts the entries of a directory before the first of them is removed. These entries are expected to go, and
 * the removal of one is progress. The removal of an entry that was created after the look isn't progress, since a
 * process that keeps writing creates such entries for ever. The next look shows whether more entries were removed, from
 * the directory and below it, than were created. If not, the removals since the last look weren't progress either.
 */
import * as Duration from "effect/Duration"

/** The entries of one directory. */
export interface Counted {
  /**
   * `false`: `expected` of the parent was 0 when this directory was entered, so the directory may be newer than the
   * look at its parent. The removal of its entries isn't progress.
   */
  readonly counts: boolean
  /** Entries that the current look has found so far. */
  found: number
  /** Entries that the last look found, plus those that were moved in since, minus those that were moved out. */
  known: number
  /** Entries of the last look that are still there and whose removal is progress. */
  expected: number
  /** Expected entries that were removed from the directory itself since the last look. */
  gone: number
  /** Expected entries that had been removed from the whole tree by the last look. */
  goneBefore: number
  /**
   * Size at the last look: the entries of the first look, minus those removed from the directory and below it, plus
   * those that were created.
   */
  size: number
  /** The smallest size so far. */
  least: number
  /** Time of the last look that found the directory smaller. */
  smallerAt: number
  /** `dueAt`: time of the next look. `interval`: milliseconds from one look to the next. */
  dueAt: number
  interval: number
}

/** `above`: the parent, `undefined` for the top of the tree. */
export const counted = (above: Pick<Counted, "expected"> | undefined): Counted => ({
  counts: above === undefined || above.expected > 0,
  found: 0,
  known: 0,
  expected: 0,
  gone: 0,
  goneBefore: 0,
  size: 0,
  least: Infinity,
  smallerAt: 0,
  dueAt: Infinity,
  interval: 0
})

export interface Patience {
  /** A look at a directory has found all of its entries. */
  readonly looked: (directory: Counted) => void
  /** An entry is gone. */
  readonly removed: (directory: Counted) => void
  /** An entry was renamed from one directory into another. */
  readonly moved: (from: Counted, to: Counted) => void
  /**
   * `true`: the interval since the last look is over, and entries were removed. A new look has to show whether the
   * directory gets smaller.
   */
  readonly isLookDue: (directory: Counted) => boolean
  /**
   * `true`: no entry of the directory is expected to go (`expected` is 0), and the tree hasn't got smaller for `time`.
   * After the first `true` no other directory of the tree gets more time.
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
  /** Expected entries that were removed from the whole tree. */
  let total = 0
  return {
    looked: (directory) => {
      const { expected, found } = directory
      const isFirst = directory.least === Infinity
      const wentBelow = total - directory.goneBefore - directory.gone
      directory.size += isFirst ? found : found - directory.known - wentBelow
      if (directory.counts && directory.size < directory.least) {
        since = now()
        Object.assign(directory, { expected: found, smallerAt: since })
      } else if (isFirst || total === directory.goneBefore) {
        directory.expected = Math.min(expected, found)
      } else {
        directory.expected = 0
        since = Math.min(since, directory.smallerAt)
      }
      const least = Math.min(directory.least, directory.size)
      const interval = directory.interval === 0 ? millis : directory.interval
      const next = { found: 0, known: found, gone: 0, goneBefore: total, least, interval, dueAt: now() + interval }
      Object.assign(directory, next)
    },
    removed: (directory) => {
      if (directory.expected === 0) return
      directory.expected -= 1
      directory.gone += 1
      total += 1
      since = now()
    },
    moved: (from, to) => {
      if (from.expected === 0) return
      from.expected -= 1
      from.known -= 1
      to.expected += 1
      to.known += 1
      since = now()
    },
    isLookDue: (directory) => {
      if (total === directory.goneBefore || now() < directory.dueAt) return false
      directory.interval *= 2
      return true
    },
    isUsedUp: ({ expected }) => {
      if (expected > 0) return false
      isOver ||= now() - since > millis
      return isOver
    }
  }
}
