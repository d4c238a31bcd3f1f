/**
 * A `Disk` in memory, for tests: POSIX semantics, several processes on one volume, and every call of each of them can
 * fail, end its process, or wait until somebody else has acted.
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
 * What can be kept of an inode beside its content. Times in milliseconds since the epoch.
 *
 * @category models
 * @since 0.1.0
 */
export interface Attributes {
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly modifiedAt?: number
  /** ctime, which only the clock sets elsewhere. */
  readonly changedAt?: number
}

/**
 * A file of some text, or anything else. `size` makes a sparse file.
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
 * What lies under a path: `content` of a file as text, or the target of a symbolic link.
 *
 * @category models
 * @since 0.1.0
 */
export interface Node {
  readonly type: FileType
  readonly ino: string
  /** Nanoseconds since the epoch: with `ino` it tells every inode from every other of its file system. */
  readonly birth: string
  readonly mode: number
  readonly uid: number | undefined
  readonly links: number
  readonly content?: string
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Uid of the first process, default 1000. `undefined`: a platform without uids. */
  readonly uid?: number | undefined
  readonly homes?: ReadonlyArray<string>
  readonly homeIds?: ReadonlyArray<FileId>
  /** Type of the root's file system, as the mount table names it. Default `ext4`. */
  readonly fileSystem?: string
  /** Its id. Default: one of its own where one kernel alone can have it mounted, else none. `""`: none. */
  readonly id?: string
  /** Bytes, in blocks of 4096 for files and one for each directory. Default: no end. */
  readonly capacity?: number
  /** `false`: the inode number of what was removed is never given again, as on xfs and tmpfs. */
  readonly reuseInodes?: boolean
  /** `false`: listings don't say the type of an entry. */
  readonly entryTypes?: boolean
  /** `false`: no `flock(2)`. `command`: a program has to be started for it. */
  readonly locks?: boolean | "command"
}

/**
 * The controls. What touches the volume holds for all processes; the rest for the one process whose `Disk` came with
 * this service. Numbers of calls count from when they are given.
 *
 * @category services
 * @since 0.1.0
 */
export class MemoryDisk extends Context.Service<
  MemoryDisk,
  {
    /** Puts entries under paths, with the directories that lead there. What is there is replaced, a file in place. */
    readonly seed: (entries: Readonly<Record<string, Seed>>) => Effect.Effect<void>
    readonly setAttributes: (path: string, attributes: Attributes) => Effect.Effect<void>
    /** A second name for a file, whoever may make one. */
    readonly hardLink: (from: string, to: string) => Effect.Effect<void>
    readonly move: (from: string, to: string) => Effect.Effect<void>
    /** Removes what lies at and below a path. */
    readonly remove: (path: string) => Effect.Effect<void>
    /** What lies at and below a path, by path. */
    readonly snapshot: (path?: string) => Effect.Effect<Readonly<Record<string, Node>>>
    /** `cp -a`: other inodes and births, the same content, modes, owners and mtimes. */
    readonly copy: (from: string, to: string) => Effect.Effect<void>
    /**
     * Mounts a new file system on a directory, or, with a `source`, another directory (`mount --bind`): the same inode, frame
     * and lock. With a `source` and a `fileSystem` it is another superblock that shows the same content, as overlayfs,
     * bindfs and NFS do: with a frame and locks of its own.
     */
    readonly mount: (path: string, options?: MountOptions) => Effect.Effect<void>
    readonly unmount: (path: string) => Effect.Effect<void>
    /** Leaves room for some blocks of 4096 bytes on the root's file system (default 0), counted from now. */
    readonly fill: (spare?: number) => Effect.Effect<void>

    readonly setPrincipal: (principal: Partial<Principal>) => Effect.Effect<void>
    /** Every call that reached the volume, in order. */
    readonly calls: Effect.Effect<ReadonlyArray<Call>>
    readonly clearCalls: Effect.Effect<void>
    /** The next call of an operation fails, and changes nothing. Given twice, so do the next two. */
    readonly failNext: (operation: Operation, errno: string) => Effect.Effect<void>
    /** The `n`-th mutating call, the next being the first, fails and changes nothing. */
    readonly failAt: (n: number, errno: string) => Effect.Effect<void>
    /**
     * The process is killed at the `n`-th mutating call, before or after it took effect. Nothing it does reaches the
     * volume any more: see {@link untilKilled}. Locks it held are free.
     */
    readonly killAt: (n: number, when?: "before" | "after") => Effect.Effect<void>
    readonly kill: Effect.Effect<void>
    /** Runs an effect right before the first call that matches, or the `n`-th of all, once: it comes in between. */
    readonly before: (
      matches: Operation | number | ((call: Call) => boolean),
      effect: Effect.Effect<unknown>
    ) => Effect.Effect<void>
    /** Runs an effect before every call. A random number of `Effect.yieldNow` makes a random interleaving. */
    readonly pause: (effect: Effect.Effect<unknown>) => Effect.Effect<void>
    /** Another process on the same volume, with calls, faults and locks of its own. */
    readonly fork: Effect.Effect<Context.Context<Disk | MemoryDisk>>
    /** The same, that inherits what this one has open: its locks are free when both have ended, or closed them. */
    readonly inherit: Effect.Effect<Context.Context<Disk | MemoryDisk>>
    /** How many directories this process holds open, which it locks. */
    readonly descriptors: Effect.Effect<number>
    /** Closes what this process inherited. */
    readonly closeInherited: Effect.Effect<void>
    /** Closes all that this process has open, what it inherited too, whatever its scopes think. */
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

  /** Done by somebody who may do everything. What is refused even so is a mistake of the test. */
  const act = (change: (caller: Caller) => void) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.sync(() => change({ uid: 0, now })))

  const put = (caller: Caller, path: string, seed: Seed): void => {
    for (const parent of parents(path)) {
      if (Volume.inodeAt(volume, parent) !== undefined) continue
      Object.assign(Volume.add(volume, caller, parent, "directory", { mode: 0o700 }), owner())
    }
    const { content, size, target, type, ...attributes } =
      typeof seed === "string" || seed instanceof Uint8Array ? { type: "file" as const, content: seed } : seed
    if (Volume.inodeAt(volume, path)?.type !== type) removeAll(volume, caller, path)
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
 * Runs what one process does, up to its end: `None` where the process was killed on the way.
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
 * A volume of its own, and the first process on it.
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
 * {@link layerWith} the defaults.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Disk | MemoryDisk> = layerWith({})
