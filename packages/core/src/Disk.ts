/**
 * The few calls on a file system that a sentinel store is made of. A platform that can make them safely has a store.
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { DirectoryFrame } from "./DirectoryFrame.ts"
import {
  type DirectoryEntry,
  DiskError,
  type HeldLock,
  type Listing,
  type LockOptions,
  type LockState,
  type NewFile,
  type Peek,
  type Principal,
  type RemoveTreeOptions,
  type Scan,
  type Stat
} from "./DiskModel.ts"
import { listOf, peekManyBy } from "./internal/composedCalls.ts"
import { scan } from "./internal/scan.ts"
import * as Tree from "./internal/tree.ts"

export * from "./DiskModel.ts"

/**
 * File-system calls. No path's last component is ever followed where it is a symbolic link.
 *
 * @category services
 * @since 0.1.0
 */
export class Disk extends Context.Service<
  Disk,
  {
    readonly principal: Effect.Effect<Principal>
    /** An absolute path, without I/O. */
    readonly resolve: (path: string) => Effect.Effect<string>
    readonly realPath: (path: string) => Effect.Effect<string, DiskError>
    readonly lstat: (path: string) => Effect.Effect<Stat, DiskError>
    readonly entries: (path: string) => Effect.Effect<ReadonlyArray<DirectoryEntry>, DiskError>
    /**
     * {@link entries} in two parts. `hidden`: names that begin with a dot, sorted. `visible`: the others, in the order of their
     * inodes where the disk tells it, else by name; each is decoded when it is pulled.
     */
    readonly list: (path: string) => Effect.Effect<Listing, DiskError>
    /** The directory, and those of its files that `sort` wants, in one look. Other names aren't held in memory. */
    readonly scan: (
      path: string,
      sort: (entry: string) => "read" | "note" | "ignore",
      limit: number
    ) => Effect.Effect<Scan, DiskError>
    /**
     * Looks at `file` in each of `directories` of `root`, without a listing of them. One answer for each, in order. `undefined`: the
     * directory or the file isn't there, isn't plain, or is over `limit` bytes; a {@link scan} tells which.
     */
    readonly peekMany: (
      root: string,
      directories: Arr.NonEmptyReadonlyArray<string>,
      file: string,
      limit: number
    ) => Effect.Effect<ReadonlyArray<Peek | undefined>, DiskError>
    /** At most `limit` bytes of a regular file, and the `fstat(2)` of what was opened. Never blocks on a FIFO. */
    readonly read: (
      path: string,
      limit: number
    ) => Effect.Effect<{ readonly stat: Stat; readonly bytes: Uint8Array }, DiskError>
    /**
     * A new file, mode 0600, complete and synced. EEXIST when there is one. On any failure nothing is left. `bytesOf` is
     * given the file as it is made, empty: a record can say in which file it lies.
     */
    readonly create: <E = never>(
      path: string,
      bytesOf: (file: NewFile) => Effect.Effect<Uint8Array, E>
    ) => Effect.Effect<void, DiskError | E>
    /** `link(2)`: EEXIST when `to` exists. */
    readonly link: (from: string, to: string) => Effect.Effect<void, DiskError>
    /** `rename(2)`. */
    readonly rename: (from: string, to: string) => Effect.Effect<void, DiskError>
    /** A rename that fails with EEXIST when there is anything under `to`. */
    readonly renameNew: (from: string, to: string) => Effect.Effect<void, DiskError>
    readonly unlink: (path: string) => Effect.Effect<void, DiskError>
    /** Mode 0700. */
    readonly makeDirectory: (path: string) => Effect.Effect<void, DiskError>
    /** `rmdir(2)`: ENOTEMPTY when something is in it. */
    readonly removeDirectory: (path: string) => Effect.Effect<void, DiskError>
    readonly syncDirectory: (path: string) => Effect.Effect<void, DiskError>
    /**
     * Deletes a directory and all below it, the sentinels among its direct children last. Follows no symbolic link and
     * crosses no mount (EXDEV). Goes on past what can't be removed, and then fails with the first. An inner directory
     * whose lock is held, or that has a sentinel which `mayRemove` refuses, stays as it is: those are given back, relative
     * to `path`, and all above them stays too. Interruptible between two removals.
     */
    readonly removeTree: (path: string, options?: RemoveTreeOptions) => Effect.Effect<ReadonlyArray<string>, DiskError>
    /** A directory and its file system, by a descriptor. Its `id` alone where the platform can't tell more. */
    readonly frame: (path: string) => Effect.Effect<DirectoryFrame, DiskError>
    /**
     * Files below the first level of a directory whose names `wanted` accepts, relative to it: `a/b/.vm-sentinel`. Enters
     * no mount and follows no link. Interruptible between two directories.
     */
    readonly find: (path: string, wanted: (entry: string) => boolean) => Stream.Stream<string, DiskError>
    /**
     * Where a directory lies on its file system, whatever bind mount it is reached through: the root field of its mount
     * (`proc_pid_mountinfo(5)`) and the path below that. The real path where the platform can't tell.
     */
    readonly location: (path: string) => Effect.Effect<string, DiskError>
    /** A mount at or below the directory; `undefined` when there is none. */
    readonly mountInside: (path: string) => Effect.Effect<string | undefined, DiskError>
    /**
     * Holds the directory's `flock(2)` until the scope closes or this process ends, however it ends. EBUSY when another
     * holds it, ENOTSUP where there is no such lock.
     */
    readonly lock: (path: string, options: LockOptions) => Effect.Effect<HeldLock, DiskError, Scope.Scope>
    /**
     * The state of the lock. Tries exclusive, then shared, without waiting, on a descriptor of its own that is closed at once:
     * two that look at one moment may see each other as `exclusive`. Looks without taking where the platform can.
     */
    readonly probeLock: (path: string, options?: Pick<LockOptions, "byCommand">) => Effect.Effect<LockState>
    /** Bytes that the tree occupies, hard links counted once a tree. */
    readonly usage: (path: string) => Effect.Effect<number, DiskError>
  }
>()("@vm-sentinel/core/Disk") {}

/**
 * Calls that only a platform can make.
 *
 * @category models
 * @since 0.1.0
 */
export type Primitives = Pick<
  Disk["Service"],
  | "principal"
  | "resolve"
  | "realPath"
  | "lstat"
  | "entries"
  | "read"
  | "create"
  | "link"
  | "rename"
  | "unlink"
  | "makeDirectory"
  | "removeDirectory"
  | "syncDirectory"
>

/**
 * A Disk of {@link Primitives}. A call that isn't given is made of them in its weakest honest form: a frame holds the id alone, a mount
 * is known by its device, `renameNew` looks before it renames, and there are no locks (ENOTSUP, `unknown`).
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Primitives & Partial<Disk["Service"]>): Disk["Service"] => {
  const { entries, lstat, read, removeDirectory, rename, unlink } = options
  const fail = (errno: string, operation: string, path: string) =>
    Effect.fail(new DiskError({ errno, operation, path }))

  const frame: Disk["Service"]["frame"] =
    options.frame ??
    ((path) =>
      Effect.flatMap(lstat(path), ({ id, type }) =>
        type === "directory" ? Effect.succeed({ id }) : fail("ENOTDIR", "stat", path)
      ))
  const mountInside = options.mountInside ?? Tree.otherDevice({ lstat, entries })
  const lock: Disk["Service"]["lock"] = options.lock ?? ((path) => fail("ENOTSUP", "lock", path))
  return Disk.of({
    list: listOf(entries),
    peekMany: peekManyBy({ lstat, read }),
    scan: scan({ lstat, entries, read, frame }),
    find: Tree.find({ lstat, entries, mountInside }),
    location: options.realPath,
    usage: Tree.usage({ lstat, entries }, ({ size }) => size),
    renameNew: (from, to) =>
      Effect.matchEffect(lstat(to), {
        onSuccess: () => fail("EEXIST", "rename", to),
        onFailure: (error) => (error.errno === "ENOENT" ? rename(from, to) : Effect.fail(error))
      }),
    removeTree: Tree.removeTree({ lstat, entries, unlink, removeDirectory, mountInside, lock }),
    probeLock: () => Effect.succeed("unknown"),
    ...options,
    frame,
    mountInside,
    lock
  })
}
