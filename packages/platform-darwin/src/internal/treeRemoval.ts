/**
 * Deleting a tree by descriptor. Every directory is opened with O_NOFOLLOW from the descriptor of its parent, and every
 * name is removed relative to the one it was found in, so a swapped symbolic link leads nowhere. macOS has no bind
 * mounts: a directory on another mount is on another device, and isn't entered.
 *
 * Of each inner directory the lock is taken and the names are looked through before anything in it is touched: one that has,
 * or may have, an owner stays as it is.
 */
import { DiskError, type RemoveTreeOptions } from "@vm-sentinel/core/Disk"
import * as Slices from "@vm-sentinel/core/Slices"
import { randomUUID } from "node:crypto"
import { type FileCalls, isMissing } from "./fileCalls.ts"
import { coded, errnoOf } from "./fileErrors.ts"
import type { BulkEntry } from "./fileStructs.ts"
import * as Locks from "./locks.ts"
import { idOf } from "./looking.ts"
import type { Frame } from "./removalFrame.ts"
import * as Frames from "./removalFrame.ts"

/** Directories open at once. What lies deeper is moved up to the top first, so that no depth is too deep. */
const maxDepth = 32

/** How often a directory that isn't empty at its end is read again. Who writes into it all the time wins for now. */
const maxPasses = 64

/** Entries of one directory that are kept in memory; beyond them it is read once more. */
const maxEntries = 4096

const hoistPrefix = ".vm-sentinel-hoist."
const itself = Buffer.from(".")

export interface Removed {
  /** The first failure. */
  readonly error: DiskError | undefined
  /** Directories that stayed as they were, relative to the tree. */
  readonly kept: ReadonlyArray<string>
}

/** Errors that say that there are no such locks here: what claims none is removed, as it is everywhere else. */
const isLockless = (cause: unknown): boolean => isMissing(cause) || errnoOf(cause) === "ENOLCK"

/**
 * Deletes the tree at `path` in slices: runs until the slice is used up, yields, and goes on when asked again. Everything it
 * opened is closed when it ends or is ended.
 */
export function* removal(
  calls: FileCalls,
  path: string,
  { expected, lockInner = true, mayRemove = () => false }: RemoveTreeOptions = {}
): Generator<void, Removed> {
  const failure = (errno: string, operation = "delete", cause?: unknown) =>
    new DiskError({ errno, operation, path, ...(cause === undefined ? {} : { cause }) })
  const refused = (errno: string, cause?: unknown): Removed => ({
    error: failure(errno, "delete", cause),
    kept: [...kept]
  })
  const kept = new Set<string>()
  const slash = path.lastIndexOf("/")
  const name = path.slice(slash + 1)
  if (slash < 0 || name === "" || name === "." || name === "..") return refused("EBUSY")

  let first: DiskError | undefined
  const stack: Array<Frame> = []
  const pathOf = (frame: Frame, ...entry: ReadonlyArray<Buffer>): string => {
    const below = stack.slice(1, stack.indexOf(frame) + 1).map(({ name }) => name)
    return [path, ...[...below, ...entry].map((name) => name.toString())].join("/")
  }
  const blame = (frame: Frame, operation: string, cause: unknown, ...entry: ReadonlyArray<Buffer>) => {
    const errno = errnoOf(cause)
    if (errno === "ENOENT") return
    frame.isStuck = true
    first ??= new DiskError({ errno, operation, path: pathOf(frame, ...entry), cause })
  }
  let parent: number | undefined
  try {
    parent = calls.openReal(slash === 0 ? "/" : path.slice(0, slash))
    const top = Frames.open(calls, parent, Buffer.from(name), "")
    stack.push(top)
    const id = idOf(top.fd)
    if (expected !== undefined && (id.dev !== expected.dev || id.ino !== expected.ino)) return refused("ESTALE")
    if (id.dev !== idOf(parent).dev) return refused("EXDEV")
    /** Where what was moved up lay before. */
    const origins = new Map<string, string>()
    const isSliceUsedUp = Slices.make()
    let hoistTag: string | undefined
    let hoisted = 0
    let isHoistedInto = false

    const nextOf = (frame: Frame): BulkEntry | undefined => {
      if (frame.batch.length === 0 && !frame.ended) {
        try {
          frame.batch = Frames.readOn(calls, frame, pathOf).toReversed()
        } catch (cause) {
          frame.ended = true
          blame(frame, "readdir", cause)
        }
      }
      return frame.batch.pop()
    }

    /** Whether a name below the first level is a sentinel that nobody has judged. */
    const isOwner = (frame: Frame, entry: BulkEntry): boolean => {
      if (frame === top || !Frames.isSentinel(entry)) return false
      const { name } = entry
      let fd: number
      try {
        fd = calls.openFile(frame.fd, name)
      } catch (cause) {
        return errnoOf(cause) !== "ENOENT"
      }
      try {
        return !mayRemove(Frames.relativeTo(frame, name), idOf(fd))
      } finally {
        calls.close(fd)
      }
    }

    const isLocked = (frame: Frame): boolean => {
      try {
        return lockInner && !Locks.takeExclusive(calls, frame.fd)
      } catch (cause) {
        if (!isLockless(cause)) throw cause
        return false
      }
    }

    /** Reads a directory from its beginning. What holds its lock stays open. */
    const rewind = (frame: Frame) => {
      const again = calls.openDirectory(frame.fd, itself)
      if (frame.fd !== frame.lock) calls.close(frame.fd)
      Object.assign(frame, { fd: again, last: [], batch: [], begun: false, ended: false, progress: false })
      if (frame === top) isHoistedInto = false
    }

    /** Whether an inner directory has an owner, or may have one. Its names are read for that, and used again where they are few. */
    const hasOwner = function* (frame: Frame): Generator<void, boolean> {
      if (isLocked(frame)) return true
      const found: Array<BulkEntry> = []
      let count = 0
      while (!frame.ended) {
        if (isSliceUsedUp()) yield
        for (const entry of Frames.readOn(calls, frame, pathOf)) {
          if (isOwner(frame, entry)) return true
          count += 1
          if (count <= maxEntries) found.push(entry)
        }
      }
      if (count <= maxEntries) frame.batch = found.toReversed()
      else rewind(frame)
      return false
    }

    /** Where a directory lies, and lay before anything was moved. */
    const whereIs = (frame: Frame, name: Buffer): string =>
      (frame === top ? origins.get(name.toString()) : undefined) ?? Frames.relativeTo(frame, name)

    const keep = (frame: Frame) => {
      kept.add(pathOf(frame).slice(path.length + 1))
      frame.isStuck = true
    }

    /** Moves a directory up to the top, under a name that no removal before this one, killed or not, has used. */
    const hoist = (frame: Frame, entry: Buffer) => {
      hoistTag ??= randomUUID()
      hoisted += 1
      const to = `${hoistPrefix}${hoistTag}.${hoisted}`
      calls.rename(frame.fd, entry, top.fd, Buffer.from(to))
      origins.set(to, Frames.relativeTo(frame, entry))
      frame.progress = true
      isHoistedInto = true
    }

    const enter = function* (frame: Frame, entry: Buffer): Generator<void, void> {
      const below = Frames.open(calls, frame.fd, entry, whereIs(frame, entry))
      stack.push(below)
      let isEntered = false
      try {
        if (idOf(below.fd).dev !== id.dev) throw coded("EXDEV", "on another mount")
        if (yield* hasOwner(below)) {
          keep(below)
          frame.isStuck = true
        } else if (stack.length <= maxDepth) isEntered = true
        else hoist(frame, entry)
      } finally {
        if (!isEntered) {
          stack.pop()
          Frames.close(calls, below)
        }
      }
    }

    const remove = function* (frame: Frame, entry: BulkEntry): Generator<void, void> {
      const { name, type } = entry
      if (isOwner(frame, entry)) {
        // It came after the look. What is left, is left to it.
        keep(frame)
        Object.assign(frame, { batch: [], ended: true })
        return
      }
      if (Frames.isSentinel(entry)) {
        frame.last.push(name)
        return
      }
      if (type !== "other") {
        try {
          return yield* enter(frame, name)
        } catch (cause) {
          // It is no directory, or no longer one.
          if (errnoOf(cause) !== "ENOTDIR" && errnoOf(cause) !== "ELOOP") throw cause
        }
      }
      calls.unlink(frame.fd, name)
      frame.progress = true
    }

    const unlinkLast = (frame: Frame) => {
      for (const entry of frame.last.splice(0)) {
        try {
          calls.unlink(frame.fd, entry)
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
      if (!frame.isStuck) unlinkLast(frame)
      if (frame.isStuck) return "kept"
      try {
        calls.removeDirectory(above, frame.name)
        return "removed"
      } catch (cause) {
        const errno = errnoOf(cause)
        if (errno === "ENOTEMPTY" && frame.progress && (frame.passes += 1) < maxPasses) return "again"
        // Of two who delete the same tree, one has removed it, and the other is told so.
        if (frame === top) first ??= failure(errno, "rmdir", cause)
        else blame(frame, "rmdir", cause)
        return frame.isStuck ? "kept" : "removed"
      }
    }

    const leave = (frame: Frame, above: number) => {
      const result = removeEmpty(frame, above)
      if (result === "again") return rewind(frame)
      stack.pop()
      Frames.close(calls, frame)
      const next = stack.at(-1)
      if (next === undefined) return
      if (result === "removed") next.progress = true
      else next.isStuck = true
    }

    for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
      if (isSliceUsedUp()) yield
      const entry = nextOf(frame)
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
    return { error: first, kept: [...kept] }
  } catch (cause) {
    return refused(errnoOf(cause), cause)
  } finally {
    for (const frame of stack) Frames.close(calls, frame)
    if (parent !== undefined) calls.close(parent)
  }
}
