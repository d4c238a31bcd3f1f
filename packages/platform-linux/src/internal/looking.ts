/** The reads of a Linux Disk: directories, and files in them, by descriptor. Long reads run in slices. */
import { coded, errnoOf, failed } from "@vm-sentinel/core/Errno"
import type { DirectoryFrame } from "@vm-sentinel/core/DirectoryFrame"
import type {
  Attributes,
  DirectoryEntry,
  Peek,
  Permissions,
  Scan,
  ScannedFile,
  ScanOptions
} from "@vm-sentinel/core/Disk"
import * as ScanNames from "@vm-sentinel/core/ScanNames"
import type * as Slices from "@vm-sentinel/core/Slices"
import * as DirFd from "./dirFd.ts"

// All reads share one buffer, because every call is synchronous and is done with the buffer before it returns.
let buffer = Buffer.allocUnsafe(8192)

/**
 * Reads into `buffer`. Returns the number of bytes. `size`: the expected size of the file, which saves the read that
 * would only report the end.
 */
const readUpTo = (calls: DirFd.DirFd, fd: number, limit: number, size: number): number => {
  if (buffer.length < limit) buffer = Buffer.allocUnsafe(limit)
  let length = calls.read(fd, buffer, limit)
  while (length < limit && length !== size) {
    const count = calls.read(fd, buffer.subarray(length), limit - length)
    if (count === 0) break
    length += count
  }
  return length
}

/** Copies into memory of Buffer's pool, because an ArrayBuffer for each copy would be expensive to collect. */
const copy = (length: number): Uint8Array => {
  const copied = Buffer.allocUnsafe(length)
  buffer.copy(copied, 0, 0, length)
  return new Uint8Array(copied.buffer, copied.byteOffset, length)
}

/**
 * Reads a directory in slices, and passes each entry to `use`, which returns `false` to end the reading. Keeps no names.
 */
export function* list(
  calls: DirFd.DirFd,
  fd: number,
  isSliceUsedUp: Slices.IsUsedUp,
  use: (name: string, entry: DirFd.Entry) => unknown
): Generator<void, void> {
  const listing = calls.list(fd)
  try {
    for (let entry = listing.next(); entry !== undefined; entry = listing.next()) {
      if (use(DirFd.textOf(entry.name), entry) === false) return
      if (isSliceUsedUp()) yield
    }
  } finally {
    listing.close()
  }
}

export function* entries(
  calls: DirFd.DirFd,
  path: string,
  isSliceUsedUp: Slices.IsUsedUp
): Generator<void, ReadonlyArray<DirectoryEntry>> {
  const fd = calls.openDirectory(DirFd.AT_FDCWD, DirFd.nameOf(path))
  try {
    const found: Array<DirectoryEntry> = []
    yield* list(calls, fd, isSliceUsedUp, (entry, { type }) => found.push({ entry, type }))
    return found
  } finally {
    calls.close(fd)
  }
}

export const read = (calls: DirFd.DirFd, path: string, limit: number) => {
  const fd = calls.openFile(DirFd.AT_FDCWD, DirFd.nameOf(path))
  try {
    const stat = calls.stat(fd)
    if (stat.type !== "file") throw coded("EINVAL", `a ${stat.type}`)
    return { stat, bytes: copy(readUpTo(calls, fd, limit, stat.size)) }
  } finally {
    calls.close(fd)
  }
}

const scanFile = (calls: DirFd.DirFd, fd: number, entry: string, path: string, limit: number): ScannedFile => {
  let file: number
  try {
    file = calls.openFile(fd, DirFd.nameOf(entry))
  } catch (cause) {
    // The entry is a symbolic link (ELOOP), a socket (ENXIO), or a file that this process may not open.
    return { entry, stat: calls.statAt(fd, DirFd.nameOf(entry)), error: failed("open", `${path}/${entry}`, cause) }
  }
  try {
    const stat = calls.stat(file)
    if (stat.type !== "file" || stat.size > limit) return { entry, stat }
    const length = readUpTo(calls, file, limit + 1, stat.size)
    return length > limit ? { entry, stat: { ...stat, size: length } } : { entry, stat, bytes: copy(length) }
  } catch (cause) {
    return { entry, stat: calls.stat(file), error: failed("read", `${path}/${entry}`, cause) }
  } finally {
    calls.close(file)
  }
}

export function* scan(
  calls: DirFd.DirFd,
  path: string,
  options: ScanOptions,
  isSliceUsedUp: Slices.IsUsedUp
): Generator<void, Scan> {
  let fd: number
  try {
    fd = calls.openDirectory(DirFd.AT_FDCWD, DirFd.nameOf(path))
  } catch (cause) {
    if (errnoOf(cause) !== "ENOTDIR" && errnoOf(cause) !== "ELOOP") throw cause
    const stat = calls.statAt(DirFd.AT_FDCWD, DirFd.nameOf(path))
    return { stat, frame: { id: stat.id }, subdirectories: "none", files: [], noted: [], hints: [], isCrowded: false }
  }
  try {
    const looked = calls.look(fd)
    const isRead = options.isRead(looked.stat)
    const names = ScanNames.make(options, isRead)
    let subdirectories: Scan["subdirectories"] = "none"
    yield* list(calls, fd, isSliceUsedUp, (entry, { type }) => {
      const isNextWanted = names.add(entry)
      // Nobody knows the entries after the last wanted one.
      if (type === "directory" || type === "unknown" || !isNextWanted) subdirectories = "some"
      return isNextWanted
    })
    const { read, ...told } = names.end()
    const files = read.map((entry) =>
      isRead
        ? scanFile(calls, fd, entry, path, options.mostBytes)
        : { entry, stat: calls.statAt(fd, DirFd.nameOf(entry)) }
    )
    return { ...looked, subdirectories, files, ...told }
  } finally {
    calls.close(fd)
  }
}

export const frame = (calls: DirFd.DirFd, path: string): DirectoryFrame => {
  const fd = calls.openDirectory(DirFd.AT_FDCWD, DirFd.nameOf(path))
  try {
    return calls.look(fd).frame
  } finally {
    calls.close(fd)
  }
}

const permissionsOf = ({ gid, mode, nlink, type, uid }: Attributes): Permissions => ({ type, mode, uid, gid, nlink })

/**
 * Looks at one directory of a root, and at a file in it. The file is opened by its path from the root. Between the two
 * calls only a user who may write in the root can put another directory in its place.
 */
const peek = (calls: DirFd.DirFd, root: number, directory: string, below: string, limit: number): Peek | undefined => {
  let fd: number | undefined
  try {
    const name = DirFd.nameOf(`${directory}${below}`)
    // If the whole path is text, the name of the directory is, too.
    const attributes = calls.attributes(root, typeof name === "string" ? directory : DirFd.nameOf(directory))
    if (attributes.type !== "directory") return undefined
    fd = calls.openFile(root, name)
    const file = calls.attributes(fd, "")
    if (file.type !== "file" || file.size > limit) return undefined
    const length = readUpTo(calls, fd, limit + 1, file.size)
    if (length > limit) return undefined
    const content = buffer.toString("latin1", 0, length)
    return { directory: permissionsOf(attributes), file: permissionsOf(file), modifiedAt: file.modifiedAt, content }
  } catch {
    return undefined
  } finally {
    if (fd !== undefined) calls.close(fd)
  }
}

/** Peeks at each directory for which `told` has no answer. */
export function* peekMany(
  calls: DirFd.DirFd,
  root: number,
  directories: ReadonlyArray<string>,
  file: string,
  limit: number,
  told: ReadonlyArray<Peek | undefined>,
  isSliceUsedUp: Slices.IsUsedUp
): Generator<void, ReadonlyArray<Peek | undefined>> {
  const found = [...told]
  for (let index = 0; index < directories.length; index++) {
    const directory = directories[index]
    if (found[index] !== undefined || directory === undefined) continue
    found[index] = peek(calls, root, directory, `/${file}`, limit)
    if (isSliceUsedUp()) yield
  }
  return found
}
