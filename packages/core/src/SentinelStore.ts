/**
 * Sentinels on disk, and the way of a condemned directory out of it: claim, verify, mark, delete.
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
import { Disk, type OwnerLock } from "./Disk.ts"
import type { Claimed, LockBusy, LockUnsupported, LookError, PublishError, RootError, SentinelError } from "./Errors.ts"
import * as FileSystemDisk from "./FileSystemDisk.ts"
import type { DirectoryState, SentinelFile, TrustedPeek } from "./DirectoryState.ts"
import * as Creation from "./internal/creation.ts"
import * as Claims from "./internal/claims.ts"
import * as Locking from "./internal/locking.ts"
import * as Lookup from "./internal/lookup.ts"
import * as Publication from "./internal/publication.ts"
import * as ReclaimerOf from "./internal/reclaimer.ts"
import * as Roots from "./internal/roots.ts"
import * as Workspaces from "./internal/workspaces.ts"
import type { Layout } from "./Layout.ts"
import type { PublishOptions } from "./Publication.ts"
import type { Entry, Listing, Root } from "./Root.ts"
import type { Sentinel } from "./Sentinel.ts"

/**
 * Sentinels on disk. Layers: {@link layer}, {@link layerFileSystem}, and for tests `testing/MemorySentinelStore`.
 *
 * @category services
 * @since 0.1.0
 */
export class SentinelStore extends Context.Service<
  SentinelStore,
  {
    /**
     * Checks a root: a real directory of ours or root's, not `/`, not a home, not a symbolic link. Relative paths are
     * resolved first; `/` and homes are refused before any I/O.
     */
    readonly openRoot: (path: string) => Effect.Effect<Root, RootError>
    /** The root that a directory lies in, checked likewise, and its entry there. The directory itself isn't looked at. */
    readonly openDirectory: (path: string) => Effect.Effect<{ readonly root: Root; readonly entry: Entry }, RootError>
    /** Looks into none of the directories: each may be gone by the time that it is pulled. */
    readonly list: (root: Root) => Effect.Effect<Listing, RootError>
    /** Reads the sentinels of a directory once. An error of one file is kept in that file. */
    readonly look: (path: string, layout: Layout) => Effect.Effect<DirectoryState, LookError>
    /**
     * Peeks at the primary sentinel of each entry of a page. One answer for each, in order; `undefined`: the entry needs a
     * {@link look}. Never fails for the page.
     */
    readonly peekMany: (
      root: Root,
      entries: Arr.NonEmptyReadonlyArray<Entry>,
      layout: Layout
    ) => Effect.Effect<ReadonlyArray<TrustedPeek | undefined>>
    /**
     * Directories below the first level that hold a sentinel of any known name, each looked at. Ends at once where there are no
     * subdirectories, and with the first directory that can't be looked at.
     */
    readonly ownersBelow: (directory: DirectoryState, layout: Layout) => Stream.Stream<DirectoryState, LookError>
    /** Bytes that a directory occupies. */
    readonly usage: (path: string) => Effect.Effect<number, LookError>
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
    readonly release: (path: string, nonce: string) => Effect.Effect<void, LookError | SentinelError>
    /**
     * The owner's lock of a directory, until the scope closes or this process ends: exclusive where nobody holds it, else
     * shared. Waits up to 5 s for a process that only looks. `Claimed` when a sweep has the directory, `LockBusy` when somebody
     * holds the lock exclusively; `LockUnsupported` where the platform or the file system has none.
     */
    readonly lock: (
      path: string
    ) => Effect.Effect<OwnerLock, Claimed | LockBusy | LockUnsupported | LookError, Scope.Scope>
    /** The state of a directory's ownership lock. */
    readonly probeLock: Disk["Service"]["probeLock"]
    /** The way out of a root, until the scope closes. Nothing is written before the first claim. */
    readonly reclaimer: (root: Root, options: ReclaimerOptions) => Effect.Effect<Reclaimer, never, Scope.Scope>
  }
>()("@vm-sentinel/core/SentinelStore") {}

/**
 * A store over any {@link Disk}.
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
    const { look, ownersBelow, peekMany, usage } = lookup
    const publication = Publication.make(disk, lookup)
    const creation = Creation.make(disk, publication)
    const { exclude, lock, probeLock } = Locking.make(disk)
    const workspaces = Workspaces.make(disk, lookup, publication, creation, exclude)
    return SentinelStore.of({
      openRoot,
      openDirectory,
      list,
      look,
      peekMany,
      ownersBelow,
      usage,
      publish: publication.publish,
      create: creation.create,
      release: publication.release,
      lock,
      probeLock,
      reclaimer: ReclaimerOf.make(workspaces, Claims.make(disk, lookup, exclude))
    })
  })
)

/**
 * The portable store, over `effect/FileSystem`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFileSystem: Layer.Layer<SentinelStore, never, FileSystem.FileSystem | Path.Path> = Layer.provide(
  layer,
  FileSystemDisk.layer
)
