/**
 * A `Disk` for macOS: the portable one, with deletion by descriptor, locks and a rename that replaces nothing.
 *
 * @since 0.1.0
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { Disk, DiskError, make, type Principal } from "@vm-sentinel/core/Disk"
import { attempt } from "@vm-sentinel/core/Errno"
import * as FileSystemDisk from "@vm-sentinel/core/FileSystemDisk"
import * as TreeRemoval from "@vm-sentinel/core/TreeRemoval"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { deferred } from "./internal/deferred.ts"
import * as DirectoryCalls from "./internal/directoryCalls.ts"
import { type FileCalls, isMissing, load } from "./internal/fileCalls.ts"
import { isDefault } from "./internal/koffi.ts"
import * as LibSystem from "./internal/libSystem.ts"
import * as Locks from "./internal/locks.ts"
import * as Looking from "./internal/looking.ts"
import * as Permitting from "./internal/permitting.ts"
import * as Room from "./internal/room.ts"

/**
 * Options of {@link layerWith}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Path of libSystem. Default: `/usr/lib/libSystem.B.dylib`. */
  readonly libraryPath?: string
}

// `userInfo` throws if the user has no entry in the directory service. The ids are needed because a home has several
// paths (firmlinks, names in another case).
const principal = Effect.sync((): Principal => {
  const homes = [Looking.orUndefined(Os.homedir), Looking.orUndefined(() => Os.userInfo().homedir)].flatMap((home) =>
    home === undefined || home === "" ? [] : [home]
  )
  const homeIds = homes.flatMap((home) => Looking.orUndefined(() => Looking.idAt(home)) ?? [])
  return { uid: process.geteuid?.(), homes, homeIds }
})

/** Whether a path is on another device than its parent. Volumes of one APFS volume group may have one `st_dev`. */
const isOnAnotherDevice = (path: string): boolean =>
  Fs.lstatSync(path, { bigint: true }).dev !== Fs.lstatSync(Path.dirname(path), { bigint: true }).dev

/**
 * `make` derives the calls that aren't given here. `lstat` and `read` report no uid and gid of a file if uid and mode
 * don't show who can change it.
 */
const withCalls = (
  portable: Disk["Service"],
  calls: FileCalls,
  mountsBelow: Disk["Service"]["mountsBelow"]
): Disk["Service"] => {
  const directoryCalls = DirectoryCalls.make(calls)

  const isMountPoint = (path: string): boolean =>
    isOnAnotherDevice(path) || Looking.orUndefined(() => calls.statfs(path).mountPoint) === path

  const mountInside = (path: string) =>
    Effect.flatMap(
      attempt("statfs", path, () => isMountPoint(path)),
      (isMount) => (isMount ? Effect.succeed(path) : portable.mountInside(path))
    )

  return make({
    principal,
    resolve: portable.resolve,
    realPath: portable.realPath,
    lstat: (path) => attempt("lstat", path, () => Looking.statAt(calls, path)),
    entries: portable.entries,
    read: (path, limit) =>
      Effect.flatMap(portable.read(path, limit), ({ bytes, stat }) =>
        attempt("read", path, () => ({ bytes, stat: Looking.complete(calls, path, stat) }))
      ),
    create: portable.create,
    link: portable.link,
    rename: portable.rename,
    unlink: portable.unlink,
    makeDirectory: portable.makeDirectory,
    removeDirectory: portable.removeDirectory,
    syncDirectory: portable.syncDirectory,
    permit: (path) => attempt("chmod", path, () => Permitting.permitAt(calls, path)),
    // The portable `usage` counts the blocks of a file, which `lstat` doesn't report.
    usage: portable.usage,
    frame: (path) =>
      attempt("open", path, () => Looking.withDirectory(calls, path, (fd) => Looking.frameOf(calls, fd))),
    // Isn't the portable `realPath`, which keeps the case of the given path. Paths in different case may lead to one
    // directory.
    location: (path) => attempt("F_GETPATH", path, () => Looking.withDirectory(calls, path, calls.pathOf)),
    renameNew: (from, to) =>
      attempt("rename", from, () => calls.renameNew(from, to)).pipe(
        Effect.catchIf(
          (error) => isMissing({ code: error.errno }),
          () => portable.renameNew(from, to)
        )
      ),
    room: (path) =>
      Effect.flatMap(portable.room(path), (byMode) => attempt("room", path, () => Room.room(path, byMode))),
    // Opening a directory on which a file system is mounted may never end. Only the mount table shows the mount before
    // that.
    removeTree: (path, options) =>
      Effect.flatMap(mountsBelow(path), ([first]) =>
        first === undefined || TreeRemoval.placeOf(path) === undefined
          ? TreeRemoval.removeTree(directoryCalls, path, options)
          : Effect.fail(new DiskError({ errno: "EXDEV", operation: "delete", path: first.mountPoint }))
      ),
    mountsBelow,
    // The mount table comes first, because reading it touches no mounted file system.
    mountInside: (path) =>
      Effect.flatMap(mountsBelow(path), ([first]) =>
        first === undefined ? mountInside(path) : Effect.succeed(first.mountPoint)
      ),
    lock: (path, options) =>
      Effect.acquireRelease(
        attempt("lock", path, () => Locks.acquire(calls, path, options)),
        ({ fd }) => Effect.sync(() => calls.close(fd))
      ),
    probeLock: (path) => Effect.sync(() => Locks.probe(calls, path))
  })
}

const over = (loaded: Effect.Effect<FileCalls | undefined>): Layer.Layer<Disk> =>
  Layer.effect(
    Disk,
    Effect.gen(function* () {
      const calls = yield* loaded
      if (calls === undefined) return Disk.of({ ...(yield* FileSystemDisk.makeWith(undefined)), principal })
      const mountsBelow = (path: string) => attempt("getfsstat", path, () => Looking.mountsBelow(calls, path))
      return withCalls(yield* FileSystemDisk.makeWith(mountsBelow), calls, mountsBelow)
    }).pipe(Effect.provide([NodeFileSystem.layer, NodePath.layer]), Effect.cached, Effect.map(deferred))
  )

/**
 * {@link layer} with another path of libSystem, and with koffi in a worker thread, too. Such a worker must never be
 * terminated while koffi loads, because koffi would abort the process.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = ({ libraryPath = LibSystem.defaultPath }: Options = {}): Layer.Layer<Disk> =>
  over(load(libraryPath))

/**
 * The Disk of macOS.
 *
 * With koffi, `renameNew` is `renameatx_np(2)` RENAME_EXCL or, on a file system without that flag, the portable one.
 * Locks are `flock(2)`, and F_GETLK looks at a lock without taking it. `fstatfs(2)` and `getattrlist(2)` describe the
 * file system of a directory, and access control lists. The removal of a tree uses `openat(2)` and `unlinkat(2)`,
 * follows no link and enters no other device. All other calls work by path, as in `FileSystemDisk`. Names that aren't
 * UTF-8 aren't kept. APFS has no such names.
 *
 * A file or directory has no uid, and therefore isn't trusted, if its volume ignores ownership, if an entry of its
 * access control list allows a change, or if either can't be read.
 *
 * Without koffi or the library the Disk is `FileSystemDisk`, except for `principal`. It then has no locks, and no data
 * of file systems and of access control lists. The same holds in a worker thread, because koffi aborts the process if a
 * worker is terminated while koffi loads.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Disk> = isDefault ? layerWith() : over(Effect.undefined)
