/** What a Linux Disk reads: directories, and files in them, by descriptor. Long ones in slices. */
import { coded, errnoOf, failed } from "@vm-sentinel/core/Errno"
import type { DirectoryFrame } from "@vm-sentinel/core/DirectoryFrame"
import type { Attributes, DirectoryEntry, Peek, Permissions, Scan, ScannedFile } from "@vm-sentinel/core/Disk"
import * as Slices from "@vm-sentinel/core/Slices"
import * as At from "./at.ts"

// Every call is synchronous and done with the buffer before it returns.
let buffer = Buffer.allocUnsafe(8192)

/** Into `buffer`: how many bytes. `size`: where the file's end is expected, so that it need not be asked for. */
const readUpTo = (at: At.At, fd: number, limit: number, size: number): number => {
  if (buffer.length < limit) buffer = Buffer.allocUnsafe(limit)
  let length = at.read(fd, buffer, limit)
  while (length < limit && length !== size) {
    const count = at.read(fd, buffer.subarray(length), limit - length)
    if (count === 0) break
    length += count
  }
  return length
}

/** Of Node's pool: a buffer of its own for each would be garbage of a kind that is dear to collect. */
const copy = (length: number): Uint8Array => {
  const copied = Buffer.allocUnsafe(length)
  buffer.copy(copied, 0, 0, length)
  return new Uint8Array(copied.buffer, copied.byteOffset, length)
}

/** Reads a directory in slices; none of its names is held here. */
export function* list(at: At.At, fd: number, use: (name: string, entry: At.Entry) => unknown): Generator<void, void> {
  const listing = at.list(fd)
  const isSliceUsedUp = Slices.make()
  try {
    for (let entry = listing.next(); entry !== undefined; entry = listing.next()) {
      use(At.textOf(entry.name), entry)
      if (isSliceUsedUp()) yield
    }
  } finally {
    listing.close()
  }
}

export function* entries(at: At.At, path: string): Generator<void, ReadonlyArray<DirectoryEntry>> {
  const fd = at.openDirectory(At.anywhere, At.nameOf(path))
  try {
    const found: Array<DirectoryEntry> = []
    yield* list(at, fd, (entry, { type }) => found.push({ entry, type }))
    return found
  } finally {
    at.close(fd)
  }
}

export const read = (at: At.At, path: string, limit: number) => {
  const fd = at.openFile(At.anywhere, At.nameOf(path))
  try {
    const stat = at.stat(fd)
    if (stat.type !== "file") throw coded("EINVAL", `a ${stat.type}`)
    return { stat, bytes: copy(readUpTo(at, fd, limit, stat.size)) }
  } finally {
    at.close(fd)
  }
}

const scanFile = (at: At.At, fd: number, entry: string, path: string, limit: number): ScannedFile => {
  let file: number
  try {
    file = at.openFile(fd, At.nameOf(entry))
  } catch (cause) {
    // A symbolic link (ELOOP), a socket (ENXIO), or a file that isn't for us to open.
    return { entry, stat: at.statAt(fd, At.nameOf(entry)), error: failed("open", `${path}/${entry}`, cause) }
  }
  try {
    const stat = at.stat(file)
    if (stat.type !== "file" || stat.size > limit) return { entry, stat }
    const length = readUpTo(at, file, limit + 1, stat.size)
    return length > limit ? { entry, stat: { ...stat, size: length } } : { entry, stat, bytes: copy(length) }
  } catch (cause) {
    return { entry, stat: at.stat(file), error: failed("read", `${path}/${entry}`, cause) }
  } finally {
    at.close(file)
  }
}

export function* scan(
  at: At.At,
  path: string,
  sort: (entry: string) => "read" | "note" | "ignore",
  limit: number
): Generator<void, Scan> {
  let fd: number
  try {
    fd = at.openDirectory(At.anywhere, At.nameOf(path))
  } catch (cause) {
    if (errnoOf(cause) !== "ENOTDIR" && errnoOf(cause) !== "ELOOP") throw cause
    const stat = at.statAt(At.anywhere, At.nameOf(path))
    return { stat, frame: { id: stat.id }, subdirectories: "none", files: [], noted: [] }
  }
  try {
    const looked = at.look(fd)
    const read: Array<string> = []
    const noted: Array<string> = []
    let subdirectories: Scan["subdirectories"] = "none"
    yield* list(at, fd, (entry, { type }) => {
      if (type === "directory" || type === "unknown") subdirectories = "some"
      const kind = sort(entry)
      if (kind === "read") read.push(entry)
      else if (kind === "note") noted.push(entry)
    })
    const files = read.sort().map((entry) => scanFile(at, fd, entry, path, limit))
    return { ...looked, subdirectories, files, noted: noted.sort() }
  } finally {
    at.close(fd)
  }
}

export const frame = (at: At.At, path: string): DirectoryFrame => {
  const fd = at.openDirectory(At.anywhere, At.nameOf(path))
  try {
    return at.look(fd).frame
  } finally {
    at.close(fd)
  }
}

const permissionsOf = ({ gid, mode, nlink, type, uid }: Attributes): Permissions => ({ type, mode, uid, gid, nlink })

/**
 * One directory of a root, and a file in it. A file system user who may write in the directory could have put the file there, so the
 * path says as much as a descriptor.
 */
const peek = (at: At.At, root: number, directory: string, below: string, limit: number): Peek | undefined => {
  let fd: number | undefined
  try {
    const name = At.nameOf(`${directory}${below}`)
    // A path that is text has text in each part.
    const attributes = at.attributes(root, typeof name === "string" ? directory : At.nameOf(directory))
    if (attributes.type !== "directory") return undefined
    fd = at.openFile(root, name)
    const file = at.attributes(fd, "")
    if (file.type !== "file" || file.size > limit) return undefined
    const length = readUpTo(at, fd, limit + 1, file.size)
    if (length > limit) return undefined
    const content = buffer.toString("latin1", 0, length)
    return { directory: permissionsOf(attributes), file: permissionsOf(file), modifiedAt: file.modifiedAt, content }
  } catch {
    return undefined
  } finally {
    if (fd !== undefined) at.close(fd)
  }
}

/** Whatever isn't told already. */
export function* peekMany(
  at: At.At,
  root: number,
  directories: ReadonlyArray<string>,
  file: string,
  limit: number,
  told: ReadonlyArray<Peek | undefined>
): Generator<void, ReadonlyArray<Peek | undefined>> {
  const isSliceUsedUp = Slices.make()
  const found: Array<Peek | undefined> = []
  for (const [index, directory] of directories.entries()) {
    found.push(told[index] ?? peek(at, root, directory, `/${file}`, limit))
    if (isSliceUsedUp()) yield
  }
  return found
}
