/** Workspaces, a sweep's own directories in a root: makes one, adopts that of a sweep that is gone, closes one. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { OwnSentinel } from "../../Reclaimer.ts"
import type { Condemned, Judgement } from "../../Condemned.ts"
import { type Disk, DiskError, type HeldLock } from "../../Disk.ts"
import { Changed, type MountInside, type PermissionDenied, StoreFailure, Taken } from "../../Errors.ts"
import * as Layout from "../../Layout.ts"
import type { Root } from "../../Root.ts"
import * as SentinelName from "../../SentinelName.ts"
import type { Creation } from "./creation.ts"
import { mapStoreError } from "./diskErrors.ts"
import { onErrno } from "../disk/recovery.ts"
import type { Locking } from "./locking.ts"
import { changeSince } from "./changeSince.ts"
import type { Lookup } from "./lookup.ts"
import { nonce } from "./nonce.ts"
import type { Publication } from "./publication.ts"
import { requireNoMountPoint } from "./unmounted.ts"
import { baseName, parentOf } from "../paths.ts"

/** A sweep's own directory. */
export interface Workspace {
  readonly path: string
  /** The sweep holds the workspace's lock, and the lock refused a second open: locks work on this file system. */
  readonly isLocked: boolean
}

/** Milliseconds. The creator of a staged directory that changed within this time may still be at work. */
const stagingGrace = 60_000

/** The directories in a workspace. */
const folders: ReadonlyArray<string> = ["claimed", "dead"]

const refused = (errno: string, path: string) =>
  new DiskError({ errno, operation: "remove unfinished directory", path })

/** Whether the file system has no space for a workspace (ENOSPC, EDQUOT): removal goes on without one. */
export const isFull = ({ errno }: StoreFailure): boolean => errno === "ENOSPC" || errno === "EDQUOT"

const isStoreError = (error: { readonly _tag: string }): error is PermissionDenied | StoreFailure =>
  error._tag === "PermissionDenied" || error._tag === "StoreFailure"

export type Workspaces = ReturnType<typeof make>

export const make = (
  disk: Disk["Service"],
  lookup: Lookup,
  publication: Publication,
  creation: Creation,
  exclude: Locking["exclude"]
) => {
  const toStore = (error: { readonly _tag: string; readonly message: string }, path: string) =>
    isStoreError(error) ? error : new StoreFailure({ operation: "make workspace", path, cause: error })

  const names = (path: string) =>
    disk.entries(path).pipe(
      Effect.map((list) => list.map(({ entry }) => entry).sort()),
      onErrno(["ENOENT"], () => Effect.succeed([]))
    )

  /** Requires that neither a workspace nor its two directories are mount points: listing one may never end. */
  const requireListable = (path: string) =>
    Effect.forEach([path, `${path}/claimed`, `${path}/dead`], (at) => requireNoMountPoint(disk, at), { discard: true })

  /** Names of the claimed and of the marked directories in a workspace. */
  const contents = (path: string) =>
    Effect.andThen(
      requireListable(path),
      mapStoreError("list workspace")(Effect.all({ claimed: names(`${path}/claimed`), dead: names(`${path}/dead`) }))
    )

  /** Removes a workspace. One that still holds a directory loses its sentinel, and the next sweep adopts it. */
  const close = Effect.fn("Workspaces.close")(function* ({ path }: Workspace) {
    const removeEmpty = (directory: string) =>
      disk.removeDirectory(directory).pipe(onErrno(["ENOENT"], () => Effect.void))
    const isEmpty = yield* Effect.isSuccess(Effect.andThen(removeEmpty(`${path}/claimed`), removeEmpty(`${path}/dead`)))
    // A workspace without a sentinel has no owner: the next sweep may resume its contents.
    const files = yield* Effect.orElseSucceed(names(path), () => [])
    for (const entry of files) {
      const isOwn = SentinelName.isSentinel(entry) || entry.startsWith(SentinelName.temporaryPrefix)
      if (isOwn) yield* Effect.ignore(disk.unlink(`${path}/${entry}`))
    }
    if (isEmpty) yield* Effect.ignore(disk.removeDirectory(path))
  }, Effect.uninterruptible)

  const open = Effect.fn("Workspaces.open")(function* (
    root: Root,
    self: OwnSentinel
  ): Effect.fn.Return<Workspace, StoreFailure | PermissionDenied, Scope.Scope> {
    const path = `${root.path}/${SentinelName.workspacePrefix}${yield* nonce}`
    let lock: HeldLock | undefined
    const sentinelOf = (staged: string) =>
      exclude(staged, { test: true }).pipe(
        mapStoreError("lock workspace"),
        Effect.tap((held) => Effect.sync(() => (lock = held))),
        Effect.flatMap(self)
      )
    // The next claim calls `open` again. A failed `open` that kept its lock would leave one more descriptor open each
    // time. A failed `open` therefore releases its lock at once.
    const scope = yield* Scope.fork(yield* Effect.scope)
    yield* creation.createWithSentinel(path, sentinelOf, { subdirectories: folders }).pipe(
      Scope.provide(scope),
      // The rename may have succeeded, and only the fsync after it failed: the workspace may exist.
      Effect.onError((cause) =>
        Effect.andThen(close({ path, isLocked: false }), Scope.close(scope, Exit.failCause(cause)))
      ),
      Effect.mapError((error) => toStore(error, path))
    )
    return { path, isLocked: lock?.tested === true }
  }, Effect.uninterruptible)

  /** Takes over the workspace of a sweep that is gone. */
  const adopt = Effect.fn("SentinelStore.adopt")(function* (
    root: Root,
    condemned: Condemned,
    self: OwnSentinel
  ): Effect.fn.Return<Workspace, Taken | Changed | MountInside | PermissionDenied | StoreFailure, Scope.Scope> {
    const from = `${root.path}/${baseName(condemned.path)}`
    const path = `${root.path}/${SentinelName.workspacePrefix}${yield* nonce}`
    const taken = new Taken({ path: from })
    const look = (path: string) =>
      Effect.map(
        Effect.catchTag(lookup.look(path, Layout.standard), "NotFound", () => taken),
        (state) => ({ state, problem: changeSince(condemned, state) })
      )
    // Look before the rename: if another sweep has adopted the workspace since, no rename has to be undone.
    const { problem: early } = yield* look(from)
    if (early !== undefined) return yield* new Changed({ path: from, problem: early })
    yield* requireListable(from)
    const gone = { ENOENT: () => taken, EBUSY: () => taken }
    const lock = yield* mapStoreError("lock workspace", gone)(exclude(from, { test: true }))
    yield* mapStoreError("adopt workspace", gone)(disk.rename(from, path))
    const { state: now, problem } = yield* look(path)
    if (problem !== undefined) {
      // A sentinel has changed since the judgement: another sweep has adopted the workspace, or its own sweep lives.
      yield* Effect.ignore(disk.renameNew(path, from))
      return yield* new Changed({ path: from, problem })
    }
    const replacing = now.sentinels.length === 0 ? {} : { replacing: condemned }
    yield* publication.publishUnchecked(path, yield* self(lock), replacing).pipe(
      Effect.catchTag(["AlreadyOwned", "Claimed", "NotFound"], () => taken),
      // A full file system has no space for the sentinel of this sweep. Another sweep may then adopt the workspace,
      // too.
      Effect.catchTag("StoreFailure", (error) => (isFull(error) ? Effect.void : Effect.fail(error))),
      Effect.catchTag("MalformedSentinel", (error) => Effect.fail(toStore(error, path)))
    )
    return { path, isLocked: lock?.tested === true }
  }, Effect.uninterruptible)

  /** Whether a sweep holds the lock of a workspace in the root, other than `own`. */
  const hasOthers = Effect.fnUntraced(
    function* ({ path }: Root, own: string | undefined) {
      const { hidden } = yield* disk.list(path)
      const mounts = new Set((yield* disk.mountsBelow(path)).map((mount) => mount.path))
      for (const { entry } of hidden) {
        const at = `${path}/${entry}`
        if (at === own || SentinelName.parseReap(entry)?.kind !== "workspace" || mounts.has(at)) continue
        if ((yield* disk.probeLock(at)) === "exclusive") return true
      }
      return false
    },
    Effect.orElseSucceed(() => false)
  )

  /** Removes what a creator makes before it writes the sentinel. ENOTEMPTY, and nothing is removed: there is more. */
  const removeUnowned = Effect.fnUntraced(function* (path: string) {
    const found = yield* names(path)
    const isTemporary = (entry: string) => entry.startsWith(SentinelName.temporaryPrefix)
    if (!found.every((entry) => isTemporary(entry) || folders.includes(entry))) return yield* refused("ENOTEMPTY", path)
    for (const entry of found) {
      const at = `${path}/${entry}`
      yield* isTemporary(entry) ? disk.unlink(at) : disk.removeDirectory(at)
    }
    yield* disk.removeDirectory(path)
  })

  /** Removes a directory. ESTALE, and nothing is removed: it has changed since the judgement. */
  const removeCondemned = Effect.fnUntraced(function* (path: string, condemned: Condemned, layout: Layout.Layout) {
    const now = yield* Effect.option(lookup.inspect(path, layout))
    if (now._tag === "None" || changeSince(condemned, now.value) !== undefined) return yield* refused("ESTALE", path)
    yield* disk.removeTree(path, { expected: now.value.id })
  })

  /** `layout`: the one of the judgement. */
  const discardStaged = Effect.fnUntraced(function* ({ condemned, state, verdict }: Judgement, layout: Layout.Layout) {
    const { path } = state
    if (state.distrust !== undefined || state.mount !== undefined) return
    if (condemned === undefined && verdict !== "none") return
    const stat = yield* Effect.option(disk.lstat(path))
    const now = yield* Clock.currentTimeMillis
    if (stat._tag === "None") return
    // A date in the future means that the clock was set back.
    if (Math.abs(now - stat.value.modifiedAt) < stagingGrace) return
    // A running creator holds the lock. Without locks the creator may only be suspended. Rename first: then it can
    // neither finish this directory nor have a finished one deleted.
    const mine = `${parentOf(path)}/${SentinelName.workspacePrefix}${yield* nonce}${SentinelName.stagedSuffix}`
    const removed =
      condemned === undefined ? removeUnowned(mine) : Effect.interruptible(removeCondemned(mine, condemned, layout))
    // The removal of one entry makes the date of the directory new. The next sweep would leave a half emptied one alone.
    yield* exclude(path, { test: false }).pipe(
      Effect.andThen(disk.rename(path, mine)),
      Effect.andThen(Effect.tapError(removed, () => Effect.ignore(disk.renameNew(mine, path)))),
      Effect.scoped,
      Effect.uninterruptible,
      onErrno(["ENOENT", "EBUSY", "ESTALE", "ENOTEMPTY"], () => Effect.void),
      mapStoreError("remove unfinished directory")
    )
  })

  return { open, adopt, contents, close, hasOthers, discardStaged }
}
