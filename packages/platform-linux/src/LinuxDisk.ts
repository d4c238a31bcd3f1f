/**
 * A `Disk` for Linux: deletion by descriptor, names as bytes, and most calls synchronous.
 *
 * @since 0.1.0
 */
import { Disk, DiskError, make, type NewFile, type RemoveTreeOptions } from "@vm-sentinel/core/Disk"
import { attempt, failed } from "@vm-sentinel/core/Errno"
import * as NativeCode from "@vm-sentinel/core/NativeCode"
import * as SentinelName from "@vm-sentinel/core/SentinelName"
import * as Slices from "@vm-sentinel/core/Slices"
import * as TreeRemoval from "@vm-sentinel/core/TreeRemoval"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LogLevel from "effect/LogLevel"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as DirFd from "./internal/dirFd.ts"
import { decodeName, encodePath } from "./internal/bytePath.ts"
import { close } from "./internal/closing.ts"
import * as DirectoryCalls from "./internal/directoryCalls.ts"
import * as Finding from "./internal/finding.ts"
import { isDefault } from "./internal/koffi.ts"
import { libc, type Libc } from "./internal/libc.ts"
import * as Listing from "./internal/listing.ts"
import * as Locks from "./internal/locks.ts"
import * as Looking from "./internal/looking.ts"
import * as MountTable from "./internal/mountTable.ts"
import * as PeekMany from "./internal/peekMany.ts"
import * as Permitting from "./internal/permitting.ts"
import * as Pool from "./internal/pool.ts"
import * as Principal from "./internal/principal.ts"
import * as ScanMany from "./internal/scanMany.ts"
import * as Removal from "./internal/removal.ts"
import { renameNew } from "./internal/renaming.ts"
import { room } from "./internal/room.ts"
import { fstat } from "./internal/stat.ts"
import { usage } from "./internal/usage.ts"
import * as LinuxNativeCode from "./LinuxNativeCode.ts"

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = Fs.constants
const noFollow = O_RDONLY | O_NOFOLLOW | O_NONBLOCK

/** A thread of Node's pool calls `fsync(2)`, which waits for the disk. */
const sync = (operation: string, path: string, fd: number): Effect.Effect<void, DiskError> =>
  Effect.callback((resume) =>
    Fs.fsync(fd, (cause) => resume(cause === null ? Effect.void : Effect.fail(failed(operation, path, cause))))
  )

const openFor = (operation: string, path: string, flags: number, mode?: number) =>
  Effect.acquireRelease(
    attempt(operation, path, () => Fs.openSync(encodePath(path), flags, mode)),
    (fd) => Effect.sync(() => close(fd))
  )

const create = <E = never>(
  path: string,
  bytesOf: (file: NewFile) => Effect.Effect<Uint8Array, E>
): Effect.Effect<void, DiskError | E> =>
  Effect.gen(function* () {
    const fd = yield* openFor("create", path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
    const write = (bytes: Uint8Array) =>
      attempt("create", path, () => {
        for (let count = 0; count < bytes.length;) count += Fs.writeSync(fd, bytes, count)
      })
    const undo = Effect.ignore(attempt("unlink", path, () => Fs.unlinkSync(encodePath(path))))
    const made = attempt("create", path, () => {
      const stat = fstat(fd)
      // The umask may have taken rights from the owner. Some file systems refuse every chmod(2).
      if ((stat.mode & 0o600) !== 0o600) Fs.fchmodSync(fd, 0o600)
      return stat
    })
    yield* made.pipe(
      Effect.flatMap(bytesOf),
      Effect.flatMap(write),
      Effect.andThen(sync("create", path, fd)),
      Effect.onError(() => undo)
    )
  }).pipe(Effect.scoped, Effect.uninterruptible)

const syncDirectory = (path: string): Effect.Effect<void, DiskError> =>
  openFor("fsync", path, noFollow | O_DIRECTORY).pipe(
    Effect.flatMap((fd) => sync("fsync", path, fd)),
    Effect.catchIf(
      ({ errno }) => errno === "EINVAL",
      () => Effect.void
    ),
    Effect.scoped,
    Effect.uninterruptible
  )

const sliced = <A>(
  operation: string,
  path: string,
  work: (isSliceUsedUp: Slices.IsUsedUp) => Generator<void, A>
): Effect.Effect<A, DiskError> => Slices.run(work, (cause) => failed(operation, path, cause))

/** A thread of Node's pool lists a directory whose own size is `from` bytes or more. */
const list = (
  dirFd: () => DirFd.DirFd,
  pool: () => Pool.Pool | undefined,
  from: number,
  byName: Disk["Service"]["list"]
): Disk["Service"]["list"] =>
  Effect.fnUntraced(function* (path) {
    const { size } = yield* attempt("readdir", path, () => Fs.statSync(encodePath(path)))
    const call = size < from ? undefined : pool()?.list
    if (call === undefined) return yield* byName(path)
    const calls = dirFd()
    const opened = attempt("readdir", path, () => calls.openDirectory(DirFd.AT_FDCWD, DirFd.nameOf(path)))
    const found = yield* Effect.acquireUseRelease(
      opened,
      (fd) => Listing.read(call, path, fd, size),
      (fd) => Effect.sync(() => calls.close(fd))
    )
    return found ?? (yield* byName(path))
  })

/** A thread of Node's pool peeks first. `Looking.peekMany` peeks at the directories that the thread left out. */
const peekMany =
  (dirFd: () => DirFd.DirFd, peeker: PeekMany.Peeker): Disk["Service"]["peekMany"] =>
  (root, directories, file, limit) =>
    Effect.acquireUseRelease(
      attempt("peek", root, () => dirFd().openPath(root)),
      (fd) =>
        Effect.flatMap(peeker(fd, directories, file, limit), (told) =>
          sliced("peek", root, (isSliceUsedUp) =>
            Looking.peekMany(dirFd(), fd, directories, file, limit, told, isSliceUsedUp)
          )
        ),
      (fd) => Effect.sync(() => dirFd().close(fd))
    )

/** Runs `use` with the descriptor of a root. */
const inRoot = <A, R>(
  dirFd: () => DirFd.DirFd,
  operation: string,
  root: string,
  use: (fd: number) => Effect.Effect<A, never, R>
): Effect.Effect<A, DiskError, R> =>
  Effect.acquireUseRelease(
    attempt(operation, root, () => dirFd().openPath(root)),
    use,
    (fd) => Effect.sync(() => dirFd().close(fd))
  )

/** A thread of Node's pool makes these calls. Directories for which it has no answer are left out. */
const many = (
  dirFd: () => DirFd.DirFd,
  { lock, look, move }: ScanMany.Scanner,
  moved: (path: string) => void
): Pick<Disk["Service"], "lockMany" | "moveMany" | "scanMany"> => ({
  scanMany: (root, directories, options) =>
    Effect.map(
      inRoot(dirFd, "scan", root, (fd) => look(fd, directories, options)),
      (scans) => directories.map((_, index) => scans[index])
    ),
  lockMany: (root, directories, options) =>
    Effect.map(
      inRoot(dirFd, "lock", root, (fd) => lock(fd, directories, options)),
      (locked) => directories.map((_, index) => locked[index] ?? { scan: undefined, release: Effect.void })
    ),
  moveMany: (root, moves, options) =>
    Effect.map(
      inRoot(dirFd, "rename", root, (fd) => move(fd, moves, options)),
      (found) =>
        moves.map(({ from }, index) => {
          const answer = found[index] ?? { isMoved: false, scan: undefined }
          if (answer.isMoved) moved(`${root}/${from}`)
          return answer
        })
    )
})

const isForThread = ({ inPlace = false, sentinels = [] }: RemoveTreeOptions): boolean =>
  !inPlace && sentinels.every((name) => SentinelName.isSentinel(name))

/**
 * A thread of Node's pool removes the tree. `TreeRemoval` removes what the thread left, each tree whose sentinels have
 * names that the native code lacks, and each tree that lies in place.
 */
const removeTree =
  (dirFd: () => DirFd.DirFd, remover: Removal.Remover): Disk["Service"]["removeTree"] =>
  (path, options = {}) => {
    const here = Effect.suspend(() => TreeRemoval.removeTree(DirectoryCalls.make(dirFd()), path, options))
    if (!isForThread(options)) return here
    return Effect.flatMap(remover([{ ...options, path }], true), ([isGone]) => (isGone ? Effect.succeed([]) : here))
  }

/** Without that thread nothing is removed here. */
const removeMany =
  (remover: Removal.Remover): Disk["Service"]["removeMany"] =>
  (trees) =>
    trees.every(isForThread) ? remover(trees, false) : Effect.succeed(trees.map(() => false))

/** The paths of the mounts below a directory. */
const pointsBelow = (mounts: MountTable.MountTable, path: string): ReadonlySet<string> =>
  new Set(mounts.below(path).map((mount) => mount.path))

const find =
  (dirFd: () => DirFd.DirFd, mounts: MountTable.MountTable): Disk["Service"]["find"] =>
  (path, wanted, options) =>
    Effect.acquireRelease(
      attempt("mountinfo", path, () => Finding.make(dirFd(), path, wanted, pointsBelow(mounts, path), options)),
      (finder) => Effect.sync(finder.close)
    ).pipe(
      Effect.map((finder) =>
        Stream.unfold(undefined, () =>
          Effect.map(
            Slices.run(finder.next, (cause) => failed("find", finder.at(), cause)),
            (found) => (found === undefined ? undefined : ([found, undefined] as const))
          )
        )
      ),
      Stream.unwrap
    )

/**
 * The kernel appends ` (deleted)` to the path of a removed directory. The result has the mark that `mountinfo` uses.
 */
const pathOf = (calls: DirFd.DirFd, fd: number): string => {
  const path = decodeName(Fs.readlinkSync(`/proc/self/fd/${fd}`, "buffer"))
  return calls.stat(fd).nlink === 0 ? path.replace(/ \(deleted\)$/, MountTable.deleted) : path
}

const locate = (calls: DirFd.DirFd, mounts: MountTable.MountTable, path: string): string => {
  const fd = calls.openDirectory(DirFd.AT_FDCWD, DirFd.nameOf(path))
  try {
    return mounts.locate(calls.mount(fd), pathOf(calls, fd))
  } finally {
    calls.close(fd)
  }
}

/** Without a procfs, ENOENT of a call that reads in `/proc` isn't about the path of the call. */
const namingProcfs = (error: DiskError): DiskError =>
  error.errno === "ENOENT" && !Fs.existsSync("/proc/self/fd")
    ? new DiskError({ errno: "ENOENT", operation: error.operation, path: "/proc/self/fd", cause: error })
    : error

const ofMounts = <A>(path: string, ask: () => A): Effect.Effect<A, DiskError> =>
  Effect.mapError(attempt("mountinfo", path, ask), namingProcfs)

const overCalls = (
  native: () => Libc | undefined,
  pool: () => Pool.Pool | undefined,
  nativeFrom: number,
  mounts: MountTable.MountTable
): Disk["Service"] => {
  let calls: DirFd.DirFd | undefined
  const principal = Principal.make()
  const remover = Removal.make(() => pool()?.remove)
  const dirFd = () => (calls ??= DirFd.make(native()?.at))
  /**
   * `entries` and `lstat` load no native code by default. Loading takes longer than a look at a root, and an empty root
   * needs no other call.
   */
  const loadedDirFd = () => calls ?? (nativeFrom === 0 ? dirFd() : DirFd.procfs)
  const entries = (path: string) =>
    Effect.mapError(
      sliced("readdir", path, (isSliceUsedUp) => Looking.entries(loadedDirFd(), path, isSliceUsedUp)),
      namingProcfs
    )
  const disk = make({
    principal: Effect.sync(principal),
    resolve: (path) => attempt("getcwd", path, () => Path.resolve(path)),
    realPath: (path) =>
      attempt("realpath", path, () => decodeName(Fs.realpathSync.native(encodePath(path), { encoding: "buffer" }))),
    lstat: (path) => attempt("lstat", path, () => loadedDirFd().statAt(DirFd.AT_FDCWD, DirFd.nameOf(path))),
    entries,
    scan: (path, options) =>
      sliced("scan", path, (isSliceUsedUp) => Looking.scan(dirFd(), path, options, isSliceUsedUp)),
    ...many(
      dirFd,
      ScanMany.make(pool, (fd) => dirFd().close(fd)),
      mounts.moved
    ),
    peekMany: peekMany(dirFd, PeekMany.make(pool)),
    read: (path, limit) => attempt("read", path, () => Looking.read(dirFd(), path, limit)),
    create,
    link: (from, to) => attempt("link", to, () => Fs.linkSync(encodePath(from), encodePath(to))),
    rename: (from, to) =>
      attempt("rename", from, () => {
        Fs.renameSync(encodePath(from), encodePath(to))
        mounts.moved(from)
      }),
    renameNew: (from, to) =>
      attempt("rename", from, () => {
        renameNew(native(), from, to)
        mounts.moved(from)
      }),
    unlink: (path) => attempt("unlink", path, () => Fs.unlinkSync(encodePath(path))),
    makeDirectory: (path) =>
      attempt("mkdir", path, () => {
        const name = encodePath(path)
        Fs.mkdirSync(name, { mode: 0o700 })
        // The umask may have taken rights from the owner.
        if ((Fs.lstatSync(name).mode & 0o700) !== 0o700) Fs.chmodSync(name, 0o700)
      }),
    removeDirectory: (path) => attempt("rmdir", path, () => Fs.rmdirSync(encodePath(path))),
    syncDirectory,
    permit: (path) => attempt("chmod", path, () => Permitting.permitAt(dirFd(), path)),
    removeTree: removeTree(dirFd, remover),
    removeMany: removeMany(remover),
    frame: (path) => attempt("look", path, () => Looking.frame(dirFd(), path)),
    find: find(dirFd, mounts),
    location: (path) => ofMounts(path, () => locate(dirFd(), mounts, path)),
    mountInside: (path) => ofMounts(path, () => mounts.inside(path)),
    mountsBelow: (path) => ofMounts(path, () => mounts.below(path)),
    room: (path) => attempt("room", path, () => room(path, process.geteuid?.() === 0)),
    lock: (path, options) =>
      Effect.suspend(() => {
        const calls = dirFd()
        return Effect.acquireRelease(
          attempt("lock", path, () => Locks.acquire(calls, path, options)),
          ({ fd }) => Locks.release(calls, fd)
        )
      }),
    probeLock: (path) => Effect.sync(() => Locks.probe(dirFd(), path)),
    usage: (path) =>
      sliced("measure", path, (isSliceUsedUp) => usage(dirFd(), path, () => pointsBelow(mounts, path), isSliceUsedUp))
  })
  return Disk.of({ ...disk, list: list(dirFd, pool, nativeFrom, disk.list) })
}

/** Logs at debug level which native code the Layers use, once, after the first `frame` or `peekMany`. */
const telling = Effect.fnUntraced(function* (disk: Disk["Service"]) {
  const tell = yield* Effect.flatMap(LinuxNativeCode.report, (code) => Effect.logDebug(NativeCode.describe(code))).pipe(
    Effect.when(LogLevel.isEnabled("Debug")),
    Effect.cached
  )
  return Disk.of({
    ...disk,
    frame: (path) => Effect.tap(disk.frame(path), () => tell),
    peekMany: (...page) => Effect.tap(disk.peekMany(...page), () => tell)
  })
})

/**
 * Options of {@link layerWith}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * `false`: koffi isn't loaded, as on a machine without it. Then util-linux's `flock` takes locks. Default: `true` in
   * the main thread. A worker thread that sets `true` must never be terminated while it sweeps. A termination while
   * koffi loads aborts the process.
   */
  readonly koffi?: boolean
  /**
   * `false`: threads of Node's pool run only `fsync(2)` and the `close(2)` of a removed directory, and every directory
   * is listed by name. Default: `true`. Without koffi the value has no effect.
   */
  readonly pool?: boolean
  /**
   * Minimum size of a directory itself, in bytes, at which a thread of the pool lists it, in the order of inodes. A
   * smaller directory is listed by name, which loads no native code. Default: 4097, about 200 names on ext4. 0: every
   * directory.
   */
  readonly nativeFrom?: number
}

/**
 * The Disk of Linux, which needs procfs. With koffi `renameNew` is `renameat2(2)` RENAME_NOREPLACE. Without koffi, or
 * on a file system without that flag, `renameNew` looks before it renames.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = ({ koffi = isDefault, nativeFrom = 4097, pool = true }: Options = {}): Layer.Layer<Disk> =>
  Layer.effect(
    Disk,
    Effect.gen(function* () {
      const native = koffi ? libc : () => undefined
      // The age of the kernel's answers is real time. By a clock that stands still, as in tests, they would never age.
      const clock = Clock.Clock.defaultValue()
      const mounts = yield* Effect.acquireRelease(
        Effect.sync(() => MountTable.make(native, clock)),
        ({ close }) => Effect.sync(close)
      )
      const disk = overCalls(native, koffi && pool ? Pool.pool : () => undefined, nativeFrom, mounts)
      return koffi ? yield* telling(disk) : disk
    })
  )

/**
 * The Disk of Linux with the defaults of {@link Options}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Disk> = layerWith()

/**
 * The Disk of Linux without native code: {@link layerWith} with `koffi: false`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWithoutKoffi: Layer.Layer<Disk> = layerWith({ koffi: false })
