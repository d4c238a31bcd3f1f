/**
 * `Disk`: the file-system calls that a `SentinelStore` is built from. A platform that can make these calls safely has a
 * store.
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
  type FindOptions,
  type HeldLock,
  type Listing,
  type Locked,
  type LockOptions,
  type LockState,
  type Move,
  type Moved,
  type NewFile,
  type Peek,
  type Principal,
  type RemoveTreeOptions,
  type Room,
  type Scan,
  type ScanOptions,
  type Stat,
  type Tree
} from "./DiskModel.ts"
import { listOf, peekManyBy } from "./internal/disk/composedCalls.ts"
import * as Many from "./internal/disk/many.ts"
import { roomByMode } from "./internal/disk/room.ts"
import { scan } from "./internal/disk/scan.ts"
import * as TreeCalls from "./internal/disk/tree.ts"
import * as TreeRemoval from "./internal/disk/treeRemoval.ts"
import type { Mounted } from "./Mounts.ts"

export * from "./DiskModel.ts"

/**
 * File-system calls. No call but `realPath` follows a symbolic link in the last component of a path. Building a Layer of
 * this service makes no system call and loads no native code: the first call does.
 *
 * @category services
 * @since 0.1.0
 */
export class Disk extends Context.Service<
  Disk,
  {
    /** The process that makes the calls. */
    readonly principal: Effect.Effect<Principal>
    /** Makes a path absolute, without I/O. Fails for a relative path if the working directory was removed. */
    readonly resolve: (path: string) => Effect.Effect<string, DiskError>
    /** `realpath(3)`. */
    readonly realPath: (path: string) => Effect.Effect<string, DiskError>
    /** `lstat(2)`. */
    readonly lstat: (path: string) => Effect.Effect<Stat, DiskError>
    /** Lists a directory, without `.` and `..`. */
    readonly entries: (path: string) => Effect.Effect<ReadonlyArray<DirectoryEntry>, DiskError>
    /**
     * Lists a directory in two parts. `hidden`: names that begin with a dot, sorted. `visible`: all other names, in the
     * order of their inodes or of the names, as the disk lists them. The stream may decode the names as it is pulled.
     */
    readonly list: (path: string) => Effect.Effect<Listing, DiskError>
    /** Looks at a directory and at those of its files that `options` choose. */
    readonly scan: (path: string, options: ScanOptions) => Effect.Effect<Scan, DiskError>
    /**
     * Looks at `file` in each of `directories` of `root`, without listing the directories. Returns one answer for each
     * directory, in order. `undefined`: the directory or the file is missing, has another type or can't be read, or the
     * file is over `limit` bytes. A `scan` shows which of these applies.
     */
    readonly peekMany: (
      root: string,
      directories: Arr.NonEmptyReadonlyArray<string>,
      file: string,
      limit: number
    ) => Effect.Effect<ReadonlyArray<Peek | undefined>, DiskError>
    /**
     * Scans `directories` of `root`. Returns one answer for each directory, in order. `undefined`: a `scan` has to look
     * at that directory. A disk leaves out directories that it can't scan at once, and may leave out all.
     */
    readonly scanMany: (
      root: string,
      directories: Arr.NonEmptyReadonlyArray<string>,
      options: ScanOptions
    ) => Effect.Effect<ReadonlyArray<Scan | undefined>, DiskError>
    /**
     * Locks `directories` of `root` exclusively, as `lock` does, then scans them. Returns one answer for each directory,
     * in order.
     */
    readonly lockMany: (
      root: string,
      directories: Arr.NonEmptyReadonlyArray<string>,
      options: ScanOptions
    ) => Effect.Effect<ReadonlyArray<Locked>, DiskError, Scope.Scope>
    /**
     * Renames directories of `root`, as `renameNew` does, then scans them. `to` is relative to `root`. Returns one answer
     * for each directory, in order.
     */
    readonly moveMany: (
      root: string,
      moves: Arr.NonEmptyReadonlyArray<Move>,
      options: ScanOptions
    ) => Effect.Effect<ReadonlyArray<Moved>, DiskError>
    /**
     * Reads at most `limit` bytes of a regular file. `stat` is the `fstat(2)` of the opened file. Never blocks on a
     * FIFO.
     */
    readonly read: (
      path: string,
      limit: number
    ) => Effect.Effect<{ readonly stat: Stat; readonly bytes: Uint8Array }, DiskError>
    /**
     * Creates a file, mode 0600, complete and synced. EEXIST if the path exists. A failure leaves no file. `bytesOf`
     * gets the identity of the new, still empty file, so that a record can name the file that contains the record.
     */
    readonly create: <E = never>(
      path: string,
      bytesOf: (file: NewFile) => Effect.Effect<Uint8Array, E>
    ) => Effect.Effect<void, DiskError | E>
    /** `link(2)`: EEXIST if `to` exists. */
    readonly link: (from: string, to: string) => Effect.Effect<void, DiskError>
    /** `rename(2)`. */
    readonly rename: (from: string, to: string) => Effect.Effect<void, DiskError>
    /** A rename that fails with EEXIST if `to` exists. */
    readonly renameNew: (from: string, to: string) => Effect.Effect<void, DiskError>
    /** `unlink(2)`. */
    readonly unlink: (path: string) => Effect.Effect<void, DiskError>
    /** `mkdir(2)`, mode 0700. */
    readonly makeDirectory: (path: string) => Effect.Effect<void, DiskError>
    /** `rmdir(2)`: ENOTEMPTY if the directory isn't empty. */
    readonly removeDirectory: (path: string) => Effect.Effect<void, DiskError>
    /** `fsync(2)` of a directory. Succeeds on a file system that can't sync directories. */
    readonly syncDirectory: (path: string) => Effect.Effect<void, DiskError>
    /**
     * Makes a directory of the calling user writable: `chmod u+rwx`. Darwin: clears `uchg` and `uappnd`, of a file too.
     * Follows no symbolic link. `false`: nothing was changed, for example because the entry needs no change or belongs
     * to another user.
     */
    readonly permit: (path: string) => Effect.Effect<boolean, DiskError>
    /**
     * Deletes a directory and everything below it. The sentinels of each directory go last. Follows no symbolic link
     * and crosses no mount (EXDEV). Makes directories of the calling user writable on the way. Passes over entries that
     * can't be removed, and fails with the first error at the end. Gives up a tree that another process keeps writing
     * into (ENOTEMPTY), see `patience`.
     *
     * An inner directory stays as it is if its lock is held, or if `mayRemove` refuses one of its sentinels. All
     * directories above it stay too. Returns the inner directories with such a lock or sentinel, relative to `path`.
     * Interruptible between two removals.
     */
    readonly removeTree: (path: string, options?: RemoveTreeOptions) => Effect.Effect<ReadonlyArray<string>, DiskError>
    /**
     * Deletes those of several trees that it can delete at once, as `removeTree` does. Returns one answer for each, in
     * order. `true`: the tree is gone. `false`: `removeTree` has to delete what is left, or to fail. Interruptible
     * between two removals.
     */
    readonly removeMany: (trees: ReadonlyArray<Tree>) => Effect.Effect<ReadonlyArray<boolean>>
    /**
     * Identifies a directory and its file system through a descriptor. Returns the `id` alone if the platform has no
     * further data.
     */
    readonly frame: (path: string) => Effect.Effect<DirectoryFrame, DiskError>
    /**
     * Finds the files whose names `wanted` accepts, below the first level of a directory. Emits paths relative to
     * `path`, such as `a/b/.vm-sentinel`. Touches no mount and follows no symbolic link. Interruptible between two
     * directories.
     */
    readonly find: (
      path: string,
      wanted: (entry: string) => boolean,
      options?: FindOptions
    ) => Stream.Stream<string, DiskError>
    /**
     * Path of a directory on its file system. Every bind mount gives the same path. That path consists of the root
     * field of the directory's mount (`proc_pid_mountinfo(5)`) and the path below that root. On a platform without such
     * a field, `location` is the real path.
     */
    readonly location: (path: string) => Effect.Effect<string, DiskError>
    /** A mount point at or below the directory. `undefined`: there is none. */
    readonly mountInside: (path: string) => Effect.Effect<string | undefined, DiskError>
    /**
     * All mounts at or below a directory, by the mount table. `path` must be a real path. Touches no mounted file
     * system, since one may not answer. Empty if the platform has no such table.
     */
    readonly mountsBelow: (path: string) => Effect.Effect<ReadonlyArray<Mounted>, DiskError>
    /**
     * Takes the directory's `flock(2)` without waiting, and holds the lock until the scope closes or this process ends,
     * however the process ends. EBUSY if a conflicting lock is held. ENOTSUP, EOPNOTSUPP, ENOLCK or ENOSYS if the
     * platform or the file system has no such lock.
     */
    readonly lock: (path: string, options: LockOptions) => Effect.Effect<HeldLock, DiskError, Scope.Scope>
    /**
     * Returns the state of the directory's lock. Tries exclusive, then shared, without waiting, through a descriptor of
     * its own that is closed at once. Two simultaneous probes may therefore see each other as `exclusive`. A platform
     * that can test a lock without taking the lock does so.
     */
    readonly probeLock: (path: string) => Effect.Effect<LockState>
    /** Asks whether a directory can be changed. Makes no entry in the directory, not even for a moment. */
    readonly room: (path: string) => Effect.Effect<Room, DiskError>
    /**
     * Bytes that the tree occupies. A file with several hard links counts once per tree. A mount, even at `path`, an
     * entry on another device and an unreadable entry count as 0 bytes.
     */
    readonly usage: (path: string) => Effect.Effect<number, DiskError>
  }
>()("@vm-sentinel/core/Disk") {}

/**
 * The 13 calls that only a platform can make.
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
 * Builds a Disk from {@link Primitives}. Every call that isn't given is derived from these. Some derived calls do less:
 * `frame` returns the id alone, `mountInside` finds another device, `mountsBelow` finds nothing, `renameNew` looks
 * before it renames, `location` is the real path, `usage` adds the sizes of files, `permit` changes nothing, `room`
 * reports what owner and mode refuse, `lock` fails with ENOTSUP, and `probeLock` answers `unknown`.
 *
 * **Example** (Building a Disk without locks)
 *
 * ```ts
 * import * as Disk from "@vm-sentinel/core/Disk"
 * import * as MemoryDisk from "@vm-sentinel/core/testing/MemoryDisk"
 * import { Effect, Struct } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   const memory = yield* MemoryDisk.MemoryDisk
 *   yield* memory.seed({ "/vms/a/disk": "", "/vms/b/disk": "" })
 *   const calls = Struct.omit(yield* Disk.Disk, ["lock", "probeLock", "removeTree", "renameNew"])
 *   const disk = Disk.make(calls)
 *   const { errno } = yield* Effect.flip(disk.renameNew("/vms/a", "/vms/b"))
 *   const lock = yield* disk.probeLock("/vms/a")
 *   yield* disk.removeTree("/vms/a")
 *   const entries = yield* disk.entries("/vms")
 *   return { errno, lock, names: entries.map(({ entry }) => entry) }
 * })
 *
 * const found = await Effect.runPromise(Effect.provide(program, MemoryDisk.layer))
 * assert.deepStrictEqual(found, { errno: "EEXIST", lock: "unknown", names: ["b"] })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Primitives & Partial<Disk["Service"]>): Disk["Service"] => {
  const { entries, lstat, principal, read, removeDirectory, rename, unlink } = options
  const fail = (errno: string, operation: string, path: string) =>
    Effect.fail(new DiskError({ errno, operation, path }))

  const frame: Disk["Service"]["frame"] =
    options.frame ??
    ((path) =>
      Effect.flatMap(lstat(path), ({ id, type }) =>
        type === "directory" ? Effect.succeed({ id }) : fail("ENOTDIR", "stat", path)
      ))
  const mountInside = options.mountInside ?? TreeCalls.otherDevice({ lstat, entries })
  const mountsBelow: Disk["Service"]["mountsBelow"] = options.mountsBelow ?? (() => Effect.succeed([]))
  const permit: Disk["Service"]["permit"] = options.permit ?? (() => Effect.succeed(false))
  const scanOne = options.scan ?? scan({ lstat, entries, read, frame })
  const lock: Disk["Service"]["lock"] = options.lock ?? ((path) => fail("ENOTSUP", "lock", path))
  const renameNew: Disk["Service"]["renameNew"] =
    options.renameNew ??
    ((from, to) =>
      Effect.matchEffect(lstat(to), {
        onSuccess: () => fail("EEXIST", "rename", to),
        onFailure: (error) => (error.errno === "ENOENT" ? rename(from, to) : Effect.fail(error))
      }))
  return Disk.of({
    list: listOf(entries),
    peekMany: peekManyBy({ lstat, read }),
    scan: scanOne,
    ...Many.none,
    find: TreeCalls.find({ lstat, entries, mountInside, mountsBelow, permit }),
    location: options.realPath,
    room: roomByMode({ lstat, principal }),
    usage: TreeCalls.usage({ lstat, entries, mountsBelow }, ({ size }) => size),
    renameNew,
    removeTree: TreeRemoval.removeTree({ lstat, entries, unlink, removeDirectory, mountInside, lock, permit }),
    probeLock: () => Effect.succeed("unknown"),
    ...options,
    frame,
    mountInside,
    mountsBelow,
    permit,
    lock
  })
}
