/** Where the claims of a sweep go, the lock that each of them takes, and the deletion of what it locked. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Discarded, MayRemove } from "../../Reclaimer.ts"
import type { DirectoryState } from "../../DirectoryState.ts"
import type { Disk, DiskError, HeldLock, JudgedSentinel, RemoveTreeOptions, Tree } from "../../Disk.ts"
import {
  type Changed,
  LockBusy,
  type MountInside,
  type PermissionDenied,
  type StoreFailure,
  Taken
} from "../../Errors.ts"
import type { Layout } from "../../Layout.ts"
import * as SentinelName from "../../SentinelName.ts"
import { mapStoreError } from "./diskErrors.ts"
import type { Locking } from "./locking.ts"
import { nonce } from "./nonce.ts"
import { hasGone } from "./presence.ts"
import { isBeingRemoved } from "./removingMark.ts"
import type { Workspace } from "./workspaces.ts"

export interface Destination {
  readonly root: string
  /**
   * Claims move directories into it. `undefined`: claims stay within `root`, because the file system is full, or was
   * full when a leftover was claimed.
   */
  readonly workspace: Workspace | undefined
  /** Whether a lock that is held exclusively may be that of another sweep of the root. */
  readonly hasOthers: Effect.Effect<boolean>
}

export type DiscardError = Changed | Taken | MountInside | PermissionDenied | StoreFailure

export interface Locked {
  /** `undefined`: there is no lock. */
  readonly held: HeldLock | undefined
  /** The lock is held, and works on this file system. */
  readonly isLocked: boolean
}

/** The deletion of a marked directory. */
interface Removal extends Pick<RemoveTreeOptions, "inPlace"> {
  /** The directory as it was judged. */
  readonly state: DirectoryState
  readonly layout: Layout
  readonly isLocked: boolean
  readonly mayRemove: MayRemove
}

/**
 * The sentinels that a removal may unlink. An owner without locks may publish another one during the removal, by its
 * working directory or a bind mount, or by the path of a directory that lies in place.
 */
const judgedOf = ({ foreign, sentinels }: DirectoryState): ReadonlyArray<JudgedSentinel> => [
  ...sentinels.map(({ entry, id, size, writtenAt }) => ({ entry, file: { id, size, modifiedAt: writtenAt } })),
  ...foreign.map((entry) => ({ entry, file: undefined }))
]

export type Destinations = ReturnType<typeof make>

export const make = (disk: Disk["Service"], exclude: Locking["exclude"]) => {
  const pathForClaimed = ({ root, workspace }: Destination, entry: string) =>
    workspace === undefined
      ? Effect.map(nonce, (tag) => `${root}/${SentinelName.reapInPlace("claimed", tag.slice(0, 8), entry)}`)
      : Effect.succeed(`${workspace.path}/claimed/${entry}`)

  const pathForMarked = ({ root, workspace }: Destination, marked: SentinelName.Marked) =>
    workspace === undefined
      ? Effect.map(nonce, (tag) => `${root}/${SentinelName.markedInPlace(tag.slice(0, 8), marked)}`)
      : Effect.succeed(`${workspace.path}/dead/${SentinelName.markedName(marked)}`)

  /**
   * Chooses the error for a busy lock. `Taken`: the lock is free again, the directory is gone, or another sweep may
   * hold the lock. `LockBusy`: the lock is shared, or nothing points to another sweep.
   */
  const busy = Effect.fnUntraced(function* (
    { hasOthers }: Destination,
    path: string
  ): Effect.fn.Return<never, Taken | LockBusy> {
    const taken = new Taken({ path })
    const mode = yield* disk.probeLock(path)
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
    path: string
  ): Effect.Effect<Locked, Taken | LockBusy | PermissionDenied | StoreFailure, Scope.Scope> =>
    exclude(path, { test: destination.workspace === undefined }).pipe(
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

  /** The tree of a marked directory, as `Disk` removes it. */
  const treeOf = (path: string, { isLocked, layout, state, ...options }: Removal): Tree => {
    const judged = judgedOf(state)
    return { path, ...options, expected: state.id, judged, lockInner: isLocked, sentinels: layout.sentinels }
  }

  const removeTree = (path: string, removal: Removal): Effect.Effect<Discarded, DiskError> =>
    Effect.map(disk.removeTree(path, treeOf(path, removal)), (stayed) => ({ stayed }))

  return { pathForClaimed, pathForMarked, lock, isGone, removeTree, treeOf }
}
