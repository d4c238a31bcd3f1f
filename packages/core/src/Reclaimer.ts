/**
 * A dead directory on its way out of a root.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Condemned } from "./Condemned.ts"
import type { HeldLock, RemoveTreeOptions } from "./DiskModel.ts"
import type { Changed, ClaimError, NameTaken, PermissionDenied, ResumeError, StoreFailure, Taken } from "./Errors.ts"
import type { DirectoryState } from "./DirectoryState.ts"
import type { Layout } from "./Layout.ts"
import type { Entry } from "./Root.ts"
import type { Sentinel } from "./Sentinel.ts"

/**
 * Which sentinels below the first level were judged: one that is found there must be among them to be deleted.
 *
 * @category models
 * @since 0.1.0
 */
export type MayRemove = NonNullable<RemoveTreeOptions["mayRemove"]>

/**
 * A deletion that has ended.
 *
 * @category models
 * @since 0.1.0
 */
export interface Discarded {
  /** Subtrees that were not deleted, relative to the directory: their lock is held, or a sentinel in them was not judged. */
  readonly stayed: ReadonlyArray<string>
}

/**
 * A directory that no owner can find by its name any more, until the scope closes. Its lock is held until then.
 *
 * @category models
 * @since 0.1.0
 */
export interface Removable {
  /** Where it lies now. */
  readonly path: string
  readonly state: DirectoryState
  /** `false`: the file system has no lock, so no owner is excluded. */
  readonly isLocked: boolean
  /**
   * Deletes the directory: a rename that marks it, then the tree, its sentinels last. Takes the judgement of `state` and refuses
   * (`Changed`) any other. Uninterruptible but between two removals. A part that couldn't be removed stays for the next sweep.
   */
  readonly discard: (
    condemned: Condemned,
    mayRemove: MayRemove
  ) => Effect.Effect<Discarded, Changed | Taken | PermissionDenied | StoreFailure>
  /**
   * After an interrupted `discard`: nothing is left, and this sweep removed it. Asked outside of the interrupted effect, before the
   * scope closes: a fiber that is interrupted, and the loser of a race, have no result.
   */
  readonly isGone: Effect.Effect<boolean>
}

/**
 * A directory that was locked, renamed into the workspace, and seen to be the one that was judged. When the scope closes before
 * `discard` has marked it, the directory goes back to `origin`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Claim extends Removable {
  /** Where it was. */
  readonly origin: string
  /** Puts the directory back. `NameTaken`, and it stays where it is, when another has its name. */
  readonly restore: Effect.Effect<void, NameTaken | PermissionDenied | StoreFailure>
}

/**
 * A directory that a killed sweep had claimed or marked. Nothing is touched until it is opened.
 *
 * @category models
 * @since 0.1.0
 */
export interface Leftover<A> {
  /** The name that it had in its root. */
  readonly name: string
  readonly path: string
  /** Locks it and looks at it. `Taken`: another sweep has it. */
  readonly open: Effect.Effect<A, ResumeError, Scope.Scope>
}

/**
 * A directory that a killed sweep had marked.
 *
 * @category models
 * @since 0.1.0
 */
export interface Remains extends Leftover<Removable> {
  /** Names of the sentinels that were judged when it was marked: {@link SentinelName.Marked}. */
  readonly tags: ReadonlyArray<string>
}

/**
 * Leftovers of a killed sweep. `claimed`: to be judged again. `dead`: its deletion had begun.
 *
 * @category models
 * @since 0.1.0
 */
export interface Leftovers {
  readonly claimed: ReadonlyArray<Leftover<Claim>>
  readonly dead: ReadonlyArray<Remains>
}

/**
 * The sentinel of a sweep, by the lock of the workspace that it is for.
 *
 * @category models
 * @since 0.1.0
 */
export type OwnSentinel = (lock: HeldLock | undefined) => Effect.Effect<Sentinel, StoreFailure>

/**
 * @category models
 * @since 0.1.0
 */
export interface ReclaimerOptions {
  readonly self: OwnSentinel
  readonly layout: Layout
}

/**
 * The way out of one root, in a workspace that is made at the first claim and closed with the scope.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reclaimer {
  /**
   * Locks a condemned directory exclusively, renames it into the workspace, and requires that it is the one that was judged:
   * `Changed`, and put back, when it isn't; `Taken` when it is gone or another sweep has it; `LockBusy` when an owner holds its lock;
   * `MountInside`, untouched, when a mount lies in it. On a full file system the rename is in place, which needs no room.
   */
  readonly claim: (condemned: Condemned) => Effect.Effect<Claim, ClaimError, Scope.Scope>
  /** Lists what lies in an entry of a sweep, without taking it over. */
  readonly leftovers: (entry: Entry) => Effect.Effect<Leftovers, PermissionDenied | StoreFailure>
  /** Takes an abandoned workspace over, by its lock and an atomic rename; of several sweeps one gets it. */
  readonly adopt: (
    workspace: Condemned
  ) => Effect.Effect<Leftovers, Taken | Changed | PermissionDenied | StoreFailure, Scope.Scope>
  /** Removes a `staged` workspace that was never finished; one younger than a minute is left alone. */
  readonly discardStaged: (entry: Entry) => Effect.Effect<void, PermissionDenied | StoreFailure>
}
