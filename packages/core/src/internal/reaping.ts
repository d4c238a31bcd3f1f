/**
 * The way out of a root: a workspace `.vm-sentinel-reap.<nonce>/` with the sweep's own sentinel, `claimed/` and
 * `dead/`. Each step is one rename, so that a sweep killed anywhere leaves a state that says how far it came. The lock of a
 * directory is held exclusively from before the first rename to the last `rmdir`: no owner comes in between.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Condemned } from "../Condemned.ts"
import { type Disk, DiskError, type RemoveTreeOptions } from "../Disk.ts"
import { Changed, LockBusy, MountInside, NameTaken, type PermissionDenied, StoreFailure, Taken } from "../Errors.ts"
import { type FileId, sameFile, tagOf } from "../Holding.ts"
import * as SentinelName from "../SentinelName.ts"
import type {
  Claim,
  ClaimError,
  Discarded,
  MayRemove,
  Remains,
  ResumeError,
  Root,
  Workspace
} from "../SentinelStore.ts"
import { mapStoreError, onErrno } from "./diskErrors.ts"
import type { Locking } from "./locking.ts"
import type { Lookup } from "./lookup.ts"
import { nonce } from "./nonce.ts"
import type { Interruptible } from "./underWay.ts"
import { baseName, difference } from "./workspaces.ts"

const isWorkspace = (place: Workspace | Root): place is Workspace => "root" in place

const rootOf = (place: Workspace | Root): string => (isWorkspace(place) ? place.root : place.path)

export const make = (disk: Disk["Service"], lookup: Lookup, exclude: Locking["exclude"]) => {
  const moveBack = ({ origin, path }: Pick<Claim, "origin" | "path">) =>
    Effect.suspend(() => {
      const taken = () => new NameTaken({ path: origin, kept: path })
      // Another sweep that found it claimed has taken it up, or put it back already.
      const back = disk.renameNew(path, origin).pipe(onErrno(["ENOENT"], () => Effect.void))
      return mapStoreError("put back", { EEXIST: taken, ENOTEMPTY: taken, ENOTDIR: taken })(back)
    })

  const restore = (claim: Claim) => Effect.uninterruptible(moveBack(claim))

  const mountInside = (path: string) =>
    mapStoreError("look for mounts", { ENOENT: () => new Taken({ path }) })(disk.mountInside(path))

  const refuseMount = (path: string) =>
    Effect.flatMap(mountInside(path), (mount) =>
      mount === undefined ? Effect.void : Effect.fail(new MountInside({ path, mount }))
    )

  /** Where a claimed directory goes: into the workspace, or, where there is no room for one, to another name in the root. */
  const claimedPath = (place: Workspace | Root, entry: string) =>
    isWorkspace(place)
      ? Effect.succeed(`${place.path}/claimed/${entry}`)
      : Effect.map(nonce, (tag) => `${place.path}/${SentinelName.reapInPlace("claimed", tag.slice(0, 8), entry)}`)

  /** Where it goes to be deleted. */
  const markedPath = (place: Workspace | Root, marked: SentinelName.Marked) =>
    isWorkspace(place)
      ? Effect.succeed(`${place.path}/dead/${SentinelName.markedName(marked)}`)
      : Effect.map(nonce, (tag) => {
          const tags = `${tag.slice(0, 8)}${marked.tags.join("")}`
          return `${place.path}/${SentinelName.reapInPlace("dead", tags, marked.name)}`
        })

  /** Excludes owners and other sweeps. `false`: there is no way to lock here. */
  const lockOut = (
    place: Workspace | Root,
    path: string,
    byCommand: boolean
  ): Effect.Effect<
    { readonly id: FileId | undefined; readonly isLocked: boolean },
    DiskError | "busy",
    Scope.Scope
  > => {
    const test = !isWorkspace(place)
    return exclude(path, { byCommand, test }).pipe(
      Effect.map((held) => ({
        id: held?.id,
        isLocked: held !== undefined && (isWorkspace(place) ? place.isLocked : held.tested)
      })),
      Effect.catchIf(
        ({ errno }) => errno === "EBUSY",
        () => Effect.fail("busy" as const)
      )
    )
  }

  /** A sweep holds a lock exclusively, owners share it. */
  const whoIsBusy = (path: string) =>
    Effect.flatMap(disk.probeLock(path, { byCommand: true }), (state) =>
      Effect.fail(state === "exclusive" || state === "free" ? new Taken({ path }) : new LockBusy({ path }))
    )

  const lockFor = (place: Workspace | Root, path: string, byCommand: boolean) =>
    lockOut(place, path, byCommand).pipe(
      Effect.catch((error): Effect.Effect<never, Taken | LockBusy | PermissionDenied | StoreFailure> =>
        error === "busy"
          ? whoIsBusy(path)
          : mapStoreError("lock", { ENOENT: () => new Taken({ path }) })(Effect.fail(error))
      )
    )

  const claim = Effect.fnUntraced(function* (
    place: Workspace | Root,
    condemned: Condemned,
    sentinelNames?: ReadonlyArray<string>
  ): Effect.fn.Return<Claim, ClaimError, Scope.Scope> {
    const origin = condemned.path
    const entry = baseName(origin)
    const path = yield* claimedPath(place, entry)
    const taken = () => new Taken({ path: origin })
    const root = rootOf(place)
    if (origin !== `${root}/${entry}`) {
      return yield* new Changed({ path: origin, problem: `it does not lie in ${root}` })
    }
    if (SentinelName.parseReap(entry) !== undefined) {
      return yield* new Changed({ path: origin, problem: "it is a sweep's own, and may hold directories that live" })
    }
    const stat = yield* mapStoreError("claim", { ENOENT: taken })(disk.lstat(origin))
    if (stat.type !== "directory") return yield* taken()
    yield* refuseMount(origin)
    const { id, isLocked } = yield* lockFor(place, origin, Condemned.is(condemned) && condemned.claimsLock)
    if (isLocked) {
      // An owner that came after the judgement and has let go of the lock since: nothing is moved from under it.
      const now = yield* Effect.catchTag(lookup.look(origin, sentinelNames), "NotFound", taken)
      const change = difference(condemned, now)
      if (change !== undefined) return yield* new Changed({ path: origin, problem: change })
    }
    const busy = () => new MountInside({ path: origin, mount: origin })
    const claiming = disk.renameNew(origin, path)
    yield* mapStoreError<Taken | MountInside>("claim", { ENOENT: taken, EBUSY: busy })(claiming)
    const holding = yield* lookup.look(path, sentinelNames).pipe(
      Effect.tapError(() => moveBack({ origin, path })),
      Effect.catchTag("NotFound", taken)
    )
    const problem =
      id === undefined || sameFile(id, holding.id) ? difference(condemned, holding) : "it is another directory"
    if (problem === undefined) return yield* claimOf(place, { entry, path, origin, holding, isLocked })
    yield* moveBack({ origin, path })
    return yield* new Changed({ path: origin, problem })
  }, Effect.uninterruptible)

  const claimOf = (place: Workspace | Root, claim: Omit<Claim, "grave">) =>
    Effect.map(markedPath(place, { name: claim.entry, tags: claim.holding.sentinels.map(tagOf) }), (grave): Claim => ({
      ...claim,
      grave
    }))

  const lookAgain = (path: string, names: ReadonlyArray<string> | undefined) =>
    Effect.catchTag(lookup.look(path, names), "NotFound", () => Effect.fail(new Taken({ path })))

  const resumeClaim = Effect.fnUntraced(function* (
    place: Workspace | Root,
    entry: string,
    sentinelNames?: ReadonlyArray<string>
  ): Effect.fn.Return<Claim, ResumeError, Scope.Scope> {
    const reap = isWorkspace(place) ? undefined : SentinelName.parseReap(entry)
    const name = reap?.kind === "claimed" ? reap.name : entry
    const path = isWorkspace(place) ? `${place.path}/claimed/${name}` : `${place.path}/${entry}`
    const { isLocked } = yield* lockFor(place, path, true)
    const holding = yield* lookAgain(path, sentinelNames)
    return yield* claimOf(place, { entry: name, path, origin: `${rootOf(place)}/${name}`, holding, isLocked })
  }, Effect.uninterruptible)

  /**
   * Interrupted when all was gone, it has removed it: unless another sweep could have taken the rest, and tells it then,
   * as it can in the root, and with a workspace.
   */
  const removeTree = (
    path: string,
    isShared: boolean,
    interruptible: Interruptible,
    options: RemoveTreeOptions
  ): Effect.Effect<Discarded, DiskError> => {
    const removal = Effect.map(interruptible(disk.removeTree(path, options)), (stayed): Discarded => ({ stayed }))
    if (isShared) return removal
    const isGone = disk.lstat(path).pipe(
      Effect.as(false),
      onErrno(["ENOENT"], () => Effect.as(disk.lstat(path.slice(0, path.lastIndexOf("/"))), true)),
      Effect.orElseSucceed(() => false)
    )
    return Effect.catchCauseIf(removal, Cause.hasInterruptsOnly, (cause) =>
      Effect.flatMap(isGone, (gone): Effect.Effect<Discarded, DiskError> =>
        gone ? Effect.succeed({ stayed: [] }) : Effect.failCause(cause)
      )
    )
  }

  const requireSame = (path: string, expected: FileId) =>
    Effect.flatMap(disk.lstat(path), ({ id }) =>
      sameFile(id, expected) ? Effect.void : Effect.fail(new DiskError({ errno: "ESTALE", operation: "mark", path }))
    )

  /**
   * The intent first: from the rename on, whoever finds it finishes. So what took its place at the last moment goes back,
   * and nothing comes between before that is known.
   */
  const markAndDelete = (
    path: string,
    grave: string,
    expected: FileId,
    interruptible: Interruptible,
    options: RemoveTreeOptions
  ) => {
    const putBack = ({ errno }: DiskError) =>
      errno === "ESTALE" ? Effect.ignore(disk.renameNew(grave, path)) : Effect.void
    const isShared = SentinelName.parseReap(baseName(grave)) !== undefined
    const removed = Effect.andThen(
      requireSame(grave, expected),
      removeTree(grave, isShared, interruptible, { ...options, expected })
    )
    return requireSame(path, expected).pipe(
      Effect.andThen(disk.renameNew(path, grave)),
      Effect.andThen(Effect.tapError(removed, putBack))
    )
  }

  const discard = (
    { grave, holding, isLocked, origin, path }: Claim,
    condemned: Condemned,
    mayRemove: MayRemove,
    restore?: Interruptible
  ): Effect.Effect<Discarded, Changed | Taken | PermissionDenied | StoreFailure> =>
    Effect.uninterruptibleMask(
      (interruptible): Effect.Effect<Discarded, Changed | Taken | PermissionDenied | StoreFailure> => {
        const changed = (problem: string) => new Changed({ path: origin, problem })
        const problem = difference(condemned, holding)
        if (problem !== undefined) return Effect.fail(changed(problem))
        const options = { mayRemove, lockInner: isLocked }
        return mapStoreError<Changed | Taken>("delete", {
          ENOENT: () => new Taken({ path: origin }),
          ESTALE: () => changed("it is another directory")
        })(markAndDelete(path, grave, holding.id, restore ?? interruptible, options))
      }
    )

  const resumeDead = Effect.fnUntraced(function* (
    place: Workspace | Root,
    entry: string,
    sentinelNames?: ReadonlyArray<string>
  ): Effect.fn.Return<Remains, ResumeError, Scope.Scope> {
    const { name, tags } = markedOf(place, entry)
    const path = isWorkspace(place) ? `${place.path}/dead/${entry}` : `${place.path}/${entry}`
    const { isLocked } = yield* lockFor(place, path, true)
    return { name, tags, path, holding: yield* lookAgain(path, sentinelNames), isLocked }
  }, Effect.uninterruptible)

  /** Of two sweeps that find the same remains, the rename lets one have them where there are no locks. */
  const takeRemains = (root: Root, { name, path, tags }: Remains) =>
    Effect.flatMap(markedPath(root, { name, tags }), (grave) =>
      Effect.as(mapStoreError("delete", { ENOENT: () => new Taken({ path }) })(disk.renameNew(path, grave)), grave)
    )

  const finishWith = Effect.fnUntraced(function* (
    place: Workspace | Root,
    remains: Remains,
    condemned: Condemned,
    mayRemove: MayRemove,
    interruptible: Interruptible
  ): Effect.fn.Return<Discarded, Changed | Taken | PermissionDenied | StoreFailure> {
    const { holding, isLocked } = remains
    const problem =
      Condemned.is(condemned) && condemned.path !== remains.path
        ? "it is not what was judged"
        : difference(condemned, holding)
    if (problem !== undefined) return yield* new Changed({ path: remains.path, problem })
    const path = isWorkspace(place) ? remains.path : yield* takeRemains(place, remains)
    const mount = yield* mountInside(path)
    if (mount !== undefined) return yield* new StoreFailure({ operation: "delete", path: mount, errno: "EBUSY" })
    const options = { expected: holding.id, mayRemove, lockInner: isLocked }
    return yield* removeTree(path, !isWorkspace(place), interruptible, options).pipe(
      mapStoreError("delete", { ENOENT: () => new Taken({ path }), ESTALE: () => new Taken({ path }) }),
      // Somebody put a file or a link in the place of what was to be deleted, and has that now.
      Effect.tapErrorTag("StoreFailure", ({ errno }) =>
        errno === "ENOTDIR" || errno === "ELOOP"
          ? Effect.andThen(Effect.ignore(disk.unlink(path)), new Taken({ path }))
          : Effect.void
      )
    )
  })

  const finish = Effect.fn("SentinelStore.finish")(
    (place: Workspace | Root, remains: Remains, condemned: Condemned, mayRemove: MayRemove, restore?: Interruptible) =>
      Effect.uninterruptibleMask((interruptible) =>
        finishWith(place, remains, condemned, mayRemove, restore ?? interruptible)
      )
  )

  return { claim, resumeClaim, restore, discard, resumeDead, finish }
}

const markedOf = (place: Workspace | Root, entry: string): SentinelName.Marked => {
  if (isWorkspace(place)) return SentinelName.parseMarked(entry)
  const reap = SentinelName.parseReap(entry)
  return reap?.kind === "dead" ? reap : { name: entry, tags: [] }
}
