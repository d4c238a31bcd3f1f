/**
 * A `Disk` in memory, for tests. It has POSIX semantics, and several processes on one volume. A test can make each call
 * of a process fail, end the process, or wait until another process has acted.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import { Disk, type FileType, type Principal } from "../Disk.ts"
import type { FileId } from "../FileId.ts"
import * as Calls from "./internal/memoryCalls.ts"
import * as Disks from "./internal/memoryDisk.ts"
import { type Caller, type Inode, statOf } from "./internal/memoryInode.ts"
import * as Locks from "./internal/memoryLocks.ts"
import * as Volume from "./internal/memoryVolume.ts"
import type { Call, MountOptions, Operation } from "./MemoryDiskModel.ts"

export * from "./MemoryDiskModel.ts"

/**
 * Attributes of an inode that a test can set. Times in milliseconds since the epoch.
 *
 * @category models
 * @since 0.1.0
 */
export interface Attributes {
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly modifiedAt?: number
  /** ctime. On a real file system only the kernel's clock sets it. */
  readonly changedAt?: number
  /** A directory of a lower layer of overlayfs, mounted with `redirect_dir=off`. A rename of it fails with EXDEV. */
  readonly isLower?: boolean
}

/**
 * A file that `seed` puts under a path: a text or bytes for a regular file, or a file of any type. A `size` beyond the
 * content makes a sparse file. `target`: the target of a symbolic link.
 *
 * @category models
 * @since 0.1.0
 */
export type Seed =
  | string
  | Uint8Array
  | ({
      readonly type: FileType
      readonly content?: string | Uint8Array
      readonly size?: number
      readonly target?: string
    } & Attributes)

/**
 * A file of any type in a snapshot.
 *
 * @category models
 * @since 0.1.0
 */
export interface Node {
  readonly type: FileType
  readonly ino: string
  /** Birth time, nanoseconds since the epoch. `ino` and `birth` together are unique on a file system. */
  readonly birth: string
  readonly mode: number
  readonly uid: number | undefined
  readonly links: number
  /** Content of a regular file, decoded as UTF-8, or target of a symbolic link. */
  readonly content?: string
}

/**
 * Options of a volume and its first process.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Uid of the first process. Default 1000. `undefined`: a platform without uids. */
  readonly uid?: number | undefined
  /** `homes` and `homeIds`: home directories of the first process, see `Principal`. Default: none. */
  readonly homes?: ReadonlyArray<string>
  readonly homeIds?: ReadonlyArray<FileId>
  /** Type of the root's file system, as the mount table names it. Default `ext4`. */
  readonly fileSystem?: string
  /** Id of the root's file system, see `FileSystemOptions`. */
  readonly id?: string
  /**
   * Size of the root's file system, in bytes. A file takes blocks of 4096 bytes, and a directory takes one block.
   * Default: unlimited.
   */
  readonly capacity?: number
  /** `false`: inode numbers of removed files are never reused, as on xfs and tmpfs. Default `true`, as on ext4. */
  readonly reuseInodes?: boolean
  /** `false`: listings give the type of an entry as `unknown` (`DT_UNKNOWN`). Default `true`. */
  readonly entryTypes?: boolean
  /** `false`: no `flock(2)`. Default `true`. */
  readonly locks?: boolean
}

/**
 * The controls of a volume and of one process on it. Changes to the volume affect all processes. Principal, calls,
 * failures and descriptors belong to the process whose `Disk` came with this service. The `n`-th call is counted from
 * the moment at which the control runs. The next call is 1.
 *
 * **Example** (Failing one call)
 *
 * ```ts
 * import * as Disk from "@vm-sentinel/core/Disk"
 * import * as MemoryDisk from "@vm-sentinel/core/testing/MemoryDisk"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   const disk = yield* Disk.Disk
 *   const memory = yield* MemoryDisk.MemoryDisk
 *   yield* memory.seed({ "/vms/a/disk": "content" })
 *   yield* memory.failNext("unlink", "EIO")
 *   const { message } = yield* Effect.flip(disk.removeTree("/vms/a"))
 *   return { message, left: Object.keys(yield* memory.snapshot("/vms")) }
 * })
 *
 * const { left, message } = await Effect.runPromise(Effect.provide(program, MemoryDisk.layer))
 * assert.strictEqual(message, "/vms/a/disk: EIO (unlink)")
 * assert.deepStrictEqual(left, ["/vms", "/vms/a", "/vms/a/disk"])
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class MemoryDisk extends Context.Service<
  MemoryDisk,
  {
    /**
     * Puts each entry at its absolute path, and makes missing parents. Replaces an entry that exists there. An entry of
     * the same type, other than a symbolic link, keeps its inode, and a directory keeps its entries.
     */
    readonly seed: (entries: Readonly<Record<string, Seed>>) => Effect.Effect<void>
    readonly setAttributes: (path: string, attributes: Attributes) => Effect.Effect<void>
    /** Makes a hard link, without permission checks. */
    readonly hardLink: (from: string, to: string) => Effect.Effect<void>
    readonly move: (from: string, to: string) => Effect.Effect<void>
    /** Removes a path and all below it. */
    readonly remove: (path: string) => Effect.Effect<void>
    /** Everything at and below a path (default `/`), by path. */
    readonly snapshot: (path?: string) => Effect.Effect<Readonly<Record<string, Node>>>
    /**
     * Copies a tree, with new inodes and births, and the same contents, modes and owners. Files keep their mtimes. Two
     * hard links become two files.
     */
    readonly copy: (from: string, to: string) => Effect.Effect<void>
    /**
     * Mounts a new file system on a directory. With a `source`, mounts another directory instead (`mount --bind`), with
     * the same inode, frame and lock. With a `source` and a `fileSystem`, mounts another superblock that shows the
     * content of `source`, as overlayfs, bindfs and NFS do, with its own frame and its own locks.
     */
    readonly mount: (path: string, options?: MountOptions) => Effect.Effect<void>
    /** Unmounts the file system that was mounted last on a path. */
    readonly unmount: (path: string) => Effect.Effect<void>
    /** Limits the root's file system to the space in use and `spare` blocks of 4096 bytes (default 0). */
    readonly fill: (spare?: number) => Effect.Effect<void>

    /** Changes uid and homes of the process. */
    readonly setPrincipal: (principal: Partial<Principal>) => Effect.Effect<void>
    /** Calls of the process, in order, failed ones included. */
    readonly calls: Effect.Effect<ReadonlyArray<Call>>
    readonly clearCalls: Effect.Effect<void>
    /**
     * The next call of an operation fails and changes nothing. A second `failNext` makes the call after that fail too.
     * A sweep also makes calls about its own directory. As the effect of `before`, `failNext` hits the call that
     * `before` matches.
     */
    readonly failNext: (operation: Operation, errno: string) => Effect.Effect<void>
    /** The `n`-th mutating call fails and changes nothing. */
    readonly failAt: (n: number, errno: string) => Effect.Effect<void>
    /**
     * Kills the process at the `n`-th mutating call, before (default) or after that call takes effect. Each later call
     * of the process dies and changes nothing, see {@link untilKilled}. The process's locks are released.
     */
    readonly killAt: (n: number, when?: "before" | "after") => Effect.Effect<void>
    /** Kills the process now. */
    readonly kill: Effect.Effect<void>
    /**
     * Runs an effect once, right before the first matching call: a call of an operation, a call that a predicate
     * accepts, or the `n`-th call.
     */
    readonly before: (
      matches: Operation | number | ((call: Call) => boolean),
      effect: Effect.Effect<unknown>
    ) => Effect.Effect<void>
    /** Runs an effect before every call. With a random number of `Effect.yieldNow`, processes interleave at random. */
    readonly pause: (effect: Effect.Effect<unknown>) => Effect.Effect<void>
    /** Another process on the same volume, with its own calls, failures and locks. */
    readonly fork: Effect.Effect<Context.Context<Disk | MemoryDisk>>
    /**
     * Another process on the same volume that inherits the open descriptors of this one. An inherited lock is released
     * when both processes have closed its descriptor or ended.
     */
    readonly inherit: Effect.Effect<Context.Context<Disk | MemoryDisk>>
    /** Number of descriptors that the process has open. Only locks keep a descriptor open. */
    readonly descriptors: Effect.Effect<number>
    /** Closes the descriptors that this process inherited. */
    readonly closeInherited: Effect.Effect<void>
    /** Closes all descriptors of this process, inherited ones too, even while scopes still hold them. */
    readonly closeAll: Effect.Effect<void>
  }
>()("@vm-sentinel/core/testing/MemoryDisk") {}

const text = (content: string | Uint8Array): Uint8Array =>
  typeof content === "string" ? new TextEncoder().encode(content) : content

const parents = (path: string): ReadonlyArray<string> => {
  const names = path.split("/").slice(1, -1)
  return names.map((_, index) => `/${names.slice(0, index + 1).join("/")}`)
}

const matcher = (matches: Operation | number | ((call: Call) => boolean)): ((call: Call) => boolean) => {
  if (typeof matches === "string") return ({ operation }) => operation === matches
  if (typeof matches !== "number") return matches
  let left = matches
  return () => (left -= 1) === 0
}

const nodeOf = (inode: Inode): Node => {
  const { id, mode, nlink, type, uid } = statOf(inode)
  const content = type === "file" ? new TextDecoder().decode(inode.bytes) : inode.target
  return {
    type,
    ino: id.ino,
    birth: `${inode.birth}`,
    mode,
    uid,
    links: nlink ?? 0,
    ...(type === "file" || type === "symlink" ? { content } : {})
  }
}

const removeAll = (volume: Volume.Volume, caller: Caller, path: string): void => {
  for (const [at, { type }] of [...Volume.below(volume, path)].toReversed()) {
    if (type === "directory") Volume.removeDirectory(volume, caller, at)
    else Volume.unlink(volume, caller, at)
  }
}

const controls = (machine: Disks.Machine, process: Calls.Process): MemoryDisk["Service"] => {
  const { volume } = machine
  const owner = () => ({ uid: process.uid ?? 0, gid: process.uid ?? 0 })

  /** Runs as uid 0, without permission checks. A `Refusal` is a mistake of the test, and becomes a defect. */
  const act = (change: (caller: Caller) => void) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.sync(() => change({ uid: 0, now })))

  const put = (caller: Caller, path: string, seed: Seed): void => {
    for (const parent of parents(path)) {
      if (Volume.inodeAt(volume, parent) !== undefined) continue
      Object.assign(Volume.add(volume, caller, parent, "directory", { mode: 0o700 }), owner())
    }
    const { content, size, target, type, ...attributes } =
      typeof seed === "string" || seed instanceof Uint8Array ? { type: "file" as const, content: seed } : seed
    // The target of a symbolic link never changes.
    if (type === "symlink" || Volume.inodeAt(volume, path)?.type !== type) removeAll(volume, caller, path)
    const inode =
      Volume.inodeAt(volume, path) ??
      Object.assign(
        Volume.add(volume, caller, path, type, {
          mode: type === "directory" ? 0o700 : 0o600,
          ...(target === undefined ? {} : { target })
        }),
        owner()
      )
    if (type === "file") Volume.write(inode, caller, text(content ?? ""), size)
    Object.assign(inode, attributes)
  }

  const update = (change: Partial<Calls.Process>) => Effect.sync(() => void Object.assign(process, change))

  return {
    seed: (entries) =>
      act((caller) => {
        for (const [path, seed] of Object.entries(entries)) put(caller, path, seed)
      }),
    setAttributes: (path, attributes) =>
      act(({ now }) => void Object.assign(Volume.inodeAt(volume, path) ?? {}, { changedAt: now, ...attributes })),
    hardLink: (from, to) => act((caller) => Volume.link(volume, caller, from, to)),
    move: (from, to) => act((caller) => Volume.rename(volume, caller, from, to, true)),
    copy: (from, to) => act((caller) => Volume.copy(volume, caller, from, to)),
    remove: (path) => act((caller) => removeAll(volume, caller, path)),
    snapshot: (path = "/") =>
      Effect.sync(() =>
        Object.fromEntries([...Volume.below(volume, path)].map(([at, inode]) => [at, nodeOf(inode)] as const))
      ),
    mount: (path, options = {}) => act(() => Volume.mount(volume, path, options)),
    unmount: (path) => act(() => Volume.unmount(volume, path)),
    fill: (spare = 0) =>
      act(() => {
        const { device } = volume.root.root
        device.capacity = device.used + spare * 4096
      }),
    setPrincipal: (principal) => update(principal),
    calls: Effect.sync(() => [...process.calls]),
    clearCalls: Effect.sync(() => void process.calls.splice(0)),
    failNext: (operation, errno) =>
      Effect.suspend(() => update({ failures: [...process.failures, { operation, errno }] })),
    failAt: (n, errno) => Effect.sync(() => void process.failAt.set(process.mutations + n, errno)),
    killAt: (n, when = "before") => Effect.suspend(() => update({ killAt: { mutation: process.mutations + n, when } })),
    kill: update({ isKilled: true }),
    before: (matches, effect) =>
      Effect.suspend(() => update({ hooks: [...process.hooks, { matches: matcher(matches), run: effect }] })),
    pause: (effect) => update({ pause: effect }),
    fork: Effect.sync(() => contextOf(machine, Calls.makeProcess(process))),
    inherit: Effect.sync(() => {
      const child = Calls.makeProcess(process)
      Locks.inherit(process, child)
      return contextOf(machine, child)
    }),
    descriptors: Effect.sync(() => process.descriptions.size),
    closeInherited: Effect.sync(() => Locks.closeInherited(process)),
    closeAll: Effect.sync(() => Locks.closeAll(process))
  }
}

const contextOf = (machine: Disks.Machine, process: Calls.Process): Context.Context<Disk | MemoryDisk> =>
  Context.make(Disk, Disks.make(machine, process)).pipe(Context.add(MemoryDisk, controls(machine, process)))

/**
 * Runs the effect of one process. `None`: the process was killed before the effect ended.
 *
 * **Example** (Resuming a sweep after a crash)
 *
 * ```ts
 * import * as Cleanup from "@vm-sentinel/core/Cleanup"
 * import * as Ownership from "@vm-sentinel/core/Ownership"
 * import * as FakeProcessTable from "@vm-sentinel/core/testing/FakeProcessTable"
 * import * as MemoryDisk from "@vm-sentinel/core/testing/MemoryDisk"
 * import * as MemorySentinelStore from "@vm-sentinel/core/testing/MemorySentinelStore"
 * import { Context, Effect, Layer, Option } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   const disk = yield* MemoryDisk.MemoryDisk
 *   const table = yield* FakeProcessTable.FakeProcessTable
 *   yield* disk.seed({ "/vms/a/disk": "" })
 *   const owner = yield* table.spawn()
 *   yield* Ownership.record("/vms/a", { pid: owner })
 *   yield* table.exit(owner)
 *   const sweeper = yield* MemorySentinelStore.fork
 *   const { before, kill } = Context.get(sweeper, MemoryDisk.MemoryDisk)
 *   yield* before(({ operation, path }) => operation === "unlink" && path.endsWith("/disk"), kill)
 *   const first = yield* MemoryDisk.untilKilled(Effect.provide(Cleanup.sweep("/vms"), sweeper))
 *   yield* table.reboot()
 *   const second = yield* Cleanup.sweep("/vms")
 *   return { first, second, paths: Object.keys(yield* disk.snapshot("/vms")) }
 * })
 *
 * const services = Layer.merge(FakeProcessTable.layer, MemorySentinelStore.layer)
 * const { first, paths, second } = await Effect.runPromise(Effect.provide(program, services))
 * assert.ok(Option.isNone(first))
 * assert.deepStrictEqual(
 *   second.outcomes.map(({ name, reason }) => `${name}: ${reason}`),
 *   ["a: resumed"]
 * )
 * assert.deepStrictEqual(paths, ["/vms"])
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const untilKilled = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Option.Option<A>, E, R> =>
  Effect.catchCause(Effect.asSome(effect), (cause) =>
    cause.reasons.some((reason) => Cause.isDieReason(reason) && reason.defect instanceof Calls.Killed)
      ? Effect.succeedNone
      : Effect.failCause(cause)
  )

/**
 * A new volume, and the first process on it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = (options: Options): Layer.Layer<Disk | MemoryDisk> =>
  Layer.effectContext(
    Effect.sync(() => {
      const { capacity = Infinity, entryTypes = true, homeIds = [], homes = [], locks = true } = options
      const volume = Volume.make(options, capacity, options.reuseInodes ?? true)
      const machine = { volume, entryTypes, hasLocks: locks, locks: new WeakMap() }
      const uid = "uid" in options ? options.uid : 1000
      return contextOf(machine, Calls.makeProcess({ uid, homes, homeIds }))
    })
  )

/**
 * {@link layerWith} with default options.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Disk | MemoryDisk> = layerWith({})
