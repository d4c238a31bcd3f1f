/**
 * Deleting a tree by descriptor. Every directory is opened with O_NOFOLLOW from the descriptor of its parent, so a swapped
 * symbolic link leads nowhere; a directory on another mount, which a bind mount of the same file system is too, isn't
 * entered. Neither is one whose lock is held, or that has a sentinel which nobody has judged: it stays as it is, and so do
 * all above it, with the sentinels in those.
 */
import type { RemoveTreeOptions } from "@vm-sentinel/core/Disk"
import { sameFile } from "@vm-sentinel/core/Holding"
import * as SentinelName from "@vm-sentinel/core/SentinelName"
import { type At, type Entry, type Listing, nameOf, textOf } from "./at.ts"
import type { Name } from "./libc.ts"
import { LOCK_EX, LOCK_NB } from "./locks.ts"
import { errnoOf } from "./stat.ts"

/** Directories open at once. What lies deeper is moved up to the top first, so that no depth is too deep. */
const maxDepth = 32

/** How often a directory that isn't empty at its end is read again. Who writes into it all the time wins for now. */
const maxPasses = 64

const hoistPrefix = ".vm-sentinel-hoist."

/** The first thing that couldn't be removed. */
export interface Failure {
  readonly errno: string
  readonly operation: string
  readonly path: string
  readonly cause?: unknown
}

/** What became of a tree. */
export interface Removed {
  readonly failure: Failure | undefined
  /** Subtrees that stayed as they were, relative to the top. */
  readonly stayed: ReadonlyArray<string>
}

interface Frame {
  readonly fd: number
  readonly name: Name
  readonly listing: Listing
  /** Where a directory that was moved up was before. */
  readonly origin: string | undefined
  /** Sentinels in it, which go when all else is gone. */
  readonly kept: Array<Name>
  /** Something was removed since it was last read from its beginning. */
  progress: boolean
  /** Something in it can't be removed. */
  isStuck: boolean
  passes: number
}

const openFrame = (at: At, parent: number, name: Name, origin?: string): Frame => {
  const fd = at.openDirectory(parent, name)
  try {
    return { fd, name, listing: at.list(fd), origin, kept: [], progress: false, isStuck: false, passes: 0 }
  } catch (cause) {
    at.close(fd)
    throw cause
  }
}

export interface Task extends RemoveTreeOptions {
  readonly path: string
}

/** The directory that a tree lies in, and its name there; `undefined` where the path doesn't end in a name. */
export const placeOf = (path: string): { readonly parent: string; readonly name: string } | undefined => {
  const slash = path.lastIndexOf("/")
  const name = path.slice(slash + 1)
  if (slash < 0 || name === "" || name === "." || name === "..") return undefined
  return { parent: path.slice(0, slash) || "/", name }
}

/**
 * Deletes a tree in slices: runs until the slice is used up, yields, and goes on when asked again. Everything it opened is
 * closed when it ends or is ended.
 */
export function* removal(
  at: At,
  { expected, lockInner = true, mayRemove = () => false, path }: Task,
  isSliceUsedUp: () => boolean
): Generator<void, Removed> {
  let first: Failure | undefined
  const stayed = new Set<string>()
  const ended = (failure: Failure | undefined): Removed => ({ failure, stayed: [...stayed].sort() })
  const close = ({ fd, listing }: Frame): void => {
    listing.close()
    at.close(fd)
  }
  const below = (frame: Frame, ...entry: ReadonlyArray<Name>): ReadonlyArray<string> =>
    [...stack.slice(1, stack.indexOf(frame) + 1).map(({ name }) => name), ...entry].map(textOf)
  const pathOf = (frame: Frame, ...entry: ReadonlyArray<Name>): string => below(frame, ...entry).join("/")
  const blame = (frame: Frame, operation: string, cause: unknown, ...entry: ReadonlyArray<Name>) => {
    const errno = errnoOf(cause)
    if (errno === "ENOENT") return
    frame.isStuck = true
    first ??= { errno, operation, path: [path, ...below(frame, ...entry)].join("/"), cause }
  }
  const place = placeOf(path)
  if (place === undefined) return ended({ errno: "EBUSY", operation: "delete", path })
  const stack: Array<Frame> = []
  let parent: number | undefined
  try {
    parent = at.openPath(place.parent)
    const top = openFrame(at, parent, nameOf(place.name))
    stack.push(top)
    if (expected !== undefined && !sameFile(at.stat(top.fd).id, expected)) {
      return ended({ errno: "ESTALE", operation: "delete", path })
    }
    const mount = at.mount(top.fd)
    if (mount !== at.mount(parent)) return ended({ errno: "EXDEV", operation: "delete", path })
    let hoistTag: string | undefined
    /** Where what was moved up, and not entered yet, was before. */
    const origins = new Map<string, string>()
    let hoisted = 0
    let isHoistedInto = false

    /** Where it was when all this began. */
    const originOf = (frame: Frame, ...entry: ReadonlyArray<Name>): string => {
      const [moved, ...others] = below(frame, ...entry)
      return [stack[1]?.origin ?? moved, ...others].join("/")
    }

    /** Of a sentinel only who wants all this removed can tell. A directory of such a name is none. */
    const mayGo = (directoryOf: () => string, fd: number, { name, type }: Entry): boolean => {
      if (type === "directory" || !SentinelName.isSentinel(textOf(name))) return true
      try {
        const stat = at.statAt(fd, name)
        return stat.type === "directory" || mayRemove(`${directoryOf()}/${textOf(name)}`, stat.id)
      } catch (cause) {
        if (errnoOf(cause) === "ENOENT") return true
        throw cause
      }
    }

    /** Where there is no lock to be had, it does without. */
    const isHeld = (fd: number): boolean => lockInner && at.flock?.(fd, LOCK_EX | LOCK_NB) === "EAGAIN"

    /** Nothing in it is touched before all of it was looked through. `undefined`: it stays. */
    function* open(parent: Frame, name: Name): Generator<void, Frame | undefined> {
      const origin = parent === top ? origins.get(textOf(name)) : undefined
      const directoryOf = () => origin ?? originOf(parent, name)
      const frame = openFrame(at, parent.fd, name, origin)
      let isOurs = false
      try {
        if (at.mount(frame.fd) !== mount) throw Object.assign(new Error("on another mount"), { code: "EXDEV" })
        if (isHeld(frame.fd)) return undefined
        for (let entry = frame.listing.next(); entry !== undefined; entry = frame.listing.next()) {
          if (!mayGo(directoryOf, frame.fd, entry)) return undefined
          if (isSliceUsedUp()) yield
        }
        frame.listing.again()
        isOurs = true
        return frame
      } finally {
        if (!isOurs) close(frame)
      }
    }

    /** Moves a directory up to the top, under a name that no removal before this one, killed or not, has used. */
    const hoist = (frame: Frame, name: Name) => {
      hoistTag ??= crypto.randomUUID()
      hoisted += 1
      const moved = `${hoistPrefix}${hoistTag}.${hoisted}`
      const origin = originOf(frame, name)
      at.rename(frame.fd, name, top.fd, nameOf(moved))
      origins.set(moved, origin)
      frame.progress = true
      isHoistedInto = true
    }

    function* enter(frame: Frame, name: Name): Generator<void, void> {
      const hasStayed = stayed.size > 0 && stayed.has(pathOf(frame, name))
      const inner = hasStayed ? undefined : yield* open(frame, name)
      if (inner === undefined) {
        stayed.add(pathOf(frame, name))
        frame.isStuck = true
      } else if (stack.length < maxDepth) {
        stack.push(inner)
        if (frame === top) origins.delete(textOf(name))
      } else {
        try {
          hoist(frame, name)
        } finally {
          close(inner)
        }
      }
    }

    /** Whether it was one that could be: a directory can't. */
    const unlinked = (frame: Frame, name: Name): boolean => {
      try {
        at.unlink(frame.fd, name)
        return true
      } catch (cause) {
        if (errnoOf(cause) === "EISDIR") return false
        throw cause
      }
    }

    const pop = (frame: Frame, isRemoved: boolean) => {
      stack.pop()
      close(frame)
      const next = stack.at(-1)
      if (next === undefined) return
      if (isRemoved) next.progress = true
      else next.isStuck = true
    }

    const leaveAsItIs = (frame: Frame) => {
      stayed.add(pathOf(frame))
      pop(frame, false)
    }

    function* remove(frame: Frame, entry: Entry): Generator<void, void> {
      const { name, type } = entry
      if (SentinelName.isSentinel(textOf(name)) && (frame === top || type !== "directory")) {
        // It may have come after the look.
        if (frame === top || mayGo(() => originOf(frame), frame.fd, entry)) frame.kept.push(name)
        else leaveAsItIs(frame)
      } else if (type !== "directory" && unlinked(frame, name)) frame.progress = true
      else yield* enter(frame, name)
    }

    const unlinkKept = (frame: Frame) => {
      for (const entry of frame.kept.splice(0)) {
        try {
          at.unlink(frame.fd, entry)
          frame.progress = true
        } catch (cause) {
          blame(frame, "unlink", cause, entry)
        }
      }
    }

    /** What becomes of a directory that was read to its end. */
    const removeEmpty = (frame: Frame, above: number): "removed" | "kept" | "again" => {
      // What was moved up here goes first: the last names are last.
      if (frame === top && isHoistedInto) return "again"
      if (!frame.isStuck) unlinkKept(frame)
      if (frame.isStuck) return "kept"
      try {
        at.removeDirectory(above, frame.name)
        return "removed"
      } catch (cause) {
        const errno = errnoOf(cause)
        if (errno === "ENOTEMPTY" && frame.progress && (frame.passes += 1) < maxPasses) return "again"
        // Of two who delete the same tree, one has removed it, and the other is told so.
        if (frame === top) first ??= { errno, operation: "rmdir", path, cause }
        else blame(frame, "rmdir", cause)
        return frame.isStuck ? "kept" : "removed"
      }
    }

    const leave = (frame: Frame, above: number) => {
      const result = removeEmpty(frame, above)
      if (result !== "again") return pop(frame, result === "removed")
      frame.listing.rewind()
      frame.progress = false
      frame.kept.length = 0
      if (frame === top) isHoistedInto = false
    }

    for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
      if (isSliceUsedUp()) yield
      const entry = frame.listing.next()
      if (entry === undefined) {
        leave(frame, stack.at(-2)?.fd ?? parent)
        continue
      }
      try {
        yield* remove(frame, entry)
      } catch (cause) {
        blame(frame, "delete", cause, entry.name)
      }
    }
    return ended(first)
  } catch (cause) {
    return ended({ errno: errnoOf(cause), operation: "delete", path, cause })
  } finally {
    for (const frame of stack) close(frame)
    if (parent !== undefined) at.close(parent)
  }
}
