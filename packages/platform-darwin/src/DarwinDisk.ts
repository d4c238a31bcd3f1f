/**
 * A `Disk` for macOS: the portable one, with deletion by descriptor, locks and a rename that replaces nothing.
 *
 * @since 0.1.0
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { Disk } from "@vm-sentinel/core/Disk"
import * as FileSystemDisk from "@vm-sentinel/core/FileSystemDisk"
import * as Mounts from "@vm-sentinel/core/Mounts"
import * as Slices from "@vm-sentinel/core/Slices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { type FileCalls, isMissing, load } from "./internal/fileCalls.ts"
import { attempt, failed } from "./internal/fileErrors.ts"
import * as LibSystem from "./internal/libSystem.ts"
import * as Locks from "./internal/locks.ts"
import { removal } from "./internal/treeRemoval.ts"

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

const orUndefined = <A>(call: () => A): A | undefined => {
  try {
    return call()
  } catch {
    return undefined
  }
}

// A user needs no entry in the directory service, and then `userInfo` throws.
const principal = Effect.sync(() => ({
  uid: process.geteuid?.(),
  homes: [orUndefined(Os.homedir), orUndefined(() => Os.userInfo().homedir)].flatMap((home) =>
    home === undefined || home === "" ? [] : [home]
  )
}))

/** Every mount of macOS has a device of its own. */
const isOnAnotherDevice = (path: string): boolean =>
  Fs.lstatSync(path, { bigint: true }).dev !== Fs.lstatSync(Path.dirname(path), { bigint: true }).dev

const withCalls = (portable: Disk["Service"], calls: FileCalls): Disk["Service"] => {
  const isMountPoint = (path: string): boolean =>
    isOnAnotherDevice(path) || orUndefined(() => calls.statfs(path).mountPoint) === path

  return Disk.of({
    ...portable,
    principal,
    renameNew: (from, to) =>
      attempt("rename", from, () => calls.renameNew(from, to)).pipe(
        Effect.catchIf(
          (error) => isMissing({ code: error.errno }),
          () => portable.renameNew(from, to)
        )
      ),
    removeTree: (path, expected) =>
      Effect.flatMap(
        Slices.run(
          () => removal(calls, path, expected),
          (cause) => failed("delete", path, cause)
        ),
        (error) => (error === undefined ? Effect.void : Effect.fail(error))
      ),
    isLocal: (path) =>
      Effect.sync(() => {
        const info = orUndefined(() => calls.statfs(path))
        return info !== undefined && info.local && Mounts.isLocal(info.type)
      }),
    mountInside: (path) =>
      Effect.flatMap(
        attempt("statfs", path, () => isMountPoint(path)),
        (isMount) => (isMount ? Effect.succeed(path) : portable.mountInside(path))
      ),
    lock: (path, inheritable) =>
      Effect.acquireRelease(
        attempt("lock", path, () => Locks.acquire(calls, path, inheritable)),
        ({ fd }) => Effect.sync(() => Fs.closeSync(fd))
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
 * The Disk of macOS. Through koffi: `renameatx_np(2)` RENAME_EXCL, `flock(2)`, `statfs(2)`, and a tree is removed with
 * `openat(2)` and `unlinkat(2)`, following no link and entering no other device. All else works by path, as
 * `FileSystemDisk` does; names that aren't UTF-8, which APFS doesn't have, aren't kept.
 *
 * Without koffi or the library it is `FileSystemDisk` throughout: no locks, and no path is known to be local.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Disk> = layerAt({})
