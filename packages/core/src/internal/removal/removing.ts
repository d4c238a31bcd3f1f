/** The steps of a tree's removal. A step handles one entry of one directory. */
import type { DirectoryCalls, ListedEntry } from "../../DirectoryCalls.ts"
import { DiskError, type RemoveTreeOptions } from "../../DiskModel.ts"
import * as SentinelName from "../../SentinelName.ts"
import { coded, errnoOf } from "../../Errno.ts"
import * as Hoisting from "./hoisting.ts"
import { isJudged } from "./judged.ts"
import { unsupported } from "../disk/lockSupport.ts"
import * as Patience from "./patience.ts"
import * as Permitting from "./permitting.ts"
import * as Levels from "./level.ts"
import * as Opening from "./opening.ts"

export interface Removing {
  /** Handles one entry. `false`: the removal has ended. */
  readonly step: () => boolean
  /** The first failure. */
  readonly failure: () => DiskError | undefined
  /** Paths of the subtrees that have to stay, relative to the top. */
  readonly stayed: () => ReadonlyArray<string>
  /** Closes every open descriptor. */
  readonly close: () => void
}

/**
 * Kind of an entry. `ours`: a sentinel that may be removed, after all other entries. `others`: a sentinel that may not
 * be removed, so its directory stays. `gone`: an entry with a sentinel's name that has vanished since it was listed.
 */
type Kind = "directory" | "plain" | "ours" | "others" | "gone"

/**
 * Begins the removal of a tree. Throws the errors of {@link Opening.openTop} before anything is touched. `now`:
 * milliseconds.
 */
export const begin = <Name>(
  calls: DirectoryCalls<Name>,
  path: string,
  place: Opening.Place,
  options: RemoveTreeOptions,
  now: () => number
): Removing => {
  type Level = Levels.Level<Name>
  const { inPlace = false, judged, lockInner = true, mayRemove = () => false, sentinels = [] } = options
  const { textOf } = calls
  const { mount, parent, top } = Opening.openTop(calls, path, place, options)
  const patience = Patience.make(now, options.patience)
  const permitted = Permitting.make(calls, parent)
  const hoisting = Hoisting.make(calls, permitted)
  let current: Level | undefined = top
  let first: DiskError | undefined
  const stayed = new Set<string>()

  const pathOf = (level: Level, ...entry: ReadonlyArray<Name>): string =>
    Levels.pathOf(level, textOf, ...entry.map(textOf))

  const fullPathOf = (level: Level, ...entry: ReadonlyArray<Name>): string => {
    const relative = pathOf(level, ...entry)
    return relative === "" ? path : `${path}/${relative}`
  }

  /** Records a failure. ENOENT is a failure only for the top, which another process has removed. */
  const blame = (level: Level, operation: string, cause: unknown, ...entry: ReadonlyArray<Name>): void => {
    const errno = errnoOf(cause)
    if (errno === "ENOENT" && (level !== top || entry.length > 0)) return
    level.isStuck = true
    first ??= new DiskError({ errno, operation, path: fullPathOf(level, ...entry), cause })
  }

  const stay = (level: Level): void => {
    stayed.add(level === top ? "." : pathOf(level))
    level.isStuck = true
  }

  /** Closes `level` and goes on in its parent. A stuck directory makes its parent stuck. */
  const leave = (level: Level): void => {
    current = level.above
    if (current !== undefined && level.isStuck) current.isStuck = true
    Opening.close(calls, level)
  }

  /** Leaves `level` if `isOver` returns `true` or throws. */
  const leaveWhen = (level: Level, isOver: (level: Level) => boolean): void => {
    let isLeft = true
    try {
      isLeft = isOver(level)
    } catch (cause) {
      blame(level, "delete", cause)
    }
    if (isLeft) leave(level)
  }

  /** Whether the sentinels of a directory are asked about. */
  const isAsked = (level: Level): boolean => level !== top || judged !== undefined

  const mayUnlink = (level: Level, name: Name, stat: ReturnType<typeof calls.statAt>): boolean =>
    level === top
      ? judged === undefined || isJudged(judged, textOf(name), stat)
      : mayRemove(Levels.originalPath(level, textOf, textOf(name)), stat)

  /**
   * A directory with a sentinel's name isn't a sentinel. A sentinel that has to be asked about counts as `others` if
   * `statAt` fails.
   */
  const kindOf = (level: Level, { name, type }: ListedEntry<Name>): Kind => {
    if (type === "directory") return "directory"
    if (!SentinelName.isSentinel(textOf(name), sentinels)) return "plain"
    if (!isAsked(level) && type !== "unknown") return "ours"
    let stat: ReturnType<typeof calls.statAt>
    try {
      stat = permitted([level], name, () => calls.statAt(level.fd, name))
    } catch (cause) {
      return errnoOf(cause) === "ENOENT" ? "gone" : isAsked(level) ? "others" : "ours"
    }
    if (stat.type === "directory") return "directory"
    return mayUnlink(level, name, stat) ? "ours" : "others"
  }

  const isHeld = (fd: number): boolean => {
    const errno = calls.lock(fd)
    if (errno === "EAGAIN") return true
    if (errno === undefined || unsupported.has(errno)) return false
    throw coded(errno, "the lock can't be asked for")
  }

  const isBarred = (level: Level): boolean => {
    if (calls.mount(level.fd) !== mount) throw coded("EXDEV", "on another mount")
    if (!lockInner || !isHeld(level.fd)) return false
    stay(level)
    return true
  }

  const enter = (level: Level, name: Name): void => {
    // A directory that `stayed` already names has to stay, even if its lock has been released since.
    if (stayed.size > 0 && stayed.has(pathOf(level, name))) {
      level.isStuck = true
      return
    }
    const opened = permitted([level], name, () => Opening.open(calls, level.fd, name, () => fullPathOf(level, name)))
    current = Levels.inner(opened, level, hoisting.originOf(name))
    leaveWhen(current, isBarred)
  }

  /** Counts an entry that is gone. */
  const removed = (level: Level): void => {
    level.hasProgress = true
    patience.removed(level)
  }

  /** `true`: the directory was moved up. */
  const isHoisted = (level: Level): boolean => {
    const target = hoisting.hoist(level)
    if (target === undefined || level.above === undefined) return false
    level.above.hasProgress = true
    patience.moved(level.above, target)
    return true
  }

  /** Gives up the highest directory that doesn't get smaller, with all open directories below it. */
  const giveUp = (level: Level): void => {
    let culprit = level
    while (culprit.above?.expected === 0) culprit = culprit.above
    blame(culprit, "rmdir", coded("ENOTEMPTY", "it doesn't get smaller: something keeps writing into it"))
    for (let at: Level | undefined = level; at !== undefined && at !== culprit.above; at = at.above) leave(at)
  }

  /**
   * Looks at one entry of a directory before a pass that removes entries. `true`: the directory has to stay, or was
   * moved up.
   */
  const lookOn = (level: Level): boolean => {
    const entry = level.listing.next()
    if (entry !== undefined) {
      level.found += 1
      const isOwned = isAsked(level) && kindOf(level, entry) === "others"
      if (isOwned) stay(level)
      return isOwned
    }
    if (level.isUnguarded) throw coded("ENOTEMPTY", "another process has written into it")
    patience.looked(level)
    level.listing.again()
    level.isLookedThrough = true
    return isHoisted(level)
  }

  /** `false`: the name is that of a directory. */
  const isUnlinked = (level: Level, name: Name): boolean => {
    try {
      permitted([level], name, () => calls.unlink(level.fd, name))
      removed(level)
      return true
    } catch (cause) {
      if (errnoOf(cause) === "EISDIR") return false
      throw cause
    }
  }

  const enterOrUnlink = (level: Level, name: Name): void => {
    try {
      enter(level, name)
    } catch (cause) {
      const errno = errnoOf(cause)
      if ((errno !== "ENOTDIR" && errno !== "ELOOP") || !isUnlinked(level, name)) throw cause
    }
  }

  const remove = (level: Level, entry: ListedEntry<Name>): void => {
    const { name, type } = entry
    const kind = kindOf(level, entry)
    if (kind === "directory") enter(level, name)
    else if (kind === "ours") level.sentinels.push(name)
    else if (kind === "others") {
      // This sentinel was created, replaced or written to after the look at all entries, or `statAt` fails. Its owner
      // keeps the entries that are left.
      stay(level)
      leave(level)
    } else if (kind === "plain") {
      if (type === "unknown") enterOrUnlink(level, name)
      else if (!isUnlinked(level, name)) enter(level, name)
    }
  }

  const isMark = (name: Name): boolean => textOf(name) === SentinelName.removingName

  /**
   * Asks a second time about a sentinel, because another process may have replaced the sentinel since the judgement. The
   * mark of a deletion is removed last, and stays if another sentinel stays. Without the mark an owner could take the
   * directory.
   */
  const unlinkSentinels = (level: Level): void => {
    for (const name of level.sentinels.splice(0).toSorted((a, b) => Number(isMark(a)) - Number(isMark(b)))) {
      if (level.isStuck && isMark(name)) return
      try {
        const kind = isAsked(level) ? kindOf(level, { name, type: "unknown" }) : "ours"
        if (kind === "others") return stay(level)
        if (kind !== "ours") continue
        permitted([level], name, () => calls.unlink(level.fd, name))
        removed(level)
      } catch (cause) {
        blame(level, "unlink", cause, name)
      }
    }
  }

  /**
   * Removes a directory after its last entry. `false`: the listing has to be read again.
   *
   * An owner may take a directory that lies in place as soon as its sentinels are gone. They therefore go after a pass
   * that found nothing else, and nothing is removed after them.
   */
  const isRemovedOrStuck = (level: Level): boolean => {
    const isGuarded = inPlace && level.sentinels.length > 0
    if (isGuarded && level.hasProgress && !level.isStuck) return false
    level.isUnguarded = isGuarded
    if (!level.isStuck) unlinkSentinels(level)
    if (level.isStuck) return true
    const { above, name } = level
    try {
      permitted(above === undefined ? [] : [above], name, () => calls.removeDirectory(above?.fd ?? parent, name))
    } catch (cause) {
      if (errnoOf(cause) === "ENOTEMPTY" && level.hasProgress && !patience.isUsedUp(level)) return false
      blame(level, "rmdir", cause)
    }
    if (above !== undefined && !level.isStuck) removed(above)
    if (level.origin !== undefined && !level.isStuck) hoisting.forget(name)
    return true
  }

  const beginAnew = (level: Level): void => {
    level.listing.rewind()
    Levels.beginAnew(level)
  }

  /** Handles the end of a listing. */
  const finish = (level: Level): void => {
    // Directories that were moved up are removed before the sentinels of the directory that they were moved into.
    if (!level.isHoistedInto && isRemovedOrStuck(level)) return leave(level)
    beginAnew(level)
  }

  /** Reads the next entry. A directory whose listing fails keeps its sentinels. */
  const nextIn = (level: Level): ListedEntry<Name> | undefined => {
    try {
      return level.listing.next()
    } catch (cause) {
      blame(level, "readdir", cause)
      level.sentinels = []
      return undefined
    }
  }

  const handleNext = (level: Level): void => {
    const entry = nextIn(level)
    if (entry === undefined) return finish(level)
    if (patience.isUsedUp(level)) return giveUp(level)
    if (patience.isLookDue(level)) return beginAnew(level)
    try {
      remove(level, entry)
    } catch (cause) {
      blame(level, "delete", cause, entry.name)
    }
  }

  return {
    step: () => {
      if (current === undefined) return false
      if (current.isLookedThrough) handleNext(current)
      else leaveWhen(current, lookOn)
      return current !== undefined
    },
    failure: () => first,
    stayed: () => [...stayed].sort(),
    close: () => {
      try {
        for (; current !== undefined; current = current.above) Opening.close(calls, current)
      } finally {
        calls.close(parent)
      }
    }
  }
}
