/**
 * Deleting a tree by descriptor. Every directory is opened with O_NOFOLLOW from the descriptor of its parent, and every
 * name is removed relative to the one it was found in, so a swapped symbolic link leads nowhere. macOS has no bind
 * mounts: a directory on another mount is on another device, and isn't entered.
 */
import { DiskError } from "@vm-sentinel/core/Disk"
import type { FileId } from "@vm-sentinel/core/Holding"
import * as SentinelName from "@vm-sentinel/core/SentinelName"
import * as Slices from "@vm-sentinel/core/Slices"
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import { type FileCalls, isMissing } from "./fileCalls.ts"
import { coded, errnoOf } from "./fileErrors.ts"
import type { BulkEntry } from "./fileStructs.ts"

/** Directories open at once. What lies deeper is moved up to the top first, so that no depth is too deep. */
const maxDepth = 32

/** How often a directory that isn't empty at its end is read again. Who writes into it all the time wins for now. */
const maxPasses = 64

const hoistPrefix = ".vm-sentinel-hoist."
const itself = Buffer.from(".")

interface Frame {
  fd: number
  readonly name: Buffer
  /** Entries that were read and not yet handled. */
  batch: Array<BulkEntry>
  /** There was a batch before: what is read goes on from there. */
  begun: boolean
  /** Nothing is left to read. */
  ended: boolean
  /** Something was removed since it was last read from its beginning. */
  progress: boolean
  /** Something in it can't be removed. */
  isStuck: boolean
  passes: number
}

/** `fstat(2)` as unsigned numbers, which the ids of a Stat are. */
const idOf = (fd: number): FileId => {
  const { dev, ino } = Fs.fstatSync(fd, { bigint: true })
  return { dev: `${BigInt.asUintN(64, dev)}`, ino: `${BigInt.asUintN(64, ino)}` }
}

const typeOf = (entry: Fs.Dirent<Buffer>): BulkEntry["type"] =>
  entry.isDirectory() ? "directory" : entry.isFile() || entry.isSymbolicLink() ? "other" : "unknown"

/**
 * Deletes the tree at `path` in slices: runs until the slice is used up, yields, and goes on when asked again. Returns
 * the first failure. Everything it opened is closed when it ends or is ended.
 */
export function* removal(
  calls: FileCalls,
  path: string,
  expected: FileId | undefined
): Generator<void, DiskError | undefined> {
  const refused = (errno: string, operation = "delete", cause?: unknown) =>
    new DiskError({ errno, operation, path, ...(cause === undefined ? {} : { cause }) })
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
  const openFrame = (above: number, name: Buffer): Frame => {
    const fd = calls.openDirectory(above, name)
    return { fd, name, batch: [], begun: false, ended: false, progress: false, isStuck: false, passes: 0 }
  }

  let parent: number | undefined
  try {
    parent = calls.openReal(slash === 0 ? "/" : path.slice(0, slash))
    const top = openFrame(parent, Buffer.from(name))
    stack.push(top)
    const id = idOf(top.fd)
    if (expected !== undefined && (id.dev !== expected.dev || id.ino !== expected.ino)) return refused("ESTALE")
    if (id.dev !== idOf(parent).dev) return refused("EXDEV")
    const kept: Array<Buffer> = []
    const isSliceUsedUp = Slices.make()
    let hoistTag: string | undefined
    let hoisted = 0
    let isHoistedInto = false

    /** Reads on. By path where the descriptor doesn't do: a listing gives names alone, and no removal goes by path. */
    const refill = (frame: Frame) => {
      try {
        frame.batch = calls.list(frame.fd).toReversed()
      } catch (cause) {
        if (frame.begun || !isMissing(cause)) throw cause
        const entries = Fs.readdirSync(pathOf(frame), { withFileTypes: true, encoding: "buffer" })
        frame.batch = entries.map((entry) => ({ name: entry.name, type: typeOf(entry) }))
        frame.ended = true
      }
      frame.begun = true
      if (frame.batch.length === 0) frame.ended = true
    }

    const nextOf = (frame: Frame): BulkEntry | undefined => {
      if (frame.batch.length === 0 && !frame.ended) {
        try {
          refill(frame)
        } catch (cause) {
          frame.ended = true
          blame(frame, "readdir", cause)
        }
      }
      return frame.batch.pop()
    }

    /** Moves a directory up to the top, under a name that no removal before this one, killed or not, has used. */
    const hoist = (frame: Frame, entry: Buffer) => {
      hoistTag ??= randomUUID()
      hoisted += 1
      calls.rename(frame.fd, entry, top.fd, Buffer.from(`${hoistPrefix}${hoistTag}.${hoisted}`))
      frame.progress = true
      isHoistedInto = true
    }

    const enter = (frame: Frame, entry: Buffer) => {
      const below = openFrame(frame.fd, entry)
      try {
        if (idOf(below.fd).dev !== id.dev) throw coded("EXDEV", "on another mount")
        if (stack.length < maxDepth) {
          stack.push(below)
          return
        }
        hoist(frame, entry)
      } catch (cause) {
        Fs.closeSync(below.fd)
        throw cause
      }
      Fs.closeSync(below.fd)
    }

    const remove = (frame: Frame, { name, type }: BulkEntry) => {
      if (frame === top && SentinelName.isSentinel(name.toString())) {
        kept.push(name)
        return
      }
      if (type !== "other") {
        try {
          enter(frame, name)
          return
        } catch (cause) {
          // It is no directory, or no longer one.
          if (errnoOf(cause) !== "ENOTDIR" && errnoOf(cause) !== "ELOOP") throw cause
        }
      }
      calls.unlink(frame.fd, name)
      frame.progress = true
    }

    const unlinkKept = () => {
      for (const entry of kept.splice(0)) {
        try {
          calls.unlink(top.fd, entry)
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
        calls.removeDirectory(above, frame.name)
        return "removed"
      } catch (cause) {
        const errno = errnoOf(cause)
        if (errno === "ENOTEMPTY" && frame.progress && (frame.passes += 1) < maxPasses) return "again"
        // Of two who delete the same tree, one has removed it, and the other is told so.
        if (frame === top) first ??= refused(errno, "rmdir", cause)
        else blame(frame, "rmdir", cause)
        return frame.isStuck ? "kept" : "removed"
      }
    }

    const rewind = (frame: Frame) => {
      const again = calls.openDirectory(frame.fd, itself)
      Fs.closeSync(frame.fd)
      Object.assign(frame, { fd: again, batch: [], begun: false, ended: false, progress: false })
      if (frame !== top) return
      kept.length = 0
      isHoistedInto = false
    }

    const leave = (frame: Frame, above: number) => {
      const result = removeEmpty(frame, above)
      if (result === "again") return rewind(frame)
      stack.pop()
      Fs.closeSync(frame.fd)
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
        remove(frame, entry)
      } catch (cause) {
        blame(frame, "delete", cause, entry.name)
      }
    }
    return first
  } catch (cause) {
    return refused(errnoOf(cause), "delete", cause)
  } finally {
    for (const { fd } of stack) Fs.closeSync(fd)
    if (parent !== undefined) Fs.closeSync(parent)
  }
}
