/**
 * The way out of a root: a workspace `.vm-sentinel-reap.<nonce>/` with the sweep's own sentinel, `claimed/` and
 * `dead/`. Each step is one rename, so that a sweep killed anywhere leaves a state that says how far it came.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { Condemned } from "../Condemned.ts"
import { type Disk, DiskError } from "../Disk.ts"
import { Changed, MountInside, NameTaken, type PermissionDenied, StoreFailure, Taken } from "../Errors.ts"
import { type FileId, type Holding, sameFile } from "../Holding.ts"
import type { Sentinel } from "../Sentinel.ts"
import * as SentinelName from "../SentinelName.ts"
import type { Claim, ClaimError, Entry, Leftovers, LookError, Root, Workspace } from "../SentinelStore.ts"
import { mapStoreError, onErrno } from "./diskErrors.ts"
import type { Birth } from "./birth.ts"
import type { Lookup } from "./lookup.ts"
import { nonce } from "./nonce.ts"
import type { Publication } from "./publication.ts"
import type { Interruptible } from "./underWay.ts"

/** A staged workspace younger than this may still be in the making, milliseconds. */
const stagingGrace = 60_000

/** Nothing can be written: what is to be removed must go all the same. */
export const isFull = ({ errno }: StoreFailure): boolean => errno === "ENOSPC" || errno === "EDQUOT"

/** To callers without types: what only looks like a Condemned gives no right. */
const difference = (condemned: Condemned, now: Holding): string | undefined =>
  Condemned.is(condemned) ? condemned.difference(now) : "no judgement has condemned it"

const baseName = (path: string): string => path.slice(path.lastIndexOf("/") + 1)

export const make = (disk: Disk["Service"], lookup: Lookup, publication: Publication, birth: Birth) => {
  /** What an adopted workspace was adopted by: the right to finish what lies in its `dead/`. */
  const adoptedBy = new WeakMap<Workspace, Condemned>()

  const toStore = (error: { readonly _tag: string; readonly message: string }, path: string) =>
    new StoreFailure({ operation: "make workspace", path, cause: error })

  const inscribe = (path: string, sentinel: Sentinel, replacing?: Condemned) =>
    publication.publish(path, sentinel, replacing === undefined ? {} : { replacing })

  const openWorkspace = Effect.fn("SentinelStore.openWorkspace")(function* (
    root: Root,
    sentinel: Sentinel
  ): Effect.fn.Return<Workspace, StoreFailure | PermissionDenied> {
    const path = `${root.path}/${SentinelName.workspacePrefix}${yield* nonce}`
    yield* birth
      .bear(path, () => Effect.succeed(sentinel), { subdirectories: ["claimed", "dead"] })
      .pipe(
        Effect.catchTag(["AlreadyOwned", "Claimed", "Changed", "NotFound", "MalformedSentinel"], (error) =>
          Effect.fail(toStore(error, path))
        )
      )
    return { path, root: root.path }
  }, Effect.uninterruptible)

  const adopt = Effect.fn("SentinelStore.adopt")(function* (
    root: Root,
    condemned: Condemned,
    sentinel: Sentinel
  ): Effect.fn.Return<Workspace, Taken | Changed | PermissionDenied | StoreFailure> {
    const from = `${root.path}/${baseName(condemned.path)}`
    const path = `${root.path}/${SentinelName.workspacePrefix}${yield* nonce}`
    const taken = new Taken({ path: from })
    const look = (path: string) =>
      Effect.map(
        Effect.catchTag(lookup.look(path), "NotFound", () => taken),
        (holding) => ({ holding, problem: difference(condemned, holding) })
      )
    // Taking it from whoever has adopted it since would only disturb: it had to be given back.
    const { problem: early } = yield* look(from)
    if (early !== undefined) return yield* new Changed({ path: from, problem: early })
    yield* mapStoreError("adopt workspace", { ENOENT: () => taken })(disk.rename(from, path))
    const { holding: now, problem } = yield* look(path)
    if (problem !== undefined) {
      // Its owner came to life between the judgement and the rename: another sweep, which finds it gone, or itself.
      yield* Effect.ignore(disk.renameNew(path, from))
      return yield* new Changed({ path: from, problem })
    }
    yield* inscribe(path, sentinel, now.sentinels.length === 0 ? undefined : condemned).pipe(
      Effect.catchTag(["AlreadyOwned", "Claimed", "NotFound"], () => taken),
      // A full file system has no room for our sentinel. Another sweep may take the workspace from us then.
      Effect.catchTag("StoreFailure", (error) => (isFull(error) ? Effect.void : Effect.fail(error))),
      Effect.catchTag("MalformedSentinel", (error) => Effect.fail(toStore(error, path)))
    )
    const workspace = { path, root: root.path }
    adoptedBy.set(workspace, condemned)
    return workspace
  }, Effect.uninterruptible)

  const names = (path: string) =>
    disk.entries(path).pipe(
      Effect.map((list) => list.map(({ entry }) => entry).sort()),
      onErrno(["ENOENT"], () => Effect.succeed([]))
    )

  const leftovers = (workspace: Workspace): Effect.Effect<Leftovers, PermissionDenied | StoreFailure> =>
    mapStoreError("list workspace")(
      Effect.all({ claimed: names(`${workspace.path}/claimed`), dead: names(`${workspace.path}/dead`) })
    )

  const closeWorkspace = Effect.fn("SentinelStore.closeWorkspace")(function* (workspace: Workspace) {
    const { path } = workspace
    const removeEmpty = (directory: string) =>
      disk.removeDirectory(directory).pipe(onErrno(["ENOENT"], () => Effect.void))
    const isEmpty = yield* Effect.isSuccess(Effect.andThen(removeEmpty(`${path}/claimed`), removeEmpty(`${path}/dead`)))
    // Without its sentinel a workspace is anybody's: the next sweep takes up what is in it.
    const files = yield* Effect.orElseSucceed(names(path), () => [])
    for (const entry of files) {
      const isOwn = SentinelName.isSentinel(entry) || entry.startsWith(SentinelName.temporaryPrefix)
      if (isOwn) yield* Effect.ignore(disk.unlink(`${path}/${entry}`))
    }
    if (isEmpty) yield* Effect.ignore(disk.removeDirectory(path))
  }, Effect.uninterruptible)

  const discardStaged = Effect.fnUntraced(function* ({ entry, path }: Entry) {
    const stat = yield* Effect.option(disk.lstat(path))
    const now = yield* Clock.currentTimeMillis
    if (stat._tag === "None" || now - stat.value.modifiedAt < stagingGrace) return
    // Whoever makes it may only have slept. By another name it can't be finished, nor be deleted once it is.
    const root = path.slice(0, -entry.length - 1)
    const mine = `${root}/${SentinelName.workspacePrefix}${yield* nonce}${SentinelName.stagedSuffix}`
    yield* Effect.andThen(disk.rename(path, mine), disk.removeTree(mine, stat.value.id)).pipe(
      onErrno(["ENOENT"], () => Effect.void),
      mapStoreError("remove unfinished workspace")
    )
  })

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

  const isWorkspace = (place: Workspace | Root): place is Workspace => "root" in place

  /** Where a directory goes: into the workspace, or, where there is no room for one, to another name in the root. */
  const wayOut = (place: Workspace | Root, entry: string) =>
    isWorkspace(place)
      ? Effect.succeed({ path: `${place.path}/claimed/${entry}`, grave: `${place.path}/dead/${entry}` })
      : Effect.map(nonce, (tag) => ({
          path: `${place.path}/${SentinelName.reapInPlace("claimed", tag.slice(0, 8), entry)}`,
          grave: `${place.path}/${SentinelName.reapInPlace("dead", tag.slice(0, 8), entry)}`
        }))

  const claim = Effect.fnUntraced(function* (
    place: Workspace | Root,
    condemned: Condemned,
    sentinelNames?: ReadonlyArray<string>
  ): Effect.fn.Return<Claim, ClaimError> {
    const origin = condemned.path
    const entry = baseName(origin)
    const { grave, path } = yield* wayOut(place, entry)
    const taken = () => new Taken({ path: origin })
    const root = isWorkspace(place) ? place.root : place.path
    if (origin !== `${root}/${entry}`) {
      return yield* new Changed({ path: origin, problem: `it does not lie in ${root}` })
    }
    if (SentinelName.parseReap(entry) !== undefined) {
      return yield* new Changed({ path: origin, problem: "it is a sweep's own, and may hold directories that live" })
    }
    const stat = yield* mapStoreError("claim", { ENOENT: taken })(disk.lstat(origin))
    if (stat.type !== "directory") return yield* taken()
    yield* refuseMount(origin)
    const busy = () => new MountInside({ path: origin, mount: origin })
    const claiming = disk.renameNew(origin, path)
    yield* mapStoreError<Taken | MountInside>("claim", { ENOENT: taken, EBUSY: busy })(claiming)
    const holding = yield* lookup.look(path, sentinelNames).pipe(
      Effect.tapError(() => moveBack({ origin, path })),
      Effect.catchTag("NotFound", taken)
    )
    const problem = difference(condemned, holding)
    if (problem === undefined) return { entry, path, grave, origin, holding }
    yield* moveBack({ origin, path })
    return yield* new Changed({ path: origin, problem })
  }, Effect.uninterruptible)

  const resumeClaim = Effect.fnUntraced(function* (
    place: Workspace | Root,
    entry: string,
    sentinelNames?: ReadonlyArray<string>
  ): Effect.fn.Return<Claim, LookError> {
    const reap = isWorkspace(place) ? undefined : SentinelName.parseReap(entry)
    const name = reap?.kind === "claimed" ? reap.name : entry
    const { grave, path } = yield* wayOut(place, name)
    const root = isWorkspace(place) ? place.root : place.path
    const at = isWorkspace(place) ? path : `${place.path}/${entry}`
    const holding = yield* lookup.look(at, sentinelNames)
    return { entry: name, path: at, grave, origin: `${root}/${name}`, holding }
  })

  /**
   * Interrupted when all was gone, it has removed it: unless another sweep could have taken the rest, and tells it then,
   * as it can in the root, and with a workspace.
   */
  const removeTree = (path: string, isShared: boolean, interruptible: Interruptible, expected?: FileId) => {
    const removal = interruptible(disk.removeTree(path, expected))
    if (isShared) return removal
    const isGone = disk.lstat(path).pipe(
      Effect.as(false),
      onErrno(["ENOENT"], () => Effect.as(disk.lstat(path.slice(0, path.lastIndexOf("/"))), true)),
      Effect.orElseSucceed(() => false)
    )
    return Effect.catchCauseIf(removal, Cause.hasInterruptsOnly, (cause) =>
      Effect.flatMap(isGone, (gone) => (gone ? Effect.void : Effect.failCause(cause)))
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
  const bury = (path: string, grave: string, expected: FileId, interruptible: Interruptible) => {
    const putBack = ({ errno }: DiskError) =>
      errno === "ESTALE" ? Effect.ignore(disk.renameNew(grave, path)) : Effect.void
    const isShared = SentinelName.parseReap(baseName(grave)) !== undefined
    const removed = Effect.andThen(requireSame(grave, expected), removeTree(grave, isShared, interruptible, expected))
    return requireSame(path, expected).pipe(
      Effect.andThen(disk.renameNew(path, grave)),
      Effect.andThen(Effect.tapError(removed, putBack))
    )
  }

  const discard = (
    { grave, holding, origin, path }: Claim,
    condemned: Condemned,
    restore?: Interruptible
  ): Effect.Effect<void, Changed | Taken | PermissionDenied | StoreFailure> =>
    Effect.uninterruptibleMask(
      (interruptible): Effect.Effect<void, Changed | Taken | PermissionDenied | StoreFailure> => {
        const changed = (problem: string) => new Changed({ path: origin, problem })
        const problem = difference(condemned, holding)
        if (problem !== undefined) return Effect.fail(changed(problem))
        return mapStoreError<Changed | Taken>("delete", {
          ENOENT: () => new Taken({ path: origin }),
          ESTALE: () => changed("it is another directory")
        })(bury(path, grave, holding.id, restore ?? interruptible))
      }
    )

  /** Of two sweeps that find the same remains, the rename lets one have them. */
  const takeRemains = Effect.fnUntraced(function* (root: Root, condemned: Condemned, entry: string) {
    const reap = SentinelName.parseReap(entry)
    const from = `${root.path}/${entry}`
    if (reap?.kind !== "dead" || !Condemned.is(condemned) || condemned.path !== from) {
      return yield* new Changed({ path: from, problem: "it is not what was judged" })
    }
    const { grave } = yield* wayOut(root, reap.name)
    yield* mapStoreError("delete", { ENOENT: () => new Taken({ path: from }) })(disk.renameNew(from, grave))
    return grave
  })

  const finishWith = Effect.fnUntraced(function* (
    place: Workspace | Root,
    condemned: Condemned,
    entry: string,
    interruptible: Interruptible
  ): Effect.fn.Return<void, Changed | Taken | PermissionDenied | StoreFailure> {
    if (isWorkspace(place) && (adoptedBy.get(place) !== condemned || entry.includes("/"))) {
      const path = `${place.path}/dead/${entry}`
      return yield* new Changed({ path, problem: "its workspace was not adopted by this judgement" })
    }
    const path = isWorkspace(place) ? `${place.path}/dead/${entry}` : yield* takeRemains(place, condemned, entry)
    const mount = yield* mountInside(path)
    if (mount !== undefined) return yield* new StoreFailure({ operation: "delete", path: mount, errno: "EBUSY" })
    yield* removeTree(path, !isWorkspace(place), interruptible).pipe(
      mapStoreError("delete", { ENOENT: () => new Taken({ path }) }),
      // Somebody put a file or a link in the place of what was to be deleted, and has that now.
      Effect.tapErrorTag("StoreFailure", ({ errno }) =>
        errno === "ENOTDIR" || errno === "ELOOP"
          ? Effect.andThen(Effect.ignore(disk.unlink(path)), new Taken({ path }))
          : Effect.void
      )
    )
  })

  const finish = Effect.fn("SentinelStore.finish")(
    (place: Workspace | Root, condemned: Condemned, entry: string, restore?: Interruptible) =>
      Effect.uninterruptibleMask((interruptible) => finishWith(place, condemned, entry, restore ?? interruptible))
  )

  return {
    openWorkspace,
    adopt,
    leftovers,
    closeWorkspace,
    discardStaged,
    claim,
    resumeClaim,
    restore,
    discard,
    finish
  }
}
