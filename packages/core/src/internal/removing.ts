/** The steps of a tree's removal. A step handles one entry of one directory. */
import type { DirectoryCalls, ListedEntry } from "../DirectoryCalls.ts"
import { DiskError, type RemoveTreeOptions, type Stat } from "../DiskModel.ts"
import * as SentinelName from "../SentinelName.ts"
import { coded, errnoOf } from "../Errno.ts"
import { unsupported } from "./lockSupport.ts"
import * as Levels from "./removalLevel.ts"
import * as Opening from "./removalOpening.ts"

/** Directories that are open at once. A deeper one is moved up to the top first, so that no depth is too deep. */
const maxDepth = 32

/** How often a directory that isn't empty at its end is read. One that keeps being written to is left then. */
const maxPasses = 64

const hoistPrefix = ".vm-sentinel-hoist."

export interface Removing {
  /** `false`: all is done. */
  readonly step: () => boolean
  /** The first failure. */
  readonly failure: () => DiskError | undefined
  /** Subtrees that stayed as they were, relative to the top. */
  readonly stayed: () => ReadonlyArray<string>
  /** Closes all that is open. */
  readonly close: () => void
}

/**
 * The kind of a name. `ours`: a sentinel that goes last. `others`: a sentinel that keeps its directory. `gone`: a sentinel's name
 * that is missing now; the next pass looks again.
 */
type Kind = "directory" | "plain" | "ours" | "others" | "gone"

/** Throws where nothing is to be touched. */
export const begin = <Name>(
  calls: DirectoryCalls<Name>,
  path: string,
  place: Opening.Place,
  options: RemoveTreeOptions
): Removing => {
  type Level = Levels.Level<Name>
  const { lockInner = true, mayRemove = () => false } = options
  const { textOf } = calls
  const { mount, parent, top } = Opening.openTop(calls, path, place, options)
  let current: Level | undefined = top
  let first: DiskError | undefined
  const stayed = new Set<string>()
  /** Where a directory that was moved up lay at the beginning, by its name at the top. */
  const origins = new Map<string, string>()
  let hoistTag: string | undefined
  let hoisted = 0
  let isHoistedInto = false

  const pathOf = (level: Level, ...entry: ReadonlyArray<Name>): string =>
    Levels.pathOf(level, textOf, ...entry.map(textOf))

  const fullPathOf = (level: Level, ...entry: ReadonlyArray<Name>): string => {
    const relative = pathOf(level, ...entry)
    return relative === "" ? path : `${path}/${relative}`
  }

  /** ENOENT of an entry is no failure. ENOENT of the top is: somebody else has removed the tree. */
  const blame = (level: Level, operation: string, cause: unknown, ...entry: ReadonlyArray<Name>): void => {
    const errno = errnoOf(cause)
    if (errno === "ENOENT" && (level !== top || entry.length > 0)) return
    level.isStuck = true
    first ??= new DiskError({ errno, operation, path: fullPathOf(level, ...entry), cause })
  }

  const stay = (level: Level): void => {
    stayed.add(pathOf(level))
    level.isStuck = true
  }

  /** A stuck directory makes the one above it stuck. */
  const leave = (level: Level): void => {
    current = level.above
    if (current !== undefined && level.isStuck) current.isStuck = true
    Opening.close(calls, level)
  }

  /** Leaves `frame` when `isOver` answers true or throws. */
  const leaveWhen = (level: Level, isOver: (level: Level) => boolean): void => {
    let isLeft = true
    try {
      isLeft = isOver(level)
    } catch (cause) {
      blame(level, "delete", cause)
    }
    if (isLeft) leave(level)
  }

  /** A directory named like a sentinel is a directory. A sentinel below the top that can't be looked at counts as `others`. */
  const kindOf = (level: Level, { name, type }: ListedEntry<Name>): Kind => {
    if (type === "directory") return "directory"
    if (!SentinelName.isSentinel(textOf(name))) return "plain"
    if (level === top && type !== "unknown") return "ours"
    let stat: Pick<Stat, "id" | "type">
    try {
      stat = calls.statAt(level.fd, name)
    } catch (cause) {
      return errnoOf(cause) === "ENOENT" ? "gone" : level === top ? "ours" : "others"
    }
    if (stat.type === "directory") return "directory"
    return level === top || mayRemove(Levels.originOf(level, textOf, textOf(name)), stat.id) ? "ours" : "others"
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
    // `stayed` names it already: it stays even if its lock is free by now.
    if (stayed.size > 0 && stayed.has(pathOf(level, name))) {
      level.isStuck = true
      return
    }
    const opened = Opening.open(calls, level.fd, name, () => fullPathOf(level, name))
    current = Levels.inner(opened, level, level === top ? origins.get(textOf(name)) : undefined)
    leaveWhen(current, isBarred)
  }

  /** Moves a directory up to the top, under a name that no removal before this one, killed or not, has used. */
  const hoist = (level: Level, above: Level): void => {
    hoistTag ??= crypto.randomUUID()
    hoisted += 1
    const moved = `${hoistPrefix}${hoistTag}.${hoisted}`
    const origin = Levels.originOf(level, textOf)
    calls.rename(above.fd, level.name, top.fd, calls.nameOf(moved))
    origins.set(moved, origin)
    above.hasProgress = true
    isHoistedInto = true
  }

  /** Reads on in a directory that nothing was removed from yet. `true`: it stays as it is, or was moved up. */
  const lookOn = (level: Level): boolean => {
    const entry = level.listing.next()
    if (entry !== undefined) {
      const isOwned = kindOf(level, entry) === "others"
      if (isOwned) stay(level)
      return isOwned
    }
    level.listing.again()
    level.isLookedThrough = true
    if (level.above === undefined || level.depth < maxDepth) return false
    hoist(level, level.above)
    return true
  }

  /** `false`: it is a directory. */
  const isUnlinked = (level: Level, name: Name): boolean => {
    try {
      calls.unlink(level.fd, name)
      level.hasProgress = true
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
      // The sentinel came after the look. Its owner keeps the rest.
      stay(level)
      leave(level)
    } else if (kind === "plain") {
      if (type === "unknown") enterOrUnlink(level, name)
      else if (!isUnlinked(level, name)) enter(level, name)
    }
  }

  /** A sentinel below the top is checked again: it may have been rewritten since it was judged. */
  const unlinkSentinels = (level: Level): void => {
    for (const name of level.sentinels.splice(0)) {
      try {
        const kind = level === top ? "ours" : kindOf(level, { name, type: "unknown" })
        if (kind === "others") return stay(level)
        if (kind !== "ours") continue
        calls.unlink(level.fd, name)
        level.hasProgress = true
      } catch (cause) {
        blame(level, "unlink", cause, name)
      }
    }
  }

  /** `false`: it is to be read again. */
  const isRemovedOrStuck = (level: Level): boolean => {
    if (!level.isStuck) unlinkSentinels(level)
    if (level.isStuck) return true
    try {
      calls.removeDirectory(level.above?.fd ?? parent, level.name)
    } catch (cause) {
      if (errnoOf(cause) === "ENOTEMPTY" && level.hasProgress && (level.passes += 1) < maxPasses) return false
      blame(level, "rmdir", cause)
    }
    if (level.above !== undefined && !level.isStuck) level.above.hasProgress = true
    if (level.origin !== undefined && !level.isStuck) origins.delete(textOf(level.name))
    return true
  }

  /** A directory was read to its end. */
  const finish = (level: Level): void => {
    // Directories that `hoist` moved up go before the sentinels of the top.
    const isLast = level !== top || !isHoistedInto
    if (isLast && isRemovedOrStuck(level)) return leave(level)
    level.listing.rewind()
    Levels.beginAnew(level)
    if (level === top) isHoistedInto = false
  }

  /** A directory that can't be read to its end keeps its sentinels. */
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
