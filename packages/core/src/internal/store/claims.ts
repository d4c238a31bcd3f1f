/**
 * Removal of a condemned directory, in seven steps: look for mounts, lock, look, rename (claim), look, rename (mark),
 * delete. Claim and mark are one rename each: the place of the directory shows how far a killed sweep came. The
 * exclusive lock is held from before the first rename until after the last `rmdir`: no owner can take the directory in
 * between.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Claim, Discarded, MayRemove, Removable } from "../../Reclaimer.ts"
import { Condemned } from "../../Condemned.ts"
import type { Disk, DiskError, HeldLock } from "../../Disk.ts"
import {
  Changed,
  type ClaimError,
  Immovable,
  LockBusy,
  MountInside,
  NameTaken,
  type PermissionDenied,
  type ResumeError,
  type StoreFailure,
  Taken
} from "../../Errors.ts"
import { type FileId, sameFile } from "../../FileId.ts"
import { type DirectoryState, tagOf } from "../../DirectoryState.ts"
import type { Layout } from "../../Layout.ts"
import * as SentinelName from "../../SentinelName.ts"
import { mapStoreError, onErrno, permitted } from "./diskErrors.ts"
import type { Locking } from "./locking.ts"
import type { Lookup } from "./lookup.ts"
import { nonce } from "./nonce.ts"
import * as Unmoved from "./unmoved.ts"
import { hasGone, requireSame } from "./presence.ts"
import { isBeingRemoved } from "./removingMark.ts"
import { requireNoMount, requireNoMountPoint } from "./unmounted.ts"
import { difference, type Workspace } from "./workspaces.ts"
import { baseName } from "../paths.ts"

export interface Destination {
  readonly root: string
  /** Claims move directories into it. `undefined`, on a full file system: claims stay within `root`. */
  readonly workspace: Workspace | undefined
  /** Whether another sweep of the root is at work: a lock that is held exclusively may be its lock. */
  readonly hasOthers: Effect.Effect<boolean>
}

type DiscardError = Changed | Taken | MountInside | PermissionDenied | StoreFailure

interface Locked {
  /** `undefined`: there is no lock. */
  readonly held: HeldLock | undefined
  /** The lock is held, and works on this file system. */
  readonly isLocked: boolean
}

export type Claims = ReturnType<typeof make>

export const make = (disk: Disk["Service"], lookup: Lookup, exclude: Locking["exclude"]) => {
  const unmoved = Unmoved.make(disk, lookup)

  const moveBack = (path: string, origin: string) =>
    Effect.suspend(() => {
      const taken = () => new NameTaken({ path: origin, kept: path })
      // ENOENT: another sweep has resumed this claim, or has already put the directory back.
      const back = disk.renameNew(path, origin).pipe(onErrno(["ENOENT"], () => Effect.void))
      return mapStoreError("put back", { EEXIST: taken, ENOTEMPTY: taken, ENOTDIR: taken })(back)
    })

  const pathForClaimed = ({ root, workspace }: Destination, entry: string) =>
    workspace === undefined
      ? Effect.map(nonce, (tag) => `${root}/${SentinelName.reapInPlace("claimed", tag.slice(0, 8), entry)}`)
      : Effect.succeed(`${workspace.path}/claimed/${entry}`)

  const pathForMarked = ({ root, workspace }: Destination, marked: SentinelName.Marked) =>
    workspace === undefined
      ? Effect.map(nonce, (tag) => `${root}/${SentinelName.markedInPlace(tag.slice(0, 8), marked)}`)
      : Effect.succeed(`${workspace.path}/dead/${SentinelName.markedName(marked)}`)

  /**
   * Determines who holds a busy lock. Another sweep holds it exclusively (`Taken`), owners share it, and any other
   * process may hold it either way (`LockBusy`).
   */
  const busy = Effect.fnUntraced(function* (
    { hasOthers }: Destination,
    path: string
  ): Effect.fn.Return<never, Taken | LockBusy> {
    const taken = new Taken({ path })
    const mode = yield* disk.probeLock(path, { mayStartProgram: true })
    if (mode === "free") return yield* taken
    if (mode === "shared") return yield* new LockBusy({ path, mode })
    // Another sweep may have the path by now, and may be deleting this directory where it lies.
    const isSwept = yield* Effect.orElseSucceed(isBeingRemoved(disk, path), () => false)
    const isThere = yield* Effect.isSuccess(disk.lstat(path))
    if (isSwept || !isThere || (yield* hasOthers)) return yield* taken
    return yield* new LockBusy({ path, ...(mode === "exclusive" ? { mode } : {}) })
  })

  /** Excludes owners and other sweeps, where the file system has locks. */
  const lock = (
    destination: Destination,
    path: string,
    mayStartProgram: boolean
  ): Effect.Effect<Locked, Taken | LockBusy | PermissionDenied | StoreFailure, Scope.Scope> =>
    exclude(path, { mayStartProgram, test: destination.workspace === undefined }).pipe(
      Effect.map((held) => ({
        held,
        isLocked: held !== undefined && (destination.workspace?.isLocked ?? held.tested)
      })),
      Effect.catch((error): Effect.Effect<never, Taken | LockBusy | PermissionDenied | StoreFailure> =>
        error.errno === "EBUSY"
          ? busy(destination, path)
          : mapStoreError("lock", { ENOENT: () => new Taken({ path }) })(Effect.fail(error))
      )
    )

  /** `false` with neither lock nor workspace: another sweep may have removed the directory, and reports that. */
  const isGone = ({ workspace }: Destination, isLocked: boolean, markedAt: () => string | undefined) =>
    Effect.suspend(() => {
      const path = markedAt()
      return path !== undefined && (isLocked || workspace !== undefined) ? hasGone(disk, path) : Effect.succeed(false)
    })

  const removeTree = (path: string, expected: FileId, isLocked: boolean, mayRemove: MayRemove) =>
    Effect.map(disk.removeTree(path, { expected, mayRemove, lockInner: isLocked }), (stayed): Discarded => ({ stayed }))

  /**
   * The claim of a directory that lies at `path` now. `discard` compares the directory's id again after its own rename:
   * a directory that was swapped in goes back, and nothing in that directory is deleted.
   */
  const makeClaim = Effect.fnUntraced(function* (
    destination: Destination,
    found: {
      readonly path: string
      readonly origin: string
      readonly state: DirectoryState
      readonly isLocked: boolean
    }
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
        : Effect.void
    )
    const changed = (problem: string) => new Changed({ path: origin, problem })

    const mark = requireSame(disk, path, state.id).pipe(
      Effect.andThen(disk.renameNew(path, markedPath)),
      Effect.andThen(letGo),
      Effect.andThen(Effect.sync(() => void (markedAt = markedPath)))
    )
    const putBack = ({ errno }: DiskError) => {
      if (errno !== "ESTALE") return Effect.void
      markedAt = undefined
      return Effect.ignore(disk.renameNew(markedPath, path))
    }

    const discard = (condemned: Condemned, mayRemove: MayRemove): Effect.Effect<Discarded, DiscardError> =>
      Effect.uninterruptibleMask((restore): Effect.Effect<Discarded, DiscardError> => {
        if (!isClaimed) return Effect.fail(new Taken({ path: origin }))
        const problem = difference(condemned, state)
        if (problem !== undefined) return Effect.fail(changed(problem))
        const removed = Effect.andThen(
          requireSame(disk, markedPath, state.id),
          restore(removeTree(markedPath, state.id, isLocked, mayRemove))
        )
        const marked = mapStoreError<Changed | Taken>("delete", {
          ENOENT: () => new Taken({ path: origin }),
          ESTALE: () => changed("it is another directory")
        })(Effect.andThen(mark, Effect.tapError(removed, putBack)))
        return Effect.andThen(requireNoMount(disk, path, origin), marked)
      })
    return { path, origin, state, isLocked, restore, discard, isGone: isGone(destination, isLocked, () => markedAt) }
  })

  const lookAgain = (path: string, layout: Layout) =>
    Effect.catchTag(lookup.look(path, layout), "NotFound", () => Effect.fail(new Taken({ path })))

  /** What differs between a locked directory and the one that was judged; `undefined`: nothing. */
  const problemOf = (condemned: Condemned, held: HeldLock | undefined, now: DirectoryState): string | undefined =>
    held === undefined || sameFile(held.id, now.id) ? difference(condemned, now) : "it is another directory"

  /** Looks at a directory under its lock, and requires that nothing has changed since the judgement. */
  const lookUnchanged = Effect.fnUntraced(function* (
    condemned: Condemned,
    held: HeldLock | undefined,
    layout: Layout
  ): Effect.fn.Return<DirectoryState, Changed | Taken | PermissionDenied | StoreFailure> {
    const { path } = condemned
    const now = yield* lookAgain(path, layout)
    const problem = problemOf(condemned, held, now)
    return problem === undefined ? now : yield* new Changed({ path, problem })
  })

  /** Claims a directory whose rename failed with `errno`. Only its lock then keeps owners out. */
  const claimUnmoved = Effect.fnUntraced(function* (
    destination: Destination,
    condemned: Condemned,
    layout: Layout,
    locked: Locked,
    errno: string
  ): Effect.fn.Return<Claim, ClaimError, Scope.Scope> {
    const { path } = condemned
    // No program was started to take the lock of a directory that claims none.
    const { held, isLocked } = locked.held === undefined ? yield* lock(destination, path, true) : locked
    if (held === undefined || !isLocked) return yield* new Immovable({ path, errno })
    const state = yield* lookUnchanged(condemned, held, layout)
    return yield* unmoved(destination.workspace, state, held, layout)
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
    const locked = yield* lock(destination, origin, Condemned.is(condemned) && condemned.claimsLock)
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
    if (problem === undefined) return yield* makeClaim(destination, { path, origin, state, isLocked })
    yield* moveBack(path, origin)
    return yield* new Changed({ path: origin, problem })
  }, Effect.uninterruptible)

  /** Locks what a killed sweep left, and reads it. Touches no mounted file system. */
  const openLeftover = Effect.fnUntraced(function* (
    destination: Destination,
    path: string,
    layout: Layout
  ): Effect.fn.Return<Pick<Removable, "isLocked" | "state">, ResumeError, Scope.Scope> {
    yield* requireNoMountPoint(disk, path)
    const { isLocked } = yield* lock(destination, path, true)
    const looked = lookup.inspect(path, layout)
    const state = yield* Effect.catchTag(looked, "NotFound", () => Effect.fail(new Taken({ path })))
    return { isLocked, state }
  })

  /** Resumes a claim that a killed sweep left at `path`. */
  const resume = (destination: Destination, path: string, name: string, layout: Layout) =>
    Effect.uninterruptible(
      Effect.gen(function* (): Effect.fn.Return<Claim, ResumeError, Scope.Scope> {
        const { isLocked, state } = yield* openLeftover(destination, path, layout)
        return yield* makeClaim(destination, { path, origin: `${destination.root}/${name}`, state, isLocked })
      })
    )

  /** Unlinks a file or symbolic link that another process has put in place of the directory. */
  const unlinkSwapped = (path: string) => Effect.andThen(Effect.ignore(disk.unlink(path)), new Taken({ path }))

  /**
   * Removes the empty directory that a note names, under its lock: an owner that came after the kill may hold the lock
   * of a directory that it hasn't written into yet. `false`: the directory doesn't belong to a sweep any more. `Taken`:
   * it can't be locked now.
   */
  const isEmptiedRemoved = Effect.fnUntraced(
    function* (path: string, destination: Destination, marked: SentinelName.Marked) {
      const isEmptied = Unmoved.isEmptied(disk, path, marked)
      yield* requireNoMountPoint(disk, path)
      if (!(yield* isEmptied)) return false
      yield* lock(destination, path, true)
      return (yield* isEmptied) && (yield* Effect.isSuccess(disk.removeDirectory(path)))
    },
    Effect.scoped,
    (effect, path) => Effect.mapError(effect, () => new Taken({ path }))
  )

  /** Resumes a deletion that a killed sweep began at `path`. */
  const resumeDead = (destination: Destination, path: string, marked: SentinelName.Marked, layout: Layout) =>
    Effect.uninterruptible(
      Effect.gen(function* (): Effect.fn.Return<Removable, ResumeError, Scope.Scope> {
        const { isLocked, state } = yield* openLeftover(destination, path, layout)
        let markedAt: string | undefined
        const finish = Effect.fnUntraced(function* (
          restore: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>,
          condemned: Condemned,
          mayRemove: MayRemove
        ): Effect.fn.Return<Discarded, DiscardError> {
          const isOther = Condemned.is(condemned) && condemned.path !== path
          const problem = isOther ? "it is not what was judged" : difference(condemned, state)
          if (problem !== undefined) return yield* new Changed({ path, problem })
          yield* requireNoMount(disk, path)
          let markedPath = path
          if (destination.workspace === undefined) {
            // Without locks this rename decides which of two sweeps gets the remains.
            markedPath = yield* pathForMarked(destination, marked)
            yield* mapStoreError("delete", { ENOENT: () => new Taken({ path }) })(disk.renameNew(path, markedPath))
          }
          markedAt = markedPath
          const taken = () => new Taken({ path: markedPath })
          const noted = `${destination.root}/${marked.name}`
          const isLeft = Unmoved.isNote(marked) && !(yield* isEmptiedRemoved(noted, destination, marked))
          const discarded = yield* restore(removeTree(markedPath, state.id, isLocked, mayRemove)).pipe(
            mapStoreError("delete", { ENOENT: taken, ESTALE: taken }),
            Effect.tapErrorTag("StoreFailure", ({ errno }) =>
              errno === "ENOTDIR" || errno === "ELOOP" ? unlinkSwapped(markedPath) : Effect.void
            )
          )
          return isLeft ? yield* new Taken({ path: noted }) : discarded
        })
        return {
          path,
          state,
          isLocked,
          discard: (condemned, mayRemove) =>
            Effect.uninterruptibleMask((restore) => finish(restore, condemned, mayRemove)),
          isGone: isGone(destination, isLocked, () => markedAt)
        }
      })
    )

  return { claim, resume, resumeDead }
}
