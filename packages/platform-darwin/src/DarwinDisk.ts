/**
 * A `Disk` for macOS: the portable one, with deletion by descriptor, locks and a rename that replaces nothing.
 *
 * @since 0.1.0
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { Disk, make, type Principal } from "@vm-sentinel/core/Disk"
import { attempt } from "@vm-sentinel/core/Errno"
import * as FileSystemDisk from "@vm-sentinel/core/FileSystemDisk"
import * as TreeRemoval from "@vm-sentinel/core/TreeRemoval"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as DirectoryCalls from "./internal/directoryCalls.ts"
import { type FileCalls, isMissing, load } from "./internal/fileCalls.ts"
import * as LibSystem from "./internal/libSystem.ts"
import * as Locks from "./internal/locks.ts"
import * as Looking from "./internal/looking.ts"

/**
 * Where the library is.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Default `/usr/lib/libSystem.B.dylib`. */
  readonly libraryPath?: string
}

// A user needs no entry in the directory service, and then `userInfo` throws. A home has more than one path, by firmlinks and by
// names in another case.
const principal = Effect.sync((): Principal => {
  const homes = [Looking.orUndefined(Os.homedir), Looking.orUndefined(() => Os.userInfo().homedir)].flatMap((home) =>
    home === undefined || home === "" ? [] : [home]
  )
  const homeIds = homes.flatMap((home) => Looking.orUndefined(() => Looking.idAt(home)) ?? [])
  return { uid: process.geteuid?.(), homes, homeIds }
})

/** Every mount of macOS has a device of its own. */
const isOnAnotherDevice = (path: string): boolean =>
  Fs.lstatSync(path, { bigint: true }).dev !== Fs.lstatSync(Path.dirname(path), { bigint: true }).dev

/** `make` derives the other calls from these. The portable calls don't tell who can change a file. */
const withCalls = (portable: Disk["Service"], calls: FileCalls): Disk["Service"] => {
  const directoryCalls = DirectoryCalls.make(calls)

  const isMountPoint = (path: string): boolean =>
    isOnAnotherDevice(path) || Looking.orUndefined(() => calls.statfs(path).mountPoint) === path

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
    // Counts the blocks of a file, which `lstat` doesn't tell.
    usage: portable.usage,
    frame: (path) =>
      attempt("open", path, () => Looking.withDirectory(calls, path, (fd) => Looking.frameOf(calls, fd))),
    // A path that differs in case leads to the same directory, and realpath(3) leaves it as it is.
    location: (path) => attempt("F_GETPATH", path, () => Looking.withDirectory(calls, path, calls.pathOf)),
    renameNew: (from, to) =>
      attempt("rename", from, () => calls.renameNew(from, to)).pipe(
        Effect.catchIf(
          (error) => isMissing({ code: error.errno }),
          () => portable.renameNew(from, to)
        )
      ),
    removeTree: (path, options) => TreeRemoval.removeTree(directoryCalls, path, options),
    mountInside: (path) =>
      Effect.flatMap(
        attempt("statfs", path, () => isMountPoint(path)),
        (isMount) => (isMount ? Effect.succeed(path) : portable.mountInside(path))
      ),
    lock: (path, options) =>
      Effect.acquireRelease(
        attempt("lock", path, () => Locks.acquire(calls, path, options)),
        ({ fd }) => Effect.sync(() => calls.close(fd))
      ),
    probeLock: (path) => Effect.sync(() => Locks.probe(calls, path))
  })
}

const portable = FileSystemDisk.layer.pipe(Layer.provide([NodeFileSystem.layer, NodePath.layer]))

/**
 * {@link layer} with another library.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerAt = ({ libraryPath = LibSystem.defaultPath }: Options): Layer.Layer<Disk> =>
  Layer.effect(
    Disk,
    Effect.gen(function* () {
      const disk = yield* Disk
      const calls = yield* load(libraryPath)
      return calls === undefined ? Disk.of({ ...disk, principal }) : withCalls(disk, calls)
    })
  ).pipe(Layer.provide(portable))

/**
 * The Disk of macOS. Through koffi: `renameatx_np(2)` RENAME_EXCL, `flock(2)`, F_GETLK to look at a lock without taking it,
 * `fstatfs(2)` and `getattrlist(2)` for what a directory lies on and for access control lists, and a tree is removed with
 * `openat(2)` and `unlinkat(2)`, following no link and entering no other device. All else works by path, as
 * `FileSystemDisk` does; names that aren't UTF-8, which APFS doesn't have, aren't kept.
 *
 * A file whose volume ignores ownership, or whose access control list lets anybody change it, has no uid: it isn't believed.
 *
 * Without koffi or the library it is `FileSystemDisk` throughout: no locks, nothing known of file systems, and of access control
 * lists.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Disk> = layerAt({})
