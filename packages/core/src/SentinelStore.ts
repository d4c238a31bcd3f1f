/**
 * Sentinels on disk, and the way of a condemned directory out of it: claim, verify, mark, delete.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Condemned } from "./Condemned.ts"
import { Disk, type HeldLock, type Principal, type RemoveTreeOptions } from "./Disk.ts"
import type {
  AlreadyOwned,
  Changed,
  Claimed,
  LockBusy,
  LockUnsupported,
  MalformedSentinel,
  MountInside,
  NameTaken,
  NotFound,
  OversizedSentinel,
  PermissionDenied,
  RootError,
  SentinelError,
  StoreFailure,
  Taken,
  UnsupportedVersion,
  UntrustedSentinel
} from "./Errors.ts"
import * as FileSystemDisk from "./FileSystemDisk.ts"
import type { FileId, Glimpse, Holding, SentinelFile } from "./Holding.ts"
import * as Birth from "./internal/birth.ts"
import * as Locking from "./internal/locking.ts"
import * as Lookup from "./internal/lookup.ts"
import * as Publication from "./internal/publication.ts"
import * as Reaping from "./internal/reaping.ts"
import * as Workspaces from "./internal/workspaces.ts"
import type { Interruptible } from "./internal/underWay.ts"
import type { Sentinel } from "./Sentinel.ts"

/**
 * A directory of VM directories that may be swept.
 *
 * @category models
 * @since 0.1.0
 */
export interface Root {
  /** Absolute and real. */
  readonly path: string
  readonly id: FileId
  /** Who opened it. */
  readonly principal: Principal
}

/**
 * A directory in a root: a VM's, the `workspace` of a sweep, one that was being made (`staged`), or one that was
 * `claimed` or marked `dead` in place.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  readonly kind: "directory" | "workspace" | "staged" | "claimed" | "dead"
  readonly entry: string
  readonly path: string
}

/**
 * The real directories in a root.
 *
 * @category models
 * @since 0.1.0
 */
export interface Listed {
  /** What killed sweeps left, in the order in which it is to be taken up: workspaces last. */
  readonly left: ReadonlyArray<Entry>
  /**
   * All others, in the order of their inodes where the disk tells it, in which a file system does all the rest with less
   * effort, or else by name.
   */
  readonly directories: Stream.Stream<Entry>
}

/**
 * A sweep's own directory in a root. Ours as long as its sentinel is, and locked as long as the scope is open in which it was
 * made or adopted.
 *
 * @category models
 * @since 0.1.0
 */
export interface Workspace {
  readonly path: string
  readonly root: string
  /** The sweep holds its lock, and a second open was refused: locks work on this file system. */
  readonly isLocked: boolean
}

/**
 * A directory that was renamed out of everybody's way, and what it was seen to hold there. Its lock is held until the scope
 * closes in which it was claimed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Claim {
  readonly entry: string
  /** Where it lies now. */
  readonly path: string
  /** Where it goes to be deleted. */
  readonly grave: string
  /** Where it was, and goes back to when it turns out to be owned. */
  readonly origin: string
  readonly holding: Holding
  /** `false`: there is no way to lock here, so no owner is excluded. */
  readonly isLocked: boolean
}

/**
 * A directory whose deletion was begun, and its lock, until the scope closes in which it was opened.
 *
 * @category models
 * @since 0.1.0
 */
export interface Remains {
  /** The name it had in its root. */
  readonly name: string
  readonly path: string
  readonly holding: Holding
  /** {@link SentinelName.Marked}. */
  readonly tags: ReadonlyArray<string>
  readonly isLocked: boolean
}

/**
 * Which sentinels below the first level were judged, and have to be those that are found when they are to be deleted.
 *
 * @category models
 * @since 0.1.0
 */
export type MayRemove = NonNullable<RemoveTreeOptions["mayRemove"]>

/**
 * What of a directory wasn't deleted, relative to it: subtrees with a lock that is held, or a sentinel that wasn't judged.
 *
 * @category models
 * @since 0.1.0
 */
export interface Discarded {
  readonly stayed: ReadonlyArray<string>
}

/**
 * The lock of an owner. `alone`: it was had exclusively, so nobody else holds it.
 *
 * @category models
 * @since 0.1.0
 */
export interface OwnerLock extends HeldLock {
  readonly alone: boolean
}

/**
 * What a killed sweep left in its workspace. `dead`: its deletion had begun. `claimed`: to be judged again.
 *
 * @category models
 * @since 0.1.0
 */
export interface Leftovers {
  readonly claimed: ReadonlyArray<string>
  readonly dead: ReadonlyArray<string>
}

/**
 * Looks at one sentinel of each of many directories of a root, at once and outside of any Effect.
 *
 * @category models
 * @since 0.1.0
 */
export interface Glancer {
  /** `undefined`: a look is wanted, since it isn't there, isn't to be believed, or can't be read. */
  readonly glance: (entry: string) => Glimpse | undefined
  /** Which directories are likely to be glanced at soon, in that order: they may be read meanwhile. */
  readonly expect: (entries: ReadonlyArray<string>) => void
}

/**
 * The sentinel of a sweep, by the lock of the directory that it is for.
 *
 * @category models
 * @since 0.1.0
 */
export type OwnSentinel = (lock: HeldLock | undefined) => Effect.Effect<Sentinel, StoreFailure>

/**
 * How a sentinel is published.
 *
 * @category models
 * @since 0.1.0
 */
export interface PublishOptions {
  /** File name, default `.vm-sentinel`. `.bbox-sentinel` takes v2 records alone. */
  readonly entry?: string
  /**
   * The judgement by which the one that lies there may be replaced, or the file that the writer itself published. Without:
   * there must be none.
   */
  readonly replacing?: Condemned | SentinelFile
}

/**
 * @category errors
 * @since 0.1.0
 */
export type LookError = NotFound | PermissionDenied | StoreFailure

/**
 * @category errors
 * @since 0.1.0
 */
export type PublishError = AlreadyOwned | Claimed | Changed | MalformedSentinel | LookError

/**
 * @category errors
 * @since 0.1.0
 */
export type ClaimError = Taken | Changed | LockBusy | MountInside | NameTaken | PermissionDenied | StoreFailure

/**
 * What can be in the way of taking up what a killed sweep left.
 *
 * @category errors
 * @since 0.1.0
 */
export type ResumeError = Taken | LockBusy | PermissionDenied | StoreFailure

/**
 * Sentinels on disk. Layers: {@link layer}, {@link layerDisk}, and for tests `testing/MemoryDisk`.
 *
 * @category services
 * @since 0.1.0
 */
export class SentinelStore extends Context.Service<
  SentinelStore,
  {
    /** Directories worth handling at once. */
    readonly parallelism: number
    /**
     * Checks a root: a real directory of ours or root's, not `/`, not a home, not a symbolic link. Relative paths are
     * resolved first; `/` and homes are refused before any I/O.
     */
    readonly openRoot: (path: string) => Effect.Effect<Root, RootError>
    /** The root that a directory lies in, checked likewise, and its entry there. The directory itself isn't looked at. */
    readonly openDirectory: (path: string) => Effect.Effect<{ readonly root: Root; readonly entry: Entry }, RootError>
    /** Looks into none of them: each may have gone by the time that it comes. */
    readonly list: (root: Root) => Effect.Effect<Listed, RootError>
    /**
     * Reads the sentinels of a directory once. `names` are the base names to read, default `.vm-sentinel`; their
     * `<name>.<role>` files are read too. What is wrong with one file is kept in it.
     */
    readonly look: (path: string, names?: ReadonlyArray<string>) => Effect.Effect<Holding, LookError>
    /**
     * Looks at the sentinels of one name alone, where that is cheaper than a {@link look}; `undefined` where it isn't.
     * Until the scope closes.
     */
    readonly glancer: (root: Root, name?: string) => Effect.Effect<Glancer | undefined, never, Scope.Scope>
    /**
     * Directories below the first level that hold a sentinel of any known name, relative to `path`. Ends at once where there
     * are no subdirectories.
     */
    readonly find: (path: string, names?: ReadonlyArray<string>) => Stream.Stream<string, LookError>
    /** The sentinels of a directory. Fails with what is wrong with the first that can't be read. */
    readonly read: (
      path: string,
      names?: ReadonlyArray<string>
    ) => Effect.Effect<
      ReadonlyArray<Sentinel>,
      LookError | OversizedSentinel | MalformedSentinel | UnsupportedVersion | UntrustedSentinel
    >
    /**
     * Publishes a sentinel: whole or not at all, durable, and never over another owner's. `Claimed`: a sweep took the
     * directory meanwhile.
     */
    readonly publish: (
      path: string,
      sentinel: Sentinel,
      options?: PublishOptions
    ) => Effect.Effect<SentinelFile, PublishError>
    /**
     * Makes a directory that is born with its sentinel: no crash leaves one without. `sentinelOf` is given the directory
     * under its first name, where it can be locked. `AlreadyOwned` when there is something under the path.
     */
    readonly create: <E, R>(
      path: string,
      sentinelOf: (staged: string) => Effect.Effect<Sentinel, E, R>,
      entry?: string
    ) => Effect.Effect<SentinelFile, PublishError | E, R>
    /** Removes the v3 sentinel that carries `nonce`, and no other. `NotFound` where there is none. */
    readonly withdraw: (path: string, nonce: string) => Effect.Effect<void, LookError | SentinelError>
    /** Makes a workspace in a root, born with the sentinel of the sweep and its lock. */
    readonly openWorkspace: (
      root: Root,
      sentinel: OwnSentinel
    ) => Effect.Effect<Workspace, StoreFailure | PermissionDenied, Scope.Scope>
    /** Takes an abandoned workspace over, by its lock and an atomic rename; of several sweeps one gets it. */
    readonly adopt: (
      root: Root,
      workspace: Condemned,
      sentinel: OwnSentinel
    ) => Effect.Effect<Workspace, Taken | Changed | PermissionDenied | StoreFailure, Scope.Scope>
    readonly leftovers: (workspace: Workspace) => Effect.Effect<Leftovers, PermissionDenied | StoreFailure>
    /** Removes the workspace, or, where something had to stay in it, gives it up for the next sweep to adopt. */
    readonly closeWorkspace: (workspace: Workspace) => Effect.Effect<void>
    /** Removes a `staged` workspace that was never finished; one younger than a minute is left alone. */
    readonly discardStaged: (entry: Entry) => Effect.Effect<void, PermissionDenied | StoreFailure>
    /**
     * Locks a condemned directory exclusively, renames it into the workspace and requires that it is what was judged:
     * `Changed`, and put back, when it isn't; `Taken` when it is gone or another sweep has it; `LockBusy` when an owner holds
     * its lock; `MountInside`, untouched, when a mount lies in it. Given the root itself, it is renamed in place: that needs
     * no room on a full file system.
     */
    readonly claim: (
      place: Workspace | Root,
      condemned: Condemned,
      names?: ReadonlyArray<string>
    ) => Effect.Effect<Claim, ClaimError, Scope.Scope>
    /** Takes up a claim that a killed sweep left, to be judged again. */
    readonly resumeClaim: (
      place: Workspace | Root,
      entry: string,
      names?: ReadonlyArray<string>
    ) => Effect.Effect<Claim, ResumeError, Scope.Scope>
    /** Puts a claimed directory back; `NameTaken`, and kept in the workspace, when its name was given to another. */
    readonly restore: (claim: Claim) => Effect.Effect<void, NameTaken | PermissionDenied | StoreFailure>
    /**
     * Deletes a claimed directory: a rename that says so first, then the tree, its sentinels last. Takes the judgement
     * of the claim itself, and refuses (`Changed`) any other. What couldn't be removed stays for the next sweep.
     * `restore` makes the deletion interruptible where the caller isn't: when all is gone by the time that it is
     * interrupted, that is no interruption.
     */
    readonly discard: (
      claim: Claim,
      condemned: Condemned,
      mayRemove: MayRemove,
      restore?: Interruptible
    ) => Effect.Effect<Discarded, Changed | Taken | PermissionDenied | StoreFailure>
    /** Takes up a deletion that a killed sweep began, to be judged again. `Taken` when another sweep has it. */
    readonly resumeDead: (
      place: Workspace | Root,
      entry: string,
      names?: ReadonlyArray<string>
    ) => Effect.Effect<Remains, ResumeError, Scope.Scope>
    /** Finishes a deletion that was begun, by the judgement of the remains. `restore`: as in `discard`. */
    readonly finish: (
      place: Workspace | Root,
      remains: Remains,
      condemned: Condemned,
      mayRemove: MayRemove,
      restore?: Interruptible
    ) => Effect.Effect<Discarded, Changed | Taken | PermissionDenied | StoreFailure>
    /**
     * The owner's lock of a directory, until the scope closes or this process ends: exclusive where nobody holds it, else
     * shared. Waits up to 5 s for somebody who only looks. `Claimed` when a sweep has the directory, `LockBusy` when somebody
     * holds the lock exclusively; `LockUnsupported` where the platform or the file system has none.
     */
    readonly lock: (
      path: string
    ) => Effect.Effect<OwnerLock, Claimed | LockBusy | LockUnsupported | LookError, Scope.Scope>
    /** The state of a directory's ownership lock. */
    readonly probeLock: Disk["Service"]["probeLock"]
    /** Bytes that a directory occupies. */
    readonly usage: (path: string) => Effect.Effect<number, LookError>
  }
>()("@vm-sentinel/core/SentinelStore") {}

/**
 * A store over any {@link Disk}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDisk: Layer.Layer<SentinelStore, never, Disk> = Layer.effect(
  SentinelStore,
  Effect.gen(function* () {
    const disk = yield* Disk
    const lookup = Lookup.make(disk)
    const publication = Publication.make(disk, lookup)
    const birth = Birth.make(disk, publication)
    const { exclude, lock, probeLock } = Locking.make(disk)
    const { inscribe: _, ...publishing } = publication
    return SentinelStore.of({
      parallelism: disk.parallelism ?? 16,
      ...lookup,
      ...publishing,
      create: birth.create,
      ...Workspaces.make(disk, lookup, publication, birth, exclude),
      ...Reaping.make(disk, lookup, exclude),
      lock,
      probeLock
    })
  })
)

/**
 * The portable store, over `effect/FileSystem`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<SentinelStore, never, FileSystem.FileSystem | Path.Path> = Layer.provide(
  layerDisk,
  FileSystemDisk.layer
)
