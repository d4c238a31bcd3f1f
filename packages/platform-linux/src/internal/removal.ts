/**
 * Deleting a tree by descriptor. Every directory is opened with O_NOFOLLOW from the descriptor of its parent
 * (`/proc/self/fd/N/name` is `openat(N, name)`), so a swapped symbolic link leads nowhere; a directory on another mount
 * (`mnt_id` of `/proc/self/fdinfo/N`, which tells a bind mount of the same file system too) isn't entered.
 */
import { DiskError } from "@vm-sentinel/core/Disk"
import type { FileId } from "@vm-sentinel/core/Holding"
import * as Fs from "node:fs"
import { decodeName, encodePath } from "./bytePath.ts"
import { errnoOf } from "./calls.ts"
import { makeSlice } from "./sliced.ts"

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = Fs.constants
const directoryFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK

/** Directories open at once. What lies deeper is moved up to the top first, so that no depth is too deep. */
const maxDepth = 32

const hoistPrefix = ".vm-sentinel-hoist."

interface Frame {
  readonly fd: number
  readonly name: Buffer
  dir: Fs.Dir
  progress: boolean
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
  let fd = Fs.openSync("/", directoryFlags)
  for (const component of components) {
    try {
      const next = Fs.openSync(child(fd, component), directoryFlags)
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
  const blame = (operation: string, at: Buffer | string, cause: unknown) => {
    const errno = errnoOf(cause)
    if (errno !== "ENOENT") first ??= new DiskError({ errno, operation, path: at.toString(), cause })
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
    const top = Fs.openSync(child(parent, name), directoryFlags)
    stack.push({ fd: top, name, dir: openDir(top), progress: false })
    const { dev, ino } = Fs.fstatSync(top, { bigint: true })
    if (expected !== undefined && (`${dev}` !== expected.dev || `${ino}` !== expected.ino)) {
      return new DiskError({ errno: "ESTALE", operation: "delete", path })
    }
    const mount = mountId(top)
    if (mount !== mountId(parent)) return new DiskError({ errno: "EXDEV", operation: "delete", path })
    const kept: Array<Buffer> = []
    let hoisted = 0
    const isSliceUsedUp = makeSlice()

    const enter = (frame: Frame, entry: Buffer) => {
      const fd = Fs.openSync(child(frame.fd, entry), directoryFlags)
      try {
        if (mountId(fd) !== mount) throw Object.assign(new Error("on another mount"), { code: "EXDEV" })
        stack.push({ fd, name: entry, dir: openDir(fd), progress: false })
      } catch (cause) {
        Fs.closeSync(fd)
        throw cause
      }
    }

    const remove = (frame: Frame, entry: Fs.Dirent) => {
      const entryName = Buffer.from(entry.name, "latin1")
      const at = child(frame.fd, entryName)
      if (frame === stack[0] && last(decodeName(entryName))) {
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
        hoisted += 1
        Fs.renameSync(at, child(top, Buffer.from(`${hoistPrefix}${process.pid}.${hoisted}`)))
        frame.progress = true
        const root = stack[0]
        if (root !== undefined) root.progress = true
      }
    }

    /** The directory has been read to its end: it goes, or is read again when there was something to do in it. */
    const leave = (frame: Frame, above: number) => {
      const at = child(above, frame.name)
      try {
        if (stack.length === 1 && first === undefined) {
          for (const entry of kept.splice(0)) Fs.unlinkSync(child(frame.fd, entry))
        }
        if (stack.length > 1 || first === undefined) Fs.rmdirSync(at)
        frame.progress = false
      } catch (cause) {
        if (errnoOf(cause) !== "ENOTEMPTY" || !frame.progress) blame("rmdir", at, cause)
        else {
          frame.dir.closeSync()
          frame.dir = openDir(frame.fd)
          frame.progress = false
          return
        }
      }
      stack.pop()
      frame.dir.closeSync()
      Fs.closeSync(frame.fd)
      const next = stack.at(-1)
      if (next !== undefined) next.progress = true
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
        blame("unlink", child(frame.fd, Buffer.from(entry.name, "latin1")), cause)
      }
    }
    return first
  } catch (cause) {
    return new DiskError({ errno: errnoOf(cause), operation: "delete", path, cause })
  } finally {
    for (const frame of stack) {
      frame.dir.closeSync()
      Fs.closeSync(frame.fd)
    }
    if (parent !== undefined) Fs.closeSync(parent)
  }
}
