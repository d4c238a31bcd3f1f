/**
 * Removal of a condemned directory: look for mounts, lock, look, rename (claim), look, look for mounts, rename (mark),
 * delete. The place of the directory shows how far a killed sweep came. Where the file system has locks, the exclusive
 * lock keeps owners out from before the first rename until after the last `rmdir`.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Claim, Discarded, MayRemove } from "../../Reclaimer.ts"
import type { Condemned } from "../../Condemned.ts"
import type { Disk, DiskError, HeldLock } from "../../Disk.ts"
import {
  Changed,
  type ClaimError,
  Immovable,
  MountInside,
  NameTaken,
  type PermissionDenied,
  type StoreFailure,
  Taken
} from "../../Errors.ts"
import { sameFile } from "../../FileId.ts"
import { type DirectoryState, tagOf } from "../../DirectoryState.ts"
import type { Layout } from "../../Layout.ts"
import * as SentinelName from "../../SentinelName.ts"
import type { Destination, Destinations, DiscardError, Locked } from "./destination.ts"
import { isReplaced, mapStoreError } from "./diskErrors.ts"
import { onErrno, permitted } from "../disk/recovery.ts"
import type { Lookup } from "./lookup.ts"
import * as Unmoved from "./unmoved.ts"
import { requireSame } from "./presence.ts"
import { requireNoMount, requireNoMountPoint } from "./unmounted.ts"
import { changedTo, changeSince } from "./changeSince.ts"
import { baseName } from "../paths.ts"

export type Claims = ReturnType<typeof make>

export const make = (disk: Disk["Service"], lookup: Lookup, destinations: Destinations) => {
  const { isGone, lock, pathForClaimed, pathForMarked, removeTree } = destinations
  const unmoved = Unmoved.make(disk, lookup, destinations)

  const moveBack = (path: string, origin: string) =>
    Effect.suspend(() => {
      const taken = () => new NameTaken({ path: origin, kept: path })
      // ENOENT: another sweep has resumed this claim, or has already put the directory back.
      const back = disk.renameNew(path, origin).pipe(onErrno(["ENOENT"], () => Effect.void))
      return mapStoreError("put back", { EEXIST: taken, ENOTEMPTY: taken, ENOTDIR: taken })(back)
    })

  /**
   * The claim of a directory that lies at `path` now. `discard` compares the directory's id again after its own rename:
   * a directory that was swapped in goes back, and nothing in that directory is deleted.
   */
  const claimOf = Effect.fnUntraced(function* (
    destination: Destination,
    found: {
      readonly path: string
      readonly origin: string
      readonly state: DirectoryState
      readonly isLocked: boolean
    },
    layout: Layout
  ): Effect.fn.Return<Claim, never, Scope.Scope> {
    const { isLocked, origin, path, state } = found
    const markedPath = yield* pathForMarked(destination, { name: baseName(origin), tags: state.sentinels.map(tagOf) })
    let markedAt: string | undefined
    // `false` after `restore`, after `mark` and after the scope has closed: another claim may have this path since.
    let isClaimed = true
    const letGo = Effect.sync(() => void (isClaimed = false))
    /**
     * Whether `restore` failed with `NameTaken`. That error tells the caller the present path, so the finalizer leaves
     * the directory there.
     */
    let isReported = false
    const restore = Effect.uninterruptible(
      Effect.suspend(() => (isClaimed ? Effect.andThen(moveBack(path, origin), letGo) : Effect.void)).pipe(
        Effect.tapErrorTag("NameTaken", () => Effect.sync(() => void (isReported = true)))
      )
    )
    yield* Effect.addFinalizer(() =>
      isClaimed && !isReported
        ? Effect.ensuring(Effect.ignore(Effect.andThen(requireSame(disk, path, state.id), restore)), letGo)
        : letGo
    )
    const changed = (problem: string) => new Changed({ path: origin, problem })

    const mark = requireSame(disk, path, state.id).pipe(
      Effect.andThen(disk.renameNew(path, markedPath)),
      Effect.andThen(letGo),
      Effect.andThen(Effect.sync(() => void (markedAt = markedPath)))
    )
    const putBack = (error: DiskError) => {
      if (!isReplaced(error, markedPath)) return Effect.void
      markedAt = undefined
      return Effect.ignore(disk.renameNew(markedPath, path))
    }

    const discard = (condemned: Condemned, mayRemove: MayRemove): Effect.Effect<Discarded, DiscardError> =>
      Effect.uninterruptibleMask((interruptible): Effect.Effect<Discarded, DiscardError> => {
        if (!isClaimed) return Effect.fail(new Taken({ path: origin }))
        const problem = changeSince(condemned, state)
        if (problem !== undefined) return Effect.fail(changed(problem))
        const removed = Effect.andThen(
          requireSame(disk, markedPath, state.id),
          interruptible(removeTree(markedPath, { state, layout, isLocked, mayRemove }))
        )
        const marked = mapStoreError<Changed | Taken>("delete", {
          ENOENT: () => new Taken({ path: origin }),
          ESTALE: (error) =>
            isReplaced(error, path) || isReplaced(error, markedPath) ? changed("it is another directory") : undefined
        })(Effect.andThen(mark, Effect.tapError(removed, putBack)))
        return Effect.andThen(requireNoMount(disk, path, origin), marked)
      })
    return { path, origin, state, isLocked, restore, discard, isGone: isGone(destination, isLocked, () => markedAt) }
  })

  const lookAgain = (path: string, layout: Layout) =>
    Effect.catchTag(lookup.look(path, layout), "NotFound", () => Effect.fail(new Taken({ path })))

  /** Describes how a directory differs from the judged one. `undefined`: it doesn't. `held`: the lock, if one was taken. */
  const problemOf = (condemned: Condemned, held: HeldLock | undefined, now: DirectoryState): string | undefined =>
    held === undefined || sameFile(held.id, now.id) ? changeSince(condemned, now) : "it is another directory"

  /** Looks at a directory under its lock, and requires that nothing has changed since the judgement. */
  const lookUnchanged = Effect.fnUntraced(function* (
    condemned: Condemned,
    held: HeldLock | undefined,
    layout: Layout
  ): Effect.fn.Return<DirectoryState, Changed | Taken | PermissionDenied | StoreFailure> {
    const { path } = condemned
    const now = yield* lookAgain(path, layout)
    const problem = problemOf(condemned, held, now)
    return problem === undefined ? now : yield* Effect.fail(changedTo(path, problem, now))
  })

  /** Claims a directory whose rename failed with `errno`. Only its lock then keeps owners out. */
  const claimUnmoved = Effect.fnUntraced(function* (
    { workspace }: Destination,
    condemned: Condemned,
    layout: Layout,
    { held, isLocked }: Locked,
    errno: string
  ): Effect.fn.Return<Claim, ClaimError, Scope.Scope> {
    const { path } = condemned
    if (held === undefined || !isLocked) return yield* new Immovable({ path, errno })
    const state = yield* lookUnchanged(condemned, held, layout)
    return yield* unmoved(workspace, state, held, layout)
  })

  const claim = Effect.fnUntraced(function* (
    destination: Destination,
    condemned: Condemned,
    layout: Layout
  ): Effect.fn.Return<Claim, ClaimError, Scope.Scope> {
    const origin = condemned.path
    const entry = baseName(origin)
    const path = yield* pathForClaimed(destination, entry)
    const taken = () => new Taken({ path: origin })
    if (origin !== `${destination.root}/${entry}`) {
      return yield* new Changed({ path: origin, problem: `it does not lie in ${destination.root}` })
    }
    if (SentinelName.parseReap(entry) !== undefined) {
      return yield* new Changed({ path: origin, problem: "it is a sweep's own, and may hold directories that live" })
    }
    yield* requireNoMountPoint(disk, origin)
    const stat = yield* mapStoreError("claim", { ENOENT: taken })(disk.lstat(origin))
    if (stat.type !== "directory") return yield* taken()
    yield* requireNoMount(disk, origin)
    const locked = yield* lock(destination, origin)
    const { held, isLocked } = locked
    // Since the judgement an owner may have recorded itself and released the lock. This look finds its record before
    // the rename.
    if (isLocked) yield* lookUnchanged(condemned, held, layout)
    const busy = () => new MountInside({ path: origin, mount: origin })
    const immovable = yield* disk.renameNew(origin, path).pipe(
      // A rename into another directory changes the `..` of `origin`. The kernel refuses that if the mode of `origin`
      // is 0500.
      permitted(disk, [origin]),
      Effect.as(undefined),
      onErrno(Unmoved.immovable, ({ errno }) => Effect.succeed(errno)),
      mapStoreError<Taken | MountInside>("claim", { ENOENT: taken, EBUSY: busy })
    )
    if (immovable !== undefined) return yield* claimUnmoved(destination, condemned, layout, locked, immovable)
    const state = yield* Effect.tapError(lookAgain(path, layout), () => moveBack(path, origin))
    const problem = problemOf(condemned, held, state)
    if (problem === undefined) return yield* claimOf(destination, { path, origin, state, isLocked }, layout)
    yield* moveBack(path, origin)
    return yield* Effect.fail(changedTo(origin, problem, state))
  }, Effect.uninterruptible)

  return { claim, claimOf, moveBack }
}
