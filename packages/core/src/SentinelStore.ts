/**
 * Sentinels on disk: reads and publishes them, and removes condemned directories.
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Reclaimer, ReclaimerOptions } from "./Reclaimer.ts"
import { Disk, type FindOptions, type OwnerLock } from "./Disk.ts"
import type {
  Claimed,
  LockBusy,
  LockUnsupported,
  LookError,
  MountInside,
  PublishError,
  PublishNewError,
  RootError
} from "./Errors.ts"
import * as FileSystemDisk from "./FileSystemDisk.ts"
import type { DirectoryState, PublishedFile, TrustedPeek } from "./DirectoryState.ts"
import * as Creation from "./internal/store/creation.ts"
import * as Claims from "./internal/store/claims.ts"
import * as Destinations from "./internal/store/destination.ts"
import * as InnerLookup from "./internal/store/innerLookup.ts"
import * as Leftovers from "./internal/store/leftovers.ts"
import * as Locking from "./internal/store/locking.ts"
import * as Lookup from "./internal/store/lookup.ts"
import * as Publication from "./internal/store/publication.ts"
import * as ReclaimerOf from "./internal/store/reclaimer.ts"
import * as Roots from "./internal/store/roots.ts"
import * as Workspaces from "./internal/store/workspaces.ts"
import type { Layout } from "./Layout.ts"
import type { LockState } from "./LockState.ts"
import type { PublishOptions } from "./Publication.ts"
import type { Entry, Listing, Root } from "./Root.ts"
import type { Sentinel } from "./Sentinel.ts"

/**
 * Reads and publishes sentinels on disk, and removes condemned directories. Layers: {@link layer},
 * {@link layerFileSystem}, and for tests `testing/MemorySentinelStore`.
 *
 * @category services
 * @since 0.1.0
 */
export class SentinelStore extends Context.Service<
  SentinelStore,
  {
    /**
     * Checks a root. `RefusedRoot`: for example `/`, a home directory, a symbolic link, a directory of a user other
     * than the caller and uid 0, or one that others can write to. A relative path is resolved first. The paths of `/`
     * and of home directories are refused before any I/O.
     */
    readonly openRoot: (path: string) => Effect.Effect<Root, RootError>
    /** The root of a directory, checked as by `openRoot`, and the directory's entry there. The directory isn't read. */
    readonly openDirectory: (path: string) => Effect.Effect<{ readonly root: Root; readonly entry: Entry }, RootError>
    /**
     * Lists the directories of a root without opening them. Each may be gone when the stream emits its entry.
     * `RefusedRoot`: the root itself has a sentinel under a known name or a name of `layout`. Its content belongs to an
     * owner.
     */
    readonly list: (root: Root, layout: Layout) => Effect.Effect<Listing, RootError>
    /**
     * Reads the sentinels of a directory once. An error of one file is in the `content` of that file, and `look`
     * succeeds.
     */
    readonly look: (path: string, layout: Layout) => Effect.Effect<DirectoryState, LookError>
    /**
     * Reads a directory like `look`, but touches nothing that is mounted at or below the directory. `MountInside`: the
     * directory is a mount point. The state names one mount below the directory, if there is any. An unreadable
     * directory of another user, such as `lost+found`, counts as one without a sentinel if `lstat(2)` finds none. No
     * sentinel in a home of the calling user is believed, so no sweep removes it.
     */
    readonly inspect: (path: string, layout: Layout) => Effect.Effect<DirectoryState, LookError | MountInside>
    /**
     * Reads only the primary sentinel of each entry. Returns one answer for each entry, in order. `undefined`: the
     * entry needs a {@link look}. Never fails.
     */
    readonly peekMany: (
      root: Root,
      entries: Arr.NonEmptyReadonlyArray<Entry>,
      layout: Layout
    ) => Effect.Effect<ReadonlyArray<TrustedPeek | undefined>>
    /**
     * Finds and reads the directories below `directory` that hold a sentinel under a known name or a name of `layout`.
     * Fails at the first directory that can't be searched or read. Empty, without I/O, if `directory` has no
     * subdirectories.
     */
    readonly ownersBelow: (
      directory: DirectoryState,
      layout: Layout,
      options: FindOptions
    ) => Stream.Stream<DirectoryState, LookError>
    /** Bytes that a directory and all below it occupy. */
    readonly usage: (path: string) => Effect.Effect<number, LookError>
    /**
     * Publishes a sentinel atomically and durably (`fsync(2)`). Replaces an existing sentinel only as
     * `options.replacing` allows. `Claimed`: a sweep has the directory, or took it meanwhile.
     */
    readonly publish: (
      path: string,
      sentinel: Sentinel,
      options?: PublishOptions
    ) => Effect.Effect<PublishedFile, PublishError>
    /**
     * Makes a directory that appears under `path` together with its sentinel. A crash never leaves a directory without
     * a sentinel there. `sentinelOf` gets the temporary path at which the directory is made, and can lock it there.
     * `AlreadyOwned`: `path` exists.
     */
    readonly create: <E, R>(
      path: string,
      sentinelOf: (staged: string) => Effect.Effect<Sentinel, E, R>,
      entry?: string
    ) => Effect.Effect<PublishedFile, PublishNewError | E, R>
    /**
     * Removes a sentinel that {@link publish} or {@link create} published, and no other: the v3 sentinel under the same
     * name with the same nonce, or the very file of a v1 or v2 sentinel, which has no nonce. `NotFound`: the directory
     * has it no more.
     */
    readonly release: (path: string, file: PublishedFile) => Effect.Effect<void, LookError>
    /**
     * Holds the owner's lock of a directory until the scope closes or this process ends: exclusive if nobody else holds
     * the lock, otherwise shared. Waits at least 5 s for a process that holds the lock exclusively, since a probe does
     * so briefly. `Claimed`: a sweep has the directory, or the directory was removed or replaced meanwhile. `LockBusy`:
     * another process still holds the lock exclusively after 5 s. `LockUnsupported`: the platform or the file system
     * has no such lock.
     */
    readonly lock: (
      path: string
    ) => Effect.Effect<OwnerLock, Claimed | LockBusy | LockUnsupported | LookError, Scope.Scope>
    /** State of a directory's ownership lock, see `Disk.probeLock`. */
    readonly probeLock: (path: string) => Effect.Effect<LockState>
    /**
     * Makes the service that removes directories from a root until the scope closes. `reclaimer` itself writes nothing.
     */
    readonly reclaimer: (root: Root, options: ReclaimerOptions) => Effect.Effect<Reclaimer, never, Scope.Scope>
  }
>()("@vm-sentinel/core/SentinelStore") {}

/**
 * The store over any {@link Disk}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<SentinelStore, never, Disk> = Layer.effect(
  SentinelStore,
  Effect.gen(function* () {
    const disk = yield* Disk
    const { list, openDirectory, openRoot } = Roots.make(disk)
    const lookup = Lookup.make(disk)
    const { inspect, lookAsOwner: look, peekMany, usage } = lookup
    const publication = Publication.make(disk, lookup)
    const creation = Creation.make(disk, publication)
    const { exclude, lock, probeLock } = Locking.make(disk)
    const workspaces = Workspaces.make(disk, lookup, publication, creation, exclude)
    const destinations = Destinations.make(disk, exclude)
    const claims = Claims.make(disk, lookup, destinations)
    return SentinelStore.of({
      openRoot,
      openDirectory,
      list,
      look,
      inspect,
      peekMany,
      ownersBelow: InnerLookup.make(disk, lookup),
      usage,
      publish: publication.publish,
      create: creation.create,
      release: publication.release,
      lock,
      probeLock,
      reclaimer: ReclaimerOf.make(
        disk,
        lookup,
        workspaces,
        claims,
        destinations,
        Leftovers.make(disk, lookup, destinations, claims)
      )
    })
  })
)

/**
 * The portable store over `effect/FileSystem`, with the limits of `FileSystemDisk`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFileSystem: Layer.Layer<SentinelStore, never, FileSystem.FileSystem | Path.Path> = Layer.provide(
  layer,
  FileSystemDisk.layer
)
