/**
 * Removal of condemned directories from a root: claim, judge again, mark, delete.
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Condemned, Judgement } from "./Condemned.ts"
import type { HeldLock, RemoveTreeOptions } from "./DiskModel.ts"
import type {
  Changed,
  ClaimError,
  LockBusy,
  MountInside,
  NameTaken,
  PermissionDenied,
  ResumeError,
  StoreFailure,
  Taken
} from "./Errors.ts"
import type { DirectoryState } from "./DirectoryState.ts"
import type { Layout } from "./Layout.ts"
import type { Entry } from "./Root.ts"
import type { Sentinel } from "./Sentinel.ts"

/**
 * Whether a sentinel below the first level of a directory may be deleted, because its owner was judged provably gone.
 *
 * @category models
 * @since 0.1.0
 */
export type MayRemove = NonNullable<RemoveTreeOptions["mayRemove"]>

/**
 * Result of a deletion.
 *
 * @category models
 * @since 0.1.0
 */
export interface Discarded {
  /**
   * Paths, relative to the directory, of subtrees that were not deleted: their lock is held, or `MayRemove` refused a
   * sentinel. `.`: the directory itself, because it has a sentinel that wasn't judged.
   */
  readonly stayed: ReadonlyArray<string>
}

/**
 * A directory that a sweep has taken from its owners: by a rename or, if it can't be renamed, by its lock alone. If
 * locks work on the file system, the sweep holds the directory's lock until the scope closes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Removable {
  /** The directory's present path. */
  readonly path: string
  /** The directory as it was read after the sweep had taken it. */
  readonly state: DirectoryState
  /** `false`: no lock is known to work there, so an owner may not be excluded. */
  readonly isLocked: boolean
  /**
   * Deletes the directory. A rename marks the directory first. Then the tree is removed, its sentinels last. `Changed`:
   * `condemned` isn't a judgement of `state`, or the directory has changed since. Interruptible only between the
   * removals of two entries. The next sweep resumes the removal of what is left.
   */
  readonly discard: (
    condemned: Condemned,
    mayRemove: MayRemove
  ) => Effect.Effect<Discarded, Changed | Taken | MountInside | PermissionDenied | StoreFailure>
  /**
   * Whether an interrupted `discard` had already removed the whole directory. An interrupted fiber and the loser of a
   * race have no result. Therefore run `isGone` outside of the interrupted effect, before the scope closes. `false` if
   * another sweep may have removed the directory.
   */
  readonly isGone: Effect.Effect<boolean>
}

/**
 * A directory that was locked, where locks work, and renamed into the workspace or, on a full file system, within the
 * root. When the scope closes before `discard` has marked the directory, the directory is renamed back to `origin`,
 * unless `restore` failed with `NameTaken`. A directory that can't be renamed is claimed where it lies. Then `path` is
 * `origin`, and `restore` has nothing to do.
 *
 * @category models
 * @since 0.1.0
 */
export interface Claim extends Removable {
  /** The directory's path in its root. */
  readonly origin: string
  /** Renames the directory back to `origin`. `NameTaken`: `origin` exists, and the directory stays at `path`. */
  readonly restore: Effect.Effect<void, NameTaken | PermissionDenied | StoreFailure>
}

/**
 * A directory that a killed sweep had claimed or marked. `open` resumes it. Nothing changes before `open`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Leftover<A> {
  /** The directory's original name in its root. */
  readonly name: string
  /** The directory's present path. */
  readonly path: string
  /**
   * Locks the directory and reads it. `Taken`: the directory is gone, or another sweep has it. `LockBusy`: another
   * process holds its lock.
   */
  readonly open: Effect.Effect<A, ResumeError, Scope.Scope>
}

/**
 * A directory that a killed sweep had marked. Its deletion had been decided, and may have begun.
 *
 * @category models
 * @since 0.1.0
 */
export interface Remains extends Leftover<Removable> {
  /**
   * One tag for each sentinel that the killed sweep judged before it marked the directory. Empty if the tags didn't fit
   * into the name. See `SentinelName.Marked`.
   */
  readonly tags: ReadonlyArray<string>
}

/**
 * Directories that a killed sweep left. Those of `claimed` have to be judged again. Those of `dead` were marked.
 *
 * @category models
 * @since 0.1.0
 */
export interface Leftovers {
  readonly claimed: ReadonlyArray<Leftover<Claim>>
  readonly dead: ReadonlyArray<Remains>
}

/**
 * A directory of a group whose deletion isn't finished. Another process may take its lock before `rest` does.
 *
 * @category models
 * @since 0.1.0
 */
export interface Unfinished extends Pick<Removable, "isGone" | "isLocked"> {
  readonly _tag: "Unfinished"
  /** The second judgement. */
  readonly judgement: Judgement
  /** Locks the directory again, and deletes what is left. */
  readonly rest: Effect.Effect<Discarded, Changed | LockBusy | Taken | PermissionDenied | StoreFailure>
}

/**
 * What became of a directory of a group. `Kept`: the second judgement doesn't condemn the directory, which is at its
 * old path again. `Failed`: it is there too, unless it couldn't be put back.
 *
 * @category models
 * @since 0.1.0
 */
export type Removal =
  | { readonly _tag: "Removed" | "Kept"; readonly judgement: Judgement }
  | { readonly _tag: "Failed"; readonly error: Changed | MountInside | NameTaken | PermissionDenied | StoreFailure }
  | Unfinished

/**
 * Options of `Reclaimer.removeMany`. `judge` is the second judgement, of a claimed directory. `interruptible` makes an
 * effect interruptible within the group, which is uninterruptible elsewhere.
 *
 * @category models
 * @since 0.1.0
 */
export interface GroupOptions {
  readonly judge: (state: DirectoryState) => Effect.Effect<Judgement>
  readonly interruptible: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/**
 * Makes the sweep's own sentinel for a workspace. `lock`: the lock of the workspace. `undefined`: the workspace has
 * none.
 *
 * @category models
 * @since 0.1.0
 */
export type OwnSentinel = (lock: HeldLock | undefined) => Effect.Effect<Sentinel, StoreFailure>

/**
 * Options of `SentinelStore.reclaimer`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReclaimerOptions {
  readonly self: OwnSentinel
  /** Sentinels that a claim reads. */
  readonly layout: Layout
}

/**
 * Removes directories from one root. The sweep moves them into a workspace, its own directory in the root. The first
 * claim makes the workspace. The end of the scope removes it, or gives it up for the next sweep if something had to
 * stay in it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reclaimer {
  /**
   * Locks a condemned directory exclusively, renames it into the workspace, and compares it with the one that was
   * judged.
   *
   * - `Changed`: the directory differs. It is under its old path again, unless another directory has taken that path
   *   (`NameTaken`).
   * - `Taken`: the directory is gone, or another sweep has it.
   * - `LockBusy`: an owner or another program holds the directory's lock.
   * - `MountInside`: a mount lies in the directory. The directory was not touched.
   * - `Immovable`: the directory can be neither renamed nor locked. The directory was not touched.
   *
   * A full file system has no room for a workspace. There the directory gets another name in the root. A directory that
   * can't be renamed (EXDEV, ENAMETOOLONG, no room for the name) stays where it lies, under its lock.
   */
  readonly claim: (condemned: Condemned) => Effect.Effect<Claim, ClaimError, Scope.Scope>
  /** Looks at directories of the root at once. `undefined`: `SentinelStore.inspect` has to look at that directory. */
  readonly lookMany: (
    entries: Arr.NonEmptyReadonlyArray<Entry>
  ) => Effect.Effect<ReadonlyArray<DirectoryState | undefined>>
  /**
   * Claims and discards condemned directories at once. Returns one answer for each judgement, in order. `undefined`:
   * `claim` has to claim that directory, which lies in the root as before.
   */
  readonly removeMany: (
    judgements: ReadonlyArray<Judgement>,
    options: GroupOptions
  ) => Effect.Effect<ReadonlyArray<Removal | undefined>>
  /** Lists the directories that a killed sweep left in `entry`, without changing anything. */
  readonly leftovers: (entry: Entry) => Effect.Effect<Leftovers, MountInside | PermissionDenied | StoreFailure>
  /**
   * Takes over an abandoned workspace, by its lock and an atomic rename. Only one of several sweeps gets the workspace.
   */
  readonly adopt: (
    workspace: Condemned
  ) => Effect.Effect<Leftovers, Taken | Changed | MountInside | PermissionDenied | StoreFailure, Scope.Scope>
  /**
   * Removes a `staged` directory that its creator never finished: one that was condemned, or one that has no sentinel and
   * nothing but what a creator makes before its sentinel. Leaves a directory alone that was modified within the last
   * 60 s, is locked, contains a mount, or isn't trusted. The judgement is one by `Layout.withStandard` of the
   * reclaimer's layout.
   */
  readonly discardStaged: (judgement: Judgement) => Effect.Effect<void, PermissionDenied | StoreFailure>
}
