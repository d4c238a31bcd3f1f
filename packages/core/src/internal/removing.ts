/** The steps of a tree's removal. A step handles one entry of one directory. */
import type { DirectoryCalls, ListedEntry } from "../DirectoryCalls.ts"
import { DiskError, type RemoveTreeOptions, type Stat } from "../DiskModel.ts"
import * as SentinelName from "../SentinelName.ts"
import { coded, errnoOf } from "../Errno.ts"
import { unsupported } from "./lockSupport.ts"
import * as Frames from "./removalFrame.ts"
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
  type Frame = Frames.Frame<Name>
  const { lockInner = true, mayRemove = () => false } = options
  const { textOf } = calls
  const { mount, parent, top } = Opening.openTop(calls, path, place, options)
  let current: Frame | undefined = top
  let first: DiskError | undefined
  const stayed = new Set<string>()
  /** Where a directory that was moved up lay at the beginning, by its name at the top. */
  const origins = new Map<string, string>()
  let hoistTag: string | undefined
  let hoisted = 0
  let isHoistedInto = false

  const pathOf = (frame: Frame, ...entry: ReadonlyArray<Name>): string =>
    Frames.pathOf(frame, textOf, ...entry.map(textOf))

  const fullPathOf = (frame: Frame, ...entry: ReadonlyArray<Name>): string => {
    const relative = pathOf(frame, ...entry)
    return relative === "" ? path : `${path}/${relative}`
  }

  /** ENOENT of an entry is no failure. ENOENT of the top is: somebody else has removed the tree. */
  const blame = (frame: Frame, operation: string, cause: unknown, ...entry: ReadonlyArray<Name>): void => {
    const errno = errnoOf(cause)
    if (errno === "ENOENT" && (frame !== top || entry.length > 0)) return
    frame.isStuck = true
    first ??= new DiskError({ errno, operation, path: fullPathOf(frame, ...entry), cause })
  }

  const stay = (frame: Frame): void => {
    stayed.add(pathOf(frame))
    frame.isStuck = true
  }

  /** A stuck directory makes the one above it stuck. */
  const leave = (frame: Frame): void => {
    current = frame.above
    if (current !== undefined && frame.isStuck) current.isStuck = true
    Opening.close(calls, frame)
  }

  /** Leaves `frame` when `isOver` answers true or throws. */
  const leaveWhen = (frame: Frame, isOver: (frame: Frame) => boolean): void => {
    let isLeft = true
    try {
      isLeft = isOver(frame)
    } catch (cause) {
      blame(frame, "delete", cause)
    }
    if (isLeft) leave(frame)
  }

  /** A directory named like a sentinel is a directory. A sentinel below the top that can't be looked at counts as `others`. */
  const kindOf = (frame: Frame, { name, type }: ListedEntry<Name>): Kind => {
    if (type === "directory") return "directory"
    if (!SentinelName.isSentinel(textOf(name))) return "plain"
    if (frame === top && type !== "unknown") return "ours"
    let stat: Pick<Stat, "id" | "type">
    try {
      stat = calls.statAt(frame.fd, name)
    } catch (cause) {
      return errnoOf(cause) === "ENOENT" ? "gone" : frame === top ? "ours" : "others"
    }
    if (stat.type === "directory") return "directory"
    return frame === top || mayRemove(Frames.originOf(frame, textOf, textOf(name)), stat.id) ? "ours" : "others"
  }

  const isHeld = (fd: number): boolean => {
    const errno = calls.lock(fd)
    if (errno === "EAGAIN") return true
    if (errno === undefined || unsupported.has(errno)) return false
    throw coded(errno, "the lock can't be asked for")
  }

  const isBarred = (frame: Frame): boolean => {
    if (calls.mount(frame.fd) !== mount) throw coded("EXDEV", "on another mount")
    if (!lockInner || !isHeld(frame.fd)) return false
    stay(frame)
    return true
  }

  const enter = (frame: Frame, name: Name): void => {
    // `stayed` names it already: it stays even if its lock is free by now.
    if (stayed.size > 0 && stayed.has(pathOf(frame, name))) {
      frame.isStuck = true
      return
    }
    const opened = Opening.open(calls, frame.fd, name, () => fullPathOf(frame, name))
    current = Frames.inner(opened, frame, frame === top ? origins.get(textOf(name)) : undefined)
    leaveWhen(current, isBarred)
  }

  /** Moves a directory up to the top, under a name that no removal before this one, killed or not, has used. */
  const hoist = (frame: Frame, above: Frame): void => {
    hoistTag ??= crypto.randomUUID()
    hoisted += 1
    const moved = `${hoistPrefix}${hoistTag}.${hoisted}`
    const origin = Frames.originOf(frame, textOf)
    calls.rename(above.fd, frame.name, top.fd, calls.nameOf(moved))
    origins.set(moved, origin)
    above.hasProgress = true
    isHoistedInto = true
  }

  /** Reads on in a directory that nothing was removed from yet. `true`: it stays as it is, or was moved up. */
  const lookOn = (frame: Frame): boolean => {
    const entry = frame.listing.next()
    if (entry !== undefined) {
      const isOwned = kindOf(frame, entry) === "others"
      if (isOwned) stay(frame)
      return isOwned
    }
    frame.listing.again()
    frame.isLookedThrough = true
    if (frame.above === undefined || frame.depth < maxDepth) return false
    hoist(frame, frame.above)
    return true
  }

  /** `false`: it is a directory. */
  const isUnlinked = (frame: Frame, name: Name): boolean => {
    try {
      calls.unlink(frame.fd, name)
      frame.hasProgress = true
      return true
    } catch (cause) {
      if (errnoOf(cause) === "EISDIR") return false
      throw cause
    }
  }

  const enterOrUnlink = (frame: Frame, name: Name): void => {
    try {
      enter(frame, name)
    } catch (cause) {
      const errno = errnoOf(cause)
      if ((errno !== "ENOTDIR" && errno !== "ELOOP") || !isUnlinked(frame, name)) throw cause
    }
  }

  const remove = (frame: Frame, entry: ListedEntry<Name>): void => {
    const { name, type } = entry
    const kind = kindOf(frame, entry)
    if (kind === "directory") enter(frame, name)
    else if (kind === "ours") frame.sentinels.push(name)
    else if (kind === "others") {
      // The sentinel came after the look. Its owner keeps the rest.
      stay(frame)
      leave(frame)
    } else if (kind === "plain") {
      if (type === "unknown") enterOrUnlink(frame, name)
      else if (!isUnlinked(frame, name)) enter(frame, name)
    }
  }

  /** A sentinel below the top is checked again: it may have been rewritten since it was judged. */
  const unlinkSentinels = (frame: Frame): void => {
    for (const name of frame.sentinels.splice(0)) {
      try {
        const kind = frame === top ? "ours" : kindOf(frame, { name, type: "unknown" })
        if (kind === "others") return stay(frame)
        if (kind !== "ours") continue
        calls.unlink(frame.fd, name)
        frame.hasProgress = true
      } catch (cause) {
        blame(frame, "unlink", cause, name)
      }
    }
  }

  /** `false`: it is to be read again. */
  const isRemovedOrStuck = (frame: Frame): boolean => {
    if (!frame.isStuck) unlinkSentinels(frame)
    if (frame.isStuck) return true
    try {
      calls.removeDirectory(frame.above?.fd ?? parent, frame.name)
    } catch (cause) {
      if (errnoOf(cause) === "ENOTEMPTY" && frame.hasProgress && (frame.passes += 1) < maxPasses) return false
      blame(frame, "rmdir", cause)
    }
    if (frame.above !== undefined && !frame.isStuck) frame.above.hasProgress = true
    if (frame.origin !== undefined && !frame.isStuck) origins.delete(textOf(frame.name))
    return true
  }

  /** A directory was read to its end. */
  const finish = (frame: Frame): void => {
    // Directories that `hoist` moved up go before the sentinels of the top.
    const isLast = frame !== top || !isHoistedInto
    if (isLast && isRemovedOrStuck(frame)) return leave(frame)
    frame.listing.rewind()
    Frames.beginAnew(frame)
    if (frame === top) isHoistedInto = false
  }

  /** A directory that can't be read to its end keeps its sentinels. */
  const nextIn = (frame: Frame): ListedEntry<Name> | undefined => {
    try {
      return frame.listing.next()
    } catch (cause) {
      blame(frame, "readdir", cause)
      frame.sentinels = []
      return undefined
    }
  }

  const handleNext = (frame: Frame): void => {
    const entry = nextIn(frame)
    if (entry === undefined) return finish(frame)
    try {
      remove(frame, entry)
    } catch (cause) {
      blame(frame, "delete", cause, entry.name)
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
