/**
 * A `Disk` for Linux: synchronous calls, deletion by descriptor, names as bytes.
 *
 * @since 0.1.0
 */
import {
  Disk,
  type DirectoryEntry,
  type DiskError,
  type FileType,
  type Scan,
  type ScannedFile
} from "@vm-sentinel/core/Disk"
import * as Mounts from "@vm-sentinel/core/Mounts"
import * as Slices from "@vm-sentinel/core/Slices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { isUtf8 } from "node:buffer"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { decodeName, encodePath } from "./internal/bytePath.ts"
import { attempt, errnoName, errnoOf, failed, toStat } from "./internal/calls.ts"
import { libc, type Libc } from "./internal/libc.ts"
import * as Locks from "./internal/locks.ts"
import { removal } from "./internal/removal.ts"

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = Fs.constants
const noFollow = O_RDONLY | O_NOFOLLOW | O_NONBLOCK

const withFd = <A>(path: string | Buffer, flags: number, use: (fd: number) => A): A => {
  const fd = Fs.openSync(path, flags)
  try {
    return use(fd)
  } finally {
    Fs.closeSync(fd)
  }
}

const readUpTo = (fd: number, limit: number): Uint8Array => {
  const buffer = Buffer.allocUnsafe(limit)
  let length = 0
  while (length < limit) {
    const count = Fs.readSync(fd, buffer, length, limit - length, null)
    if (count === 0) break
    length += count
  }
  return new Uint8Array(buffer.subarray(0, length))
}

const typeOf = (entry: Fs.Dirent): FileType => {
  if (entry.isDirectory()) return "directory"
  if (entry.isFile()) return "file"
  if (entry.isSymbolicLink()) return "symlink"
  if (entry.isFIFO()) return "fifo"
  if (entry.isSocket()) return "socket"
  return entry.isBlockDevice() || entry.isCharacterDevice() ? "device" : "unknown"
}

/** The name that was read as latin1, one character a byte. */
const toName = (bytes: string): string =>
  /[\u0080-\u00ff]/.test(bytes) ? decodeName(Buffer.from(bytes, "latin1")) : bytes

/** Bytes of a directory (its own, not its files') up to which all names are read at once, which is quicker. */
const smallDirectory = 65_536

/** Reads a directory in batches: one of a million files costs no more memory than one of ten. */
function* batched(fd: number, use: (entry: Fs.Dirent) => void): Generator<void, void> {
  const dir = Fs.opendirSync(`/proc/self/fd/${fd}`, { encoding: "latin1", bufferSize: 256 })
  const isSliceUsedUp = Slices.make()
  try {
    for (let entry = dir.readSync(); entry !== null; entry = dir.readSync()) {
      use(entry)
      if (isSliceUsedUp()) yield
    }
  } finally {
    dir.closeSync()
  }
}

function* names(fd: number, size: number, use: (entry: string) => void): Generator<void, void> {
  if (size > smallDirectory) return yield* batched(fd, ({ name }) => use(toName(name)))
  for (const name of Fs.readdirSync(`/proc/self/fd/${fd}`, "latin1")) use(toName(name))
}

function* entries(path: string): Generator<void, ReadonlyArray<DirectoryEntry>> {
  const fd = Fs.openSync(encodePath(path), noFollow | O_DIRECTORY)
  try {
    const found: Array<DirectoryEntry> = []
    const use = (entry: Fs.Dirent) => void found.push({ entry: toName(entry.name), type: typeOf(entry) })
    if (Fs.fstatSync(fd).size > smallDirectory) yield* batched(fd, use)
    else Fs.readdirSync(`/proc/self/fd/${fd}`, { withFileTypes: true, encoding: "latin1" }).forEach(use)
    return found
  } finally {
    Fs.closeSync(fd)
  }
}

const read = (path: string | Buffer, limit: number) =>
  withFd(path, noFollow, (fd) => {
    const stat = toStat(Fs.fstatSync(fd, { bigint: true }))
    if (stat.type !== "file") throw Object.assign(new Error(`a ${stat.type}`), { code: "EINVAL" })
    return { stat, bytes: readUpTo(fd, limit) }
  })

const scanFile = (fd: number, entry: string, path: string, limit: number): ScannedFile => {
  const at = encodePath(`/proc/self/fd/${fd}/${entry}`)
  let file: number
  try {
    file = Fs.openSync(at, noFollow)
  } catch (cause) {
    // A symbolic link (ELOOP), a socket (ENXIO), or a file that isn't for us to open.
    return { entry, stat: toStat(Fs.lstatSync(at, { bigint: true })), error: failed("open", `${path}/${entry}`, cause) }
  }
  try {
    const stat = toStat(Fs.fstatSync(file, { bigint: true }))
    if (stat.type !== "file" || stat.size > limit) return { entry, stat }
    const bytes = readUpTo(file, limit + 1)
    return bytes.length > limit ? { entry, stat: { ...stat, size: bytes.length } } : { entry, stat, bytes }
  } catch (cause) {
    return {
      entry,
      stat: toStat(Fs.fstatSync(file, { bigint: true })),
      error: failed("read", `${path}/${entry}`, cause)
    }
  } finally {
    Fs.closeSync(file)
  }
}

function* scan(
  path: string,
  sort: (entry: string) => "read" | "note" | "ignore",
  limit: number
): Generator<void, Scan> {
  let fd: number
  try {
    fd = Fs.openSync(encodePath(path), noFollow | O_DIRECTORY)
  } catch (cause) {
    if (errnoOf(cause) !== "ENOTDIR" && errnoOf(cause) !== "ELOOP") throw cause
    return { stat: toStat(Fs.lstatSync(encodePath(path), { bigint: true })), files: [], noted: [] }
  }
  try {
    const stat = toStat(Fs.fstatSync(fd, { bigint: true }))
    const read: Array<string> = []
    const noted: Array<string> = []
    yield* names(fd, stat.size, (entry) => {
      const kind = sort(entry)
      if (kind === "read") read.push(entry)
      else if (kind === "note") noted.push(entry)
    })
    const files = read.sort().map((entry) => scanFile(fd, entry, path, limit))
    return { stat, files, noted: noted.sort() }
  } finally {
    Fs.closeSync(fd)
  }
}

const create = (path: string, bytes: Uint8Array): void => {
  const at = encodePath(path)
  const fd = Fs.openSync(at, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    for (let written = 0; written < bytes.length;) written += Fs.writeSync(fd, bytes, written)
    Fs.fsyncSync(fd)
  } catch (cause) {
    Fs.unlinkSync(at)
    throw cause
  } finally {
    Fs.closeSync(fd)
  }
}

const terminated = (path: string): Buffer => Buffer.concat([Buffer.from(encodePath(path)), Buffer.alloc(1)])

/** Without koffi, or where the file system has no RENAME_NOREPLACE, a look must do. */
const renameUnlessPresent = (from: string, to: string): void => {
  try {
    Fs.lstatSync(encodePath(to))
  } catch (cause) {
    if (errnoOf(cause) !== "ENOENT") throw cause
    Fs.renameSync(encodePath(from), encodePath(to))
    return
  }
  throw Object.assign(new Error("there is something under the new name"), { code: "EEXIST" })
}

const renameNew = (native: Libc | undefined, from: string, to: string): void => {
  const errno = native?.renameNoReplace(terminated(from), terminated(to))
  if (errno === 0) return
  const name = errno === undefined ? "ENOSYS" : errnoName(errno)
  if (name !== "ENOSYS" && name !== "EINVAL") throw Object.assign(new Error(name), { code: name })
  renameUnlessPresent(from, to)
}

const syncDirectory = (path: string): void => {
  try {
    withFd(encodePath(path), noFollow | O_DIRECTORY, Fs.fsyncSync)
  } catch (cause) {
    if (errnoOf(cause) !== "EINVAL") throw cause
  }
}

const sliced = <A>(operation: string, path: string, work: () => Generator<void, A>): Effect.Effect<A, DiskError> =>
  Slices.run(work, (cause) => failed(operation, path, cause))

const removeTree: Disk["Service"]["removeTree"] = (path, last, expected) =>
  Effect.flatMap(
    sliced("delete", path, () => removal(path, last, expected)),
    (error) => (error === undefined ? Effect.void : Effect.fail(error))
  )

/** What goes away or can't be read while it is measured counts nothing. */
const orNothing = <A>(call: () => A): A | undefined => {
  try {
    return call()
  } catch {
    return undefined
  }
}

function* usage(root: string): Generator<void, number> {
  const top = Fs.lstatSync(encodePath(root), { bigint: true })
  const isSliceUsedUp = Slices.make()
  const seen = new Set<bigint>()
  const pending = top.isDirectory() ? [root] : []
  let total = Number(top.blocks) * 512
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const directory = encodePath(path)
    const fd = orNothing(() => Fs.openSync(directory, noFollow | O_DIRECTORY))
    if (fd === undefined) continue
    try {
      yield* names(fd, Fs.fstatSync(fd).size, (entry) => {
        const stats = orNothing(() => Fs.lstatSync(encodePath(`/proc/self/fd/${fd}/${entry}`), { bigint: true }))
        if (stats === undefined || stats.dev !== top.dev) return
        if (stats.isDirectory()) pending.push(`${path}/${entry}`)
        else if (stats.nlink > 1n) {
          if (seen.has(stats.ino)) return
          seen.add(stats.ino)
        }
        total += Number(stats.blocks) * 512
      })
    } finally {
      Fs.closeSync(fd)
    }
    if (isSliceUsedUp()) yield
  }
  return total
}

/** The mount table, whose mount points are bytes as all names are. */
const mountTable = (): string => {
  const bytes = Fs.readFileSync("/proc/self/mountinfo")
  if (isUtf8(bytes)) return bytes.toString()
  const lines = bytes.toString("latin1").split("\n")
  return lines.map((line) => decodeName(Buffer.from(line, "latin1"))).join("\n")
}

const isLocal = (path: string): boolean => {
  try {
    const mount = Mounts.find(Mounts.parse(mountTable()), path)
    return mount !== undefined && Mounts.isLocal(mount.fileSystem)
  } catch {
    return false
  }
}

// Asking for them reads the user database, and who looks at a directory needs only the uid.
let homes: ReadonlyArray<string> | undefined

const principal = () => ({
  uid: process.geteuid?.(),
  homes: (homes ??= [Os.homedir(), Os.userInfo().homedir].filter((home) => home !== ""))
})

const make = (native: () => Libc | undefined): Disk["Service"] =>
  Disk.of({
    principal: Effect.sync(principal),
    parallelism: 1,
    resolve: (path) => Effect.sync(() => Path.resolve(path)),
    realPath: (path) =>
      attempt("realpath", path, () => decodeName(Fs.realpathSync.native(encodePath(path), { encoding: "buffer" }))),
    lstat: (path) => attempt("lstat", path, () => toStat(Fs.lstatSync(encodePath(path), { bigint: true }))),
    entries: (path) => sliced("readdir", path, () => entries(path)),
    scan: (path, sort, limit) => sliced("scan", path, () => scan(path, sort, limit)),
    read: (path, limit) => attempt("read", path, () => read(encodePath(path), limit)),
    create: (path, bytes) => attempt("create", path, () => create(path, bytes)),
    link: (from, to) => attempt("link", to, () => Fs.linkSync(encodePath(from), encodePath(to))),
    rename: (from, to) => attempt("rename", from, () => Fs.renameSync(encodePath(from), encodePath(to))),
    renameNew: (from, to) => attempt("rename", from, () => renameNew(native(), from, to)),
    unlink: (path) => attempt("unlink", path, () => Fs.unlinkSync(encodePath(path))),
    makeDirectory: (path) => attempt("mkdir", path, () => Fs.mkdirSync(encodePath(path), { mode: 0o700 })),
    removeDirectory: (path) => attempt("rmdir", path, () => Fs.rmdirSync(encodePath(path))),
    syncDirectory: (path) => attempt("fsync", path, () => syncDirectory(path)),
    removeTree,
    isLocal: (path) => Effect.sync(() => isLocal(path)),
    mountInside: (path) => attempt("mountinfo", path, () => Mounts.inside(Mounts.parse(mountTable()), path)),
    lock: (path, inheritable) =>
      Effect.acquireRelease(
        attempt("lock", path, () => Locks.acquire(native(), path, inheritable)),
        ({ fd }) => Effect.sync(() => Fs.closeSync(fd))
      ),
    probeLock: (path) => Effect.sync(() => Locks.probe(native(), path)),
    usage: (path) => sliced("measure", path, () => usage(path))
  })

/**
 * The Disk of Linux. Needs procfs. With koffi `renameNew` is `renameat2(2)` RENAME_NOREPLACE; without, it looks first.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Disk> = Layer.succeed(Disk, make(libc))

/**
 * {@link layer} as it is where koffi can't be loaded: a lock is taken by util-linux's `flock`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWithoutKoffi: Layer.Layer<Disk> = Layer.succeed(
  Disk,
  make(() => undefined)
)
