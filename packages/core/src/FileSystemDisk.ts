/**
 * The portable `Disk`, over `effect/FileSystem`. It works by path, and is only as safe as the directories above each
 * path. A sweep's workspace has mode 0700 for that reason. `LinuxDisk`, and `DarwinDisk` with koffi, remove trees by
 * descriptor.
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
import { Disk, DiskError, type FileType, make, type NewFile, type Principal } from "./Disk.ts"
import { attempt, codeOf } from "./Errno.ts"
import * as Tree from "./internal/disk/tree.ts"
import * as Mounts from "./Mounts.ts"

const errnoOf = (error: PlatformError): string => {
  const { reason } = error
  const code = codeOf(reason.cause)
  if (code !== undefined) return code === "ERR_FS_EISDIR" ? "EISDIR" : code
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

const timeOf = (time: Option.Option<Date>): number => Option.getOrElse(time, () => new Date(0)).getTime()

const toStat = (info: FileSystem.File.Info) => ({
  type: fileTypes[info.type],
  id: { dev: `${info.dev}`, ino: `${Option.getOrElse(info.ino, () => 0n)}` },
  size: Number(info.size),
  mode: info.mode & 0o7777,
  uid: Option.getOrUndefined(info.uid),
  gid: Option.getOrUndefined(info.gid),
  nlink: Option.getOrUndefined(Option.map(info.nlink, Number)),
  modifiedAt: timeOf(info.mtime),
  // `FileSystem.File.Info` has no ctime. The mtime in its place condemns no directory, because judging by age also
  // needs a known file system, and this Disk reports none.
  changedAt: timeOf(info.mtime),
  /** Bytes on the disk. A sparse file occupies fewer bytes than its size. */
  occupied: Option.match(info.blocks, { onNone: () => Number(info.size), onSome: (blocks) => Number(blocks) * 512 })
})

/** Reads the uid and the home of the calling process. Finds neither if the platform has no global `process`. */
const caller = (): Pick<Principal, "uid" | "homes"> => {
  const process: unknown = Reflect.get(globalThis, "process")
  const uid: unknown =
    Predicate.hasProperty(process, "geteuid") && Predicate.isFunction(process.geteuid) ? process.geteuid() : undefined
  const home =
    Predicate.hasProperty(process, "env") && Predicate.hasProperty(process.env, "HOME") ? process.env.HOME : undefined
  const homes = Predicate.isString(home) ? [home] : []
  return { uid: Predicate.isNumber(uid) ? uid : undefined, homes }
}

/**
 * The portable Disk, with a mount table that the platform provides. `undefined`: the table of `/proc/self/mountinfo`,
 * if that file exists.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeWith = Effect.fnUntraced(function* (
  ownMounts: Disk["Service"]["mountsBelow"] | undefined
): Effect.fn.Return<Disk["Service"], never, FileSystem.FileSystem | Path.Path> {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path

  const lstat = (path: string) => Effect.map(failing("lstat", path)(fs.lstat(path)), toStat)

  const idsOf = (home: string) =>
    Effect.match(fs.stat(home), {
      onSuccess: (info) => (Option.isSome(info.ino) ? [toStat(info).id] : []),
      onFailure: () => []
    })
  // A sweep asks for the principal at each directory, and `stat` takes longer than the rest of the answer.
  const homeIds = yield* Effect.cached(
    Effect.suspend(() => Effect.map(Effect.forEach(caller().homes, idsOf), (ids) => ids.flat()))
  )

  /** Follows a symbolic link, so it is only for a path that was just seen to be a directory. */
  const list = (path: string) =>
    fs.readDirectoryEntries(path).pipe(
      failing("readdir", path),
      Effect.map((found) => found.map(({ name, type }) => ({ entry: name, type: fileTypes[type] })))
    )

  const entries = (path: string) =>
    Effect.flatMap(lstat(path), ({ type }) =>
      type === "directory" ? list(path) : Effect.fail(new DiskError({ errno: "ENOTDIR", operation: "readdir", path }))
    )

  const read = Effect.fnUntraced(function* (path: string, limit: number) {
    // `open(2)` of a FIFO waits for a writer, and `FileSystem.open` has no O_NONBLOCK. `lstat` therefore comes first.
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
  }, Effect.scoped)

  const unlink = (path: string) =>
    failing(
      "unlink",
      path
    )(fs.remove(path)).pipe(
      // After EPERM from `unlink(2)`, Node's `rm` tries `rmdir(2)` and reports that call's ENOTDIR.
      Effect.catchIf(
        (error) => error.errno === "ENOTDIR",
        () => Effect.andThen(lstat(path), Effect.fail(new DiskError({ errno: "EPERM", operation: "unlink", path })))
      )
    )

  const create = <E = never>(path: string, bytesOf: (file: NewFile) => Effect.Effect<Uint8Array, E>) =>
    Effect.gen(function* () {
      const file = yield* failing("open", path)(fs.open(path, { flag: "wx", mode: 0o600, noFollow: true }))
      const written = failing(
        "fstat",
        path
      )(file.stat).pipe(
        // The umask may have taken rights from the owner. Some file systems refuse every chmod(2).
        Effect.tap(({ mode }) =>
          (mode & 0o600) === 0o600 ? Effect.void : failing("chmod", path)(fs.chmod(path, 0o600))
        ),
        Effect.flatMap((info) => bytesOf({ id: toStat(info).id })),
        Effect.flatMap((bytes) => failing("write", path)(file.writeAll(bytes))),
        Effect.andThen(failing("fsync", path)(file.sync))
      )
      yield* Effect.onError(written, () => Effect.ignore(unlink(path)))
    }).pipe(Effect.scoped, Effect.uninterruptible)

  const rename = (from: string, to: string) => failing("rename", from)(fs.rename(from, to))

  const removeDirectory = (path: string) =>
    Effect.flatMap(entries(path), (found) =>
      found.length > 0
        ? Effect.fail(new DiskError({ errno: "ENOTEMPTY", operation: "rmdir", path }))
        : failing("rmdir", path)(fs.remove(path, { recursive: true }))
    )

  const syncDirectory = (path: string) =>
    failing(
      "open",
      path
    )(fs.open(path, { flag: "r", noFollow: true })).pipe(
      Effect.flatMap((file) => failing("fsync", path)(file.sync)),
      Effect.scoped,
      // Some file systems have no `fsync(2)` of directories. Then there is nothing to wait for.
      Effect.catchIf(
        (error) => error.errno === "EINVAL" || error.errno === "ENOTSUP",
        () => Effect.void
      )
    )

  /**
   * Works by path. If a symbolic link replaces the directory after the check, `chmod` changes the target of the link.
   * An ordinary user can change only files of that user.
   */
  const permit = Effect.fnUntraced(function* (path: string) {
    const { mode, type, uid } = yield* lstat(path)
    const isOurs = uid !== undefined && uid === caller().uid
    if (type !== "directory" || !isOurs || (mode & 0o700) === 0o700) return false
    yield* failing("chmod", path)(fs.chmod(path, mode | 0o700))
    return true
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

  const otherDevice = Tree.otherDevice({ lstat, entries: list })

  const mountInside = (path: string) =>
    Effect.flatMap(mounts, (table) =>
      table === undefined ? otherDevice(path) : Effect.succeed(Mounts.inside(table, path))
    )
  const mountsBelow: Disk["Service"]["mountsBelow"] =
    ownMounts ?? ((path) => Effect.map(mounts, (table) => (table === undefined ? [] : Mounts.below(table, path))))

  const realPath = (path: string) => failing("realpath", path)(fs.realPath(path))

  return make({
    principal: Effect.map(homeIds, (ids) => ({ ...caller(), homeIds: ids })),
    resolve: (path) => attempt("getcwd", path, () => paths.resolve(path)),
    realPath,
    lstat,
    entries,
    read,
    create,
    link: (from, to) => failing("link", to)(fs.link(from, to)),
    rename,
    unlink,
    // The umask may have taken rights from the owner.
    makeDirectory: (path) =>
      Effect.andThen(failing("mkdir", path)(fs.makeDirectory(path, { mode: 0o700 })), permit(path)),
    removeDirectory,
    syncDirectory,
    permit,
    mountInside,
    mountsBelow,
    usage: Tree.usage({ lstat, entries: list, mountsBelow }, ({ occupied }) => occupied)
  })
})

/**
 * The portable Disk. Two of its calls can replace or remove what another process makes meanwhile. `renameNew` looks
 * before it renames, and replaces whatever `rename(2)` can replace, such as an *empty* directory, that appears in
 * between. `removeDirectory` sees the directory empty, and then removes the directory recursively by path.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Disk, never, FileSystem.FileSystem | Path.Path> = Layer.effect(
  Disk,
  makeWith(undefined)
)
