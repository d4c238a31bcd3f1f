/**
 * Deleting a tree by descriptor. Every directory is opened with O_NOFOLLOW from the descriptor of its parent
 * (`/proc/self/fd/N/name` is `openat(N, name)`), so a swapped symbolic link leads nowhere; a directory on another mount
 * (`mnt_id` of `/proc/self/fdinfo/N`, which tells a bind mount of the same file system too) isn't entered.
 */
import { DiskError } from "@vm-sentinel/core/Disk"
import type { FileId } from "@vm-sentinel/core/Holding"
import * as Slices from "@vm-sentinel/core/Slices"
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import { decodeName, encodePath } from "./bytePath.ts"
import { errnoOf } from "./calls.ts"

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = Fs.constants
const directoryFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK

// `open(2)` with it needs no right to read: a directory on the way may be for passing through alone. Node has no name
// for it; the number is that of every architecture that Node runs on.
const O_PATH = 0o10000000
const waypointFlags = O_PATH | O_DIRECTORY | O_NOFOLLOW

/** Directories open at once. What lies deeper is moved up to the top first, so that no depth is too deep. */
const maxDepth = 32

/** How often a directory that isn't empty at its end is read again. Who writes into it all the time wins for now. */
const maxPasses = 64

const hoistPrefix = ".vm-sentinel-hoist."

interface Frame {
  readonly fd: number
  readonly name: Buffer
  dir: Fs.Dir
  /** Something was removed since it was last read from its beginning. */
  progress: boolean
  /** Something in it can't be removed. */
  isStuck: boolean
  passes: number
}

const child = (fd: number, name: Buffer): Buffer => Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name])

const mountBuffer = Buffer.alloc(512)

/** The mount that a descriptor's file lies on, `proc_pid_fdinfo(5)`. */
const mountId = (fd: number): string => {
  const info = Fs.openSync(`/proc/self/fdinfo/${fd}`, O_RDONLY)
  try {
    const text = mountBuffer.toString("latin1", 0, Fs.readSync(info, mountBuffer))
    const id = /^mnt_id:\s*(\d+)/m.exec(text)?.[1]
    if (id === undefined) throw Object.assign(new Error("no mnt_id in fdinfo"), { code: "ENOTSUP" })
    return id
  } finally {
    Fs.closeSync(info)
  }
}

/** Opens an absolute path component by component, following no symbolic link in any of them. */
const openChain = (components: ReadonlyArray<Buffer>): number => {
  let fd = Fs.openSync("/", waypointFlags)
  for (const component of components) {
    try {
      const next = Fs.openSync(child(fd, component), waypointFlags)
      Fs.closeSync(fd)
      fd = next
    } catch (cause) {
      Fs.closeSync(fd)
      throw cause
    }
  }
  return fd
}

const openDir = (fd: number): Fs.Dir => Fs.opendirSync(`/proc/self/fd/${fd}`, { encoding: "latin1", bufferSize: 128 })

const openFrame = (parent: number, name: Buffer): Frame => {
  const fd = Fs.openSync(child(parent, name), directoryFlags)
  try {
    return { fd, name, dir: openDir(fd), progress: false, isStuck: false, passes: 0 }
  } catch (cause) {
    Fs.closeSync(fd)
    throw cause
  }
}

const close = ({ dir, fd }: Frame): void => {
  dir.closeSync()
  Fs.closeSync(fd)
}

/**
 * Deletes the tree at `path` in slices: runs until the slice is used up, yields, and goes on when asked again. Returns
 * the first failure. Everything it opened is closed when it ends or is ended.
 */
export function* removal(
  path: string,
  last: (entry: string) => boolean,
  expected: FileId | undefined
): Generator<void, DiskError | undefined> {
  let first: DiskError | undefined
  const blame = (frame: Frame, operation: string, cause: unknown, ...entry: ReadonlyArray<Buffer>) => {
    const errno = errnoOf(cause)
    if (errno === "ENOENT") return
    frame.isStuck = true
    const below = stack.slice(1, stack.indexOf(frame) + 1).map(({ name }) => name)
    first ??= new DiskError({
      errno,
      operation,
      path: [path, ...[...below, ...entry].map(decodeName)].join("/"),
      cause
    })
  }
  const components = path
    .split("/")
    .filter((component) => component !== "")
    .map((component) => Buffer.from(encodePath(component)))
  const name = components.pop()
  if (name === undefined) return new DiskError({ errno: "EBUSY", operation: "delete", path })
  const stack: Array<Frame> = []
  let parent: number | undefined
  try {
    parent = openChain(components)
    const top = openFrame(parent, name)
    stack.push(top)
    const { dev, ino } = Fs.fstatSync(top.fd, { bigint: true })
    if (expected !== undefined && (`${dev}` !== expected.dev || `${ino}` !== expected.ino)) {
      return new DiskError({ errno: "ESTALE", operation: "delete", path })
    }
    const mount = mountId(top.fd)
    if (mount !== mountId(parent)) return new DiskError({ errno: "EXDEV", operation: "delete", path })
    const kept: Array<Buffer> = []
    const isSliceUsedUp = Slices.make()
    let hoistTag: string | undefined
    let hoisted = 0
    let isHoistedInto = false

    const enter = (parent: Frame, entry: Buffer) => {
      const frame = openFrame(parent.fd, entry)
      try {
        if (mountId(frame.fd) !== mount) throw Object.assign(new Error("on another mount"), { code: "EXDEV" })
        stack.push(frame)
      } catch (cause) {
        close(frame)
        throw cause
      }
    }

    /** Moves a directory up to the top, under a name that no removal before this one, killed or not, has used. */
    const hoist = (frame: Frame, at: Buffer) => {
      hoistTag ??= randomUUID()
      hoisted += 1
      Fs.renameSync(at, child(top.fd, Buffer.from(`${hoistPrefix}${hoistTag}.${hoisted}`)))
      frame.progress = true
      isHoistedInto = true
    }

    const remove = (frame: Frame, entry: Fs.Dirent) => {
      const entryName = Buffer.from(entry.name, "latin1")
      const at = child(frame.fd, entryName)
      if (frame === top && last(decodeName(entryName))) {
        kept.push(entryName)
        return
      }
      const isDirectory =
        entry.isDirectory() || (!entry.isFile() && !entry.isSymbolicLink() && Fs.lstatSync(at).isDirectory())
      if (!isDirectory) {
        Fs.unlinkSync(at)
        frame.progress = true
      } else if (stack.length < maxDepth) {
        enter(frame, entryName)
      } else {
        hoist(frame, at)
      }
    }

    const unlinkKept = () => {
      for (const entry of kept.splice(0)) {
        try {
          Fs.unlinkSync(child(top.fd, entry))
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
        Fs.rmdirSync(child(above, frame.name))
        return "removed"
      } catch (cause) {
        const errno = errnoOf(cause)
        if (errno === "ENOTEMPTY" && frame.progress && (frame.passes += 1) < maxPasses) return "again"
        // Of two who delete the same tree, one has removed it, and the other is told so.
        if (frame === top) first ??= new DiskError({ errno, operation: "rmdir", path, cause })
        else blame(frame, "rmdir", cause)
        return frame.isStuck ? "kept" : "removed"
      }
    }

    const leave = (frame: Frame, above: number) => {
      const result = removeEmpty(frame, above)
      if (result === "again") {
        const again = openDir(frame.fd)
        frame.dir.closeSync()
        frame.dir = again
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
      const entry = frame.dir.readSync()
      if (entry === null) {
        leave(frame, stack.at(-2)?.fd ?? parent)
        continue
      }
      try {
        remove(frame, entry)
      } catch (cause) {
        blame(frame, "delete", cause, Buffer.from(entry.name, "latin1"))
      }
    }
    return first
  } catch (cause) {
    return new DiskError({ errno: errnoOf(cause), operation: "delete", path, cause })
  } finally {
    for (const frame of stack) close(frame)
    if (parent !== undefined) Fs.closeSync(parent)
  }
}
