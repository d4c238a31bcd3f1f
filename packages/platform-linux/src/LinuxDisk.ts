/**
 * A `Disk` for Linux: synchronous calls, deletion by descriptor, names as bytes.
 *
 * @since 0.1.0
 */
import {
  Disk,
  type DirectoryEntry,
  DiskError,
  type Glimpse,
  type Listing,
  type Scan,
  type ScannedFile
} from "@vm-sentinel/core/Disk"
import { type FileId, sameFile } from "@vm-sentinel/core/Holding"
import * as Mounts from "@vm-sentinel/core/Mounts"
import * as Slices from "@vm-sentinel/core/Slices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as At from "./internal/at.ts"
import { decodeName, encodePath } from "./internal/bytePath.ts"
import { attempt, failed } from "./internal/calls.ts"
import { libc, type Libc } from "./internal/libc.ts"
import * as Locks from "./internal/locks.ts"
import * as MountTable from "./internal/mountTable.ts"
import { removal, type Task } from "./internal/removal.ts"
import * as Remover from "./internal/remover.ts"
import { renameNew } from "./internal/renaming.ts"
import * as TightListing from "./internal/tightListing.ts"
import { errnoOf } from "./internal/stat.ts"

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

// Every call is synchronous and done with the buffer before it returns.
let buffer = Buffer.allocUnsafe(8192)

/**
 * Good until the next call. `size`: where the file's end is expected, so that it need not be asked for.
 */
const readUpTo = (at: At.At, fd: number, limit: number, size: number): Uint8Array => {
  if (buffer.length < limit) buffer = Buffer.allocUnsafe(limit)
  let length = at.read(fd, buffer, limit)
  while (length < limit && length !== size) {
    const count = at.read(fd, buffer.subarray(length), limit - length)
    if (count === 0) break
    length += count
  }
  return buffer.subarray(0, length)
}

/** Of Node's pool: a buffer of its own for each would be garbage of a kind that is dear to collect. */
const copy = (bytes: Uint8Array): Uint8Array => {
  const copied = Buffer.allocUnsafe(bytes.length)
  copied.set(bytes)
  return new Uint8Array(copied.buffer, copied.byteOffset, copied.length)
}

/** Reads a directory in slices; none of its names is held here. */
function* list(at: At.At, fd: number, use: (name: string, entry: At.Entry) => unknown): Generator<void, void> {
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

function* entries(at: At.At, path: string): Generator<void, ReadonlyArray<DirectoryEntry>> {
  const fd = at.openDirectory(At.anywhere, At.nameOf(path))
  try {
    const found: Array<DirectoryEntry> = []
    yield* list(at, fd, (entry, { type }) => found.push({ entry, type }))
    return found
  } finally {
    at.close(fd)
  }
}

function* listing(at: At.At, path: string): Generator<void, Listing> {
  const fd = at.openDirectory(At.anywhere, At.nameOf(path))
  try {
    const names = TightListing.make()
    yield* list(at, fd, names.add)
    return names.sorted()
  } finally {
    at.close(fd)
  }
}

const read = (at: At.At, path: string, limit: number) => {
  const fd = at.openFile(At.anywhere, At.nameOf(path))
  try {
    const stat = at.stat(fd)
    if (stat.type !== "file") throw Object.assign(new Error(`a ${stat.type}`), { code: "EINVAL" })
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
    const bytes = readUpTo(at, file, limit + 1, stat.size)
    return bytes.length > limit ? { entry, stat: { ...stat, size: bytes.length } } : { entry, stat, bytes: copy(bytes) }
  } catch (cause) {
    return { entry, stat: at.stat(file), error: failed("read", `${path}/${entry}`, cause) }
  } finally {
    at.close(file)
  }
}

function* scan(
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
    return { stat: at.statAt(At.anywhere, At.nameOf(path)), files: [], noted: [] }
  }
  try {
    const stat = at.stat(fd)
    const read: Array<string> = []
    const noted: Array<string> = []
    yield* list(at, fd, (entry) => {
      const kind = sort(entry)
      if (kind === "read") read.push(entry)
      else if (kind === "note") noted.push(entry)
    })
    const files = read.sort().map((entry) => scanFile(at, fd, entry, path, limit))
    return { stat, files, noted: noted.sort() }
  } finally {
    at.close(fd)
  }
}

/** Whoever may write in the directory could have put it there, so it says as much as if it were opened by descriptor. */
const peek = (at: At.At, root: number, directory: string, entry: string, limit: number): Glimpse | undefined => {
  let fd: number | undefined
  try {
    const attributes = at.attributes(root, At.nameOf(directory))
    if (attributes.type !== "directory") return undefined
    fd = at.openFile(root, At.nameOf(`${directory}/${entry}`))
    const file = at.attributes(fd, "")
    if (file.type !== "file" || file.size > limit) return undefined
    const bytes = readUpTo(at, fd, limit + 1, file.size)
    return bytes.length > limit ? undefined : { directory: attributes, file, bytes }
  } catch {
    return undefined
  } finally {
    if (fd !== undefined) at.close(fd)
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

const syncDirectory = (path: string): void => {
  try {
    withFd(encodePath(path), noFollow | O_DIRECTORY, Fs.fsyncSync)
  } catch (cause) {
    if (errnoOf(cause) !== "EINVAL") throw cause
  }
}

const sliced = <A>(operation: string, path: string, work: () => Generator<void, A>): Effect.Effect<A, DiskError> =>
  Slices.run(work, (cause) => failed(operation, path, cause))

/** Here or in a thread. */
const removeTree =
  (at: () => At.At, remover: Remover.Remover): Disk["Service"]["removeTree"] =>
  (path, expected) =>
    Effect.suspend(() => {
      const task: Task = { path, expected }
      const here = sliced("delete", path, () => removal(at(), task, Slices.make()))
      const there = remover.take(task)
      const removed =
        there === undefined
          ? here
          : Effect.flatMap(there, (answer) => (answer === "undone" ? here : Effect.succeed(answer)))
      return Effect.flatMap(removed, (failure) =>
        failure === undefined ? Effect.void : Effect.fail(new DiskError(failure))
      )
    })

const moveExpected = (at: At.At, native: Libc | undefined, from: string, to: string, expected: FileId): void => {
  if (!sameFile(at.statAt(At.anywhere, At.nameOf(from)).id, expected)) {
    throw Object.assign(new Error("another directory"), { code: "ESTALE" })
  }
  renameNew(native, from, to)
}

/** What goes away or can't be read while it is measured counts nothing. */
const orNothing = <A>(call: () => A): A | undefined => {
  try {
    return call()
  } catch {
    return undefined
  }
}

function* usage(at: At.At, root: string): Generator<void, number> {
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
      yield* list(at, fd, (entry) => {
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

const isLocal = (mounts: MountTable.MountTable, path: string): boolean => {
  try {
    const mount = mounts.find(path)
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

const make = (
  native: () => Libc | undefined,
  remover: Remover.Remover,
  mounts: MountTable.MountTable
): Disk["Service"] => {
  let calls: At.At | undefined
  const at = () => (calls ??= At.make(native()?.at))
  const remove = removeTree(at, remover)
  return Disk.of({
    principal: Effect.sync(principal),
    parallelism: 1,
    resolve: (path) => Effect.sync(() => Path.resolve(path)),
    realPath: (path) =>
      attempt("realpath", path, () => decodeName(Fs.realpathSync.native(encodePath(path), { encoding: "buffer" }))),
    lstat: (path) => attempt("lstat", path, () => at().statAt(At.anywhere, At.nameOf(path))),
    entries: (path) => sliced("readdir", path, () => entries(at(), path)),
    listing: (path) =>
      Effect.map(
        sliced("readdir", path, () => listing(at(), path)),
        (found) => {
          remover.listed(found.size)
          return found
        }
      ),
    scan: (path, sort, limit) => sliced("scan", path, () => scan(at(), path, sort, limit)),
    peeker: (root) =>
      Effect.map(
        Effect.acquireRelease(
          attempt("open", root, () => at().openPath(root)),
          (fd) => Effect.sync(() => at().close(fd))
        ),
        (fd) => (directory, entry, limit) => peek(at(), fd, directory, entry, limit)
      ),
    read: (path, limit) => attempt("read", path, () => read(at(), path, limit)),
    create: (path, bytes) => attempt("create", path, () => create(path, bytes)),
    link: (from, to) => attempt("link", to, () => Fs.linkSync(encodePath(from), encodePath(to))),
    rename: (from, to) => attempt("rename", from, () => Fs.renameSync(encodePath(from), encodePath(to))),
    renameNew: (from, to) => attempt("rename", from, () => renameNew(native(), from, to)),
    unlink: (path) => attempt("unlink", path, () => Fs.unlinkSync(encodePath(path))),
    makeDirectory: (path) => attempt("mkdir", path, () => Fs.mkdirSync(encodePath(path), { mode: 0o700 })),
    removeDirectory: (path) => attempt("rmdir", path, () => Fs.rmdirSync(encodePath(path))),
    syncDirectory: (path) => attempt("fsync", path, () => syncDirectory(path)),
    removeTree: remove,
    bury: (path, grave, expected) =>
      Effect.flatMap(
        attempt("bury", path, () => moveExpected(at(), native(), path, grave, expected)),
        () =>
          // What was put there at the last moment goes back: whoever finds it in a grave would finish it.
          Effect.tapError(remove(grave, expected), ({ errno }) =>
            errno === "ESTALE"
              ? Effect.ignore(attempt("rename", grave, () => renameNew(native(), grave, path)))
              : Effect.void
          )
      ),
    isLocal: (path) => Effect.sync(() => isLocal(mounts, path)),
    mountInside: (path) => attempt("mountinfo", path, () => mounts.inside(path)),
    lock: (path, inheritable) =>
      Effect.acquireRelease(
        attempt("lock", path, () => Locks.acquire(native(), path, inheritable)),
        ({ fd }) => Effect.sync(() => Fs.closeSync(fd))
      ),
    probeLock: (path) => Effect.sync(() => Locks.probe(native(), path)),
    usage: (path) => sliced("measure", path, () => usage(at(), path))
  })
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** `false`: as where koffi can't be loaded. A lock is taken by util-linux's `flock` then. Default: `true`. */
  readonly koffi?: boolean
  /**
   * Removals in a row after which two threads are started that do the rest; fewer do where a large directory was listed.
   * Default: 64. 0: threads do all.
   */
  readonly removalsBeforeThread?: number
}

/**
 * The Disk of Linux. Needs procfs. With koffi `renameNew` is `renameat2(2)` RENAME_NOREPLACE; without, it looks first.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = ({ koffi = true, removalsBeforeThread = 64 }: Options = {}): Layer.Layer<Disk> =>
  Layer.effect(
    Disk,
    Effect.gen(function* () {
      const native = koffi ? libc : () => undefined
      const remover = yield* Remover.make(koffi, removalsBeforeThread)
      const mounts = yield* Effect.acquireRelease(
        Effect.sync(() => MountTable.make(native)),
        ({ close }) => Effect.sync(close)
      )
      return make(native, remover, mounts)
    })
  )

/**
 * {@link layerWith}, with its defaults.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Disk> = layerWith()

/**
 * {@link layerWith} without koffi.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWithoutKoffi: Layer.Layer<Disk> = layerWith({ koffi: false })
