/**
 * Deleting a tree by descriptor. Every directory is opened with O_NOFOLLOW from the descriptor of its parent, so a swapped
 * symbolic link leads nowhere; a directory on another mount, which a bind mount of the same file system is too, isn't
 * entered.
 */
import { type FileId, sameFile } from "@vm-sentinel/core/Holding"
import * as SentinelName from "@vm-sentinel/core/SentinelName"
import { type At, type Entry, type Listing, nameOf, textOf } from "./at.ts"
import type { Name } from "./libc.ts"
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

interface Frame {
  readonly fd: number
  readonly name: Name
  readonly listing: Listing
  /** Something was removed since it was last read from its beginning. */
  progress: boolean
  /** Something in it can't be removed. */
  isStuck: boolean
  passes: number
}

const openFrame = (at: At, parent: number, name: Name): Frame => {
  const fd = at.openDirectory(parent, name)
  try {
    return { fd, name, listing: at.list(fd), progress: false, isStuck: false, passes: 0 }
  } catch (cause) {
    at.close(fd)
    throw cause
  }
}

export interface Task {
  readonly path: string
  /** ESTALE, and nothing touched, when it isn't this directory. */
  readonly expected: FileId | undefined
}

/** The directory that a tree lies in, and its name there; `undefined` where the path doesn't end in a name. */
export const placeOf = (path: string): { readonly parent: string; readonly name: string } | undefined => {
  const slash = path.lastIndexOf("/")
  const name = path.slice(slash + 1)
  if (slash < 0 || name === "" || name === "." || name === "..") return undefined
  return { parent: path.slice(0, slash) || "/", name }
}

/**
 * Deletes a tree in slices: runs until the slice is used up, yields, and goes on when asked again. Returns the first
 * failure. Everything it opened is closed when it ends or is ended.
 */
export function* removal(
  at: At,
  { expected, path }: Task,
  isSliceUsedUp: () => boolean
): Generator<void, Failure | undefined> {
  let first: Failure | undefined
  const close = ({ fd, listing }: Frame): void => {
    listing.close()
    at.close(fd)
  }
  const blame = (frame: Frame, operation: string, cause: unknown, ...entry: ReadonlyArray<Name>) => {
    const errno = errnoOf(cause)
    if (errno === "ENOENT") return
    frame.isStuck = true
    const below = stack.slice(1, stack.indexOf(frame) + 1).map(({ name }) => name)
    first ??= {
      errno,
      operation,
      path: [path, ...[...below, ...entry].map(textOf)].join("/"),
      cause
    }
  }
  const place = placeOf(path)
  if (place === undefined) return { errno: "EBUSY", operation: "delete", path }
  const stack: Array<Frame> = []
  let parent: number | undefined
  try {
    parent = at.openPath(place.parent)
    const top = openFrame(at, parent, nameOf(place.name))
    stack.push(top)
    if (expected !== undefined && !sameFile(at.stat(top.fd).id, expected)) {
      return { errno: "ESTALE", operation: "delete", path }
    }
    const mount = at.mount(top.fd)
    if (mount !== at.mount(parent)) return { errno: "EXDEV", operation: "delete", path }
    const kept: Array<Name> = []
    let hoistTag: string | undefined
    let hoisted = 0
    let isHoistedInto = false

    const enter = (parent: Frame, name: Name) => {
      const frame = openFrame(at, parent.fd, name)
      try {
        if (at.mount(frame.fd) !== mount) throw Object.assign(new Error("on another mount"), { code: "EXDEV" })
        stack.push(frame)
      } catch (cause) {
        close(frame)
        throw cause
      }
    }

    /** Moves a directory up to the top, under a name that no removal before this one, killed or not, has used. */
    const hoist = (frame: Frame, name: Name) => {
      hoistTag ??= crypto.randomUUID()
      hoisted += 1
      at.rename(frame.fd, name, top.fd, nameOf(`${hoistPrefix}${hoistTag}.${hoisted}`))
      frame.progress = true
      isHoistedInto = true
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

    const remove = (frame: Frame, { name, type }: Entry) => {
      if (frame === top && SentinelName.isSentinel(textOf(name))) {
        kept.push(name)
        return
      }
      if (type !== "directory" && unlinked(frame, name)) frame.progress = true
      else if (stack.length < maxDepth) enter(frame, name)
      else hoist(frame, name)
    }

    const unlinkKept = () => {
      for (const entry of kept.splice(0)) {
        try {
          at.unlink(top.fd, entry)
        } catch (cause) {
          blame(top, "unlink", cause, entry)
        }
      }
    }

    /** What becomes of a directory that was read to its end. */
    const removeEmpty = (frame: Frame, above: number): "removed" | "kept" | "again" => {
      // What was moved up here goes first: the last names are last.
      if (frame === top && isHoistedInto) return "again"
      if (frame === top && !top.isStuck) unlinkKept()
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
      if (result === "again") {
        frame.listing.rewind()
        frame.progress = false
        if (frame === top) {
          kept.length = 0
          isHoistedInto = false
        }
        return
      }
      stack.pop()
      close(frame)
      const next = stack.at(-1)
      if (next === undefined) return
      if (result === "removed") next.progress = true
      else next.isStuck = true
    }

    for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
      if (isSliceUsedUp()) yield
      const entry = frame.listing.next()
      if (entry === undefined) {
        leave(frame, stack.at(-2)?.fd ?? parent)
        continue
      }
      try {
        remove(frame, entry)
      } catch (cause) {
        blame(frame, "delete", cause, entry.name)
      }
    }
    return first
  } catch (cause) {
    return { errno: errnoOf(cause), operation: "delete", path, cause }
  } finally {
    for (const frame of stack) close(frame)
    if (parent !== undefined) at.close(parent)
  }
}
