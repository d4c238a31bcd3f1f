/**
 * A `Disk` over `effect/FileSystem`: the portable one. It works by path, so it is as safe as the parents of the paths
 * it is given: a sweep's workspace is 0700 for that reason. A platform package's own Disk works by descriptor.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import { Disk, DiskError, type FileType, type Principal, type Stat } from "./Disk.ts"
import { type FileId, sameFile } from "./Holding.ts"
import { scan } from "./internal/scan.ts"
import * as Mounts from "./Mounts.ts"

const errnoOf = (error: PlatformError): string => {
  const { reason } = error
  const { cause } = reason
  if (Predicate.hasProperty(cause, "code") && Predicate.isString(cause.code)) {
    return cause.code === "ERR_FS_EISDIR" ? "EISDIR" : cause.code
  }
  switch (reason._tag) {
    case "NotFound":
      return "ENOENT"
    case "PermissionDenied":
      return "EACCES"
    case "AlreadyExists":
      return "EEXIST"
    case "Busy":
      return "EBUSY"
    default:
      return "EUNKNOWN"
  }
}

const failing =
  (operation: string, path: string) =>
  <A, R>(effect: Effect.Effect<A, PlatformError, R>): Effect.Effect<A, DiskError, R> =>
    Effect.mapError(effect, (cause) => new DiskError({ errno: errnoOf(cause), operation, path, cause }))

const fileTypes: Record<FileSystem.File.Type, FileType> = {
  File: "file",
  Directory: "directory",
  SymbolicLink: "symlink",
  FIFO: "fifo",
  Socket: "socket",
  BlockDevice: "device",
  CharacterDevice: "device",
  Unknown: "unknown"
}

const toStat = (info: FileSystem.File.Info): Stat => ({
  type: fileTypes[info.type],
  id: { dev: `${info.dev}`, ino: `${Option.getOrElse(info.ino, () => 0n)}` },
  size: Number(info.size),
  mode: info.mode & 0o7777,
  uid: Option.getOrUndefined(info.uid),
  gid: Option.getOrUndefined(info.gid),
  nlink: Option.getOrUndefined(Option.map(info.nlink, Number)),
  modifiedAt: Option.getOrElse(info.mtime, () => new Date(0)).getTime()
})

const callerOf = (process: unknown): Principal => {
  const uid: unknown =
    Predicate.hasProperty(process, "geteuid") && Predicate.isFunction(process.geteuid) ? process.geteuid() : undefined
  const home =
    Predicate.hasProperty(process, "env") && Predicate.hasProperty(process.env, "HOME") ? process.env.HOME : undefined
  return { uid: Predicate.isNumber(uid) ? uid : undefined, homes: Predicate.isString(home) ? [home] : [] }
}

const make = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path

  const lstat = (path: string) => Effect.map(failing("lstat", path)(fs.lstat(path)), toStat)

  const entries = (path: string) =>
    fs.readDirectoryEntries(path).pipe(
      failing("readdir", path),
      Effect.map((list) => list.map(({ name, type }) => ({ entry: name, type: fileTypes[type] })))
    )

  const read = Effect.fnUntraced(
    function* (path: string, limit: number) {
      // open(2) of a FIFO waits for a writer, and there is no O_NONBLOCK to ask for here: look first.
      const before = yield* lstat(path)
      if (before.type !== "file") return yield* new DiskError({ errno: "EINVAL", operation: "read", path })
      const file = yield* failing("open", path)(fs.open(path, { flag: "r", noFollow: true }))
      const stat = toStat(yield* failing("fstat", path)(file.stat))
      if (stat.type !== "file") return yield* new DiskError({ errno: "EINVAL", operation: "read", path })
      const buffer = new Uint8Array(limit)
      let length = 0
      while (length < limit) {
        const count = Number(yield* failing("read", path)(file.read(buffer.subarray(length))))
        if (count === 0) break
        length += count
      }
      return { stat, bytes: buffer.slice(0, length) }
    },
    (effect) => Effect.scoped(effect)
  )

  const unlink = (path: string) => failing("unlink", path)(fs.remove(path))

  const create = (path: string, bytes: Uint8Array) =>
    Effect.gen(function* () {
      const file = yield* failing("open", path)(fs.open(path, { flag: "wx", mode: 0o600, noFollow: true }))
      const written = Effect.andThen(failing("write", path)(file.writeAll(bytes)), failing("fsync", path)(file.sync))
      yield* Effect.onError(written, () => Effect.ignore(unlink(path)))
    }).pipe(Effect.scoped, Effect.uninterruptible)

  const rename = (from: string, to: string) => failing("rename", from)(fs.rename(from, to))

  const renameNew = (from: string, to: string) =>
    lstat(to).pipe(
      Effect.flatMap(() => Effect.fail(new DiskError({ errno: "EEXIST", operation: "rename", path: to }))),
      Effect.catchTag("DiskError", (error) => (error.errno === "ENOENT" ? rename(from, to) : Effect.fail(error)))
    )

  const removeDirectory = (path: string) =>
    Effect.flatMap(entries(path), (list) =>
      list.length > 0
        ? Effect.fail(new DiskError({ errno: "ENOTEMPTY", operation: "rmdir", path }))
        : failing("rmdir", path)(fs.remove(path, { recursive: true }))
    )

  const syncDirectory = (path: string) =>
    failing(
      "open",
      path
    )(fs.open(path, { flag: "r" })).pipe(
      Effect.flatMap((file) => failing("fsync", path)(file.sync)),
      Effect.scoped,
      // Some file systems have no fsync of directories, and then nothing to wait for.
      Effect.catchIf(
        (error) => error.errno === "EINVAL" || error.errno === "ENOTSUP",
        () => Effect.void
      )
    )

  /** Visits what is below a directory, each directory after its content, with no recursion to overflow. */
  const walk = Effect.fnUntraced(function* (
    root: string,
    order: (entry: string) => number,
    visit: (path: string, stat: Stat) => Effect.Effect<void, DiskError>,
    failed: (error: DiskError) => Effect.Effect<void, DiskError>
  ) {
    const top = yield* lstat(root)
    const pending: Array<{ readonly path: string; readonly stat: Stat; readonly names: Array<string> }> = []
    const enter = (path: string, stat: Stat) =>
      Effect.map(entries(path), (list) => {
        const names = list.map(({ entry }) => entry).sort((a, b) => order(b) - order(a))
        pending.push({ path, stat, names })
      })
    yield* enter(root, top)
    for (let current = pending.at(-1); current !== undefined; current = pending.at(-1)) {
      const name = current.names.pop()
      if (name === undefined) {
        pending.pop()
        yield* Effect.catch(visit(current.path, current.stat), failed)
        continue
      }
      const path = `${current.path}/${name}`
      yield* Effect.catch(
        Effect.flatMap(lstat(path), (stat) => {
          if (stat.type !== "directory") return visit(path, stat)
          return stat.id.dev === top.id.dev
            ? enter(path, stat)
            : Effect.fail(new DiskError({ errno: "EXDEV", operation: "cross a mount", path }))
        }),
        failed
      )
    }
  })

  const removeTree = Effect.fnUntraced(function* (root: string, last: (entry: string) => boolean, expected?: FileId) {
    const { id } = yield* lstat(root)
    if (expected !== undefined && !sameFile(id, expected)) {
      return yield* new DiskError({ errno: "ESTALE", operation: "delete", path: root })
    }
    let first: DiskError | undefined
    yield* walk(
      root,
      (entry) => (last(entry) ? 1 : 0),
      (path, stat) => (stat.type === "directory" ? removeDirectory(path) : unlink(path)),
      (error) =>
        Effect.sync(() => {
          if (error.errno !== "ENOENT") first ??= error
        })
    )
    if (first !== undefined) return yield* Effect.fail(first)
  })

  const usage = Effect.fnUntraced(function* (root: string) {
    let total = 0
    const seen = new Set<string>()
    const add = (_: string, stat: Stat) =>
      Effect.sync(() => {
        if (seen.has(stat.id.ino)) return
        if (stat.nlink !== 1 && stat.type !== "directory") seen.add(stat.id.ino)
        total += stat.size
      })
    yield* walk(
      root,
      () => 0,
      add,
      () => Effect.void
    )
    return total
  })

  const mounts = failing(
    "read",
    "/proc/self/mountinfo"
  )(fs.readFileString("/proc/self/mountinfo")).pipe(
    Effect.map(Mounts.parse),
    Effect.catchIf(
      (error) => error.errno === "ENOENT",
      () => Effect.succeed(undefined)
    )
  )

  const isLocal = (path: string) =>
    mounts.pipe(
      Effect.map((table) => Mounts.find(table ?? [], path)),
      Effect.map((mount) => mount !== undefined && Mounts.isLocal(mount.fileSystem)),
      Effect.orElseSucceed(() => false)
    )

  /** Without a mount table, another device below the directory gives a mount away. */
  const foreignDevice = (path: string) =>
    walk(
      path,
      () => 0,
      () => Effect.void,
      Effect.fail
    ).pipe(
      Effect.as(undefined),
      Effect.catchIf(
        (error) => error.errno === "EXDEV",
        (error) => Effect.succeed(error.path)
      )
    )

  const mountInside = (path: string) =>
    Effect.flatMap(mounts, (table) =>
      table === undefined ? foreignDevice(path) : Effect.succeed(Mounts.inside(table, path))
    )

  return Disk.of({
    principal: Effect.sync(() => callerOf(Reflect.get(globalThis, "process"))),
    resolve: (path) => Effect.sync(() => paths.resolve(path)),
    realPath: (path) => failing("realpath", path)(fs.realPath(path)),
    lstat,
    entries,
    scan: scan({ lstat, entries, read }),
    read,
    create,
    link: (from, to) => failing("link", to)(fs.link(from, to)),
    rename,
    renameNew,
    unlink,
    makeDirectory: (path) => failing("mkdir", path)(fs.makeDirectory(path, { mode: 0o700 })),
    removeDirectory,
    syncDirectory,
    removeTree,
    isLocal,
    mountInside,
    lock: (path) => Effect.fail(new DiskError({ errno: "ENOTSUP", operation: "lock", path })),
    probeLock: () => Effect.succeed("unknown"),
    usage
  })
})

/**
 * The portable Disk. `renameNew` looks before it renames, so an *empty* directory made in between is replaced; a
 * directory is removed by path once it was seen empty.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Disk, never, FileSystem.FileSystem | Path.Path> = Layer.effect(Disk, make)
