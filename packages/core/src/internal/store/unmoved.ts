/**
 * Removes a condemned directory at its own path. Some directories can't be renamed into a workspace: one of a lower
 * layer of overlayfs or with another project id (EXDEV), one with a long name (ENAMETOOLONG), one on a full disk. Only
 * the exclusive lock keeps owners out of such a directory. A sentinel that is renamed to `.vm-sentinel.removing` marks
 * the directory. A rename within a directory needs no space, and the record still shows that its owner is dead.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { Condemned } from "../../Condemned.ts"
import { difference, type DirectoryState, type SentinelFile, tagOf } from "../../DirectoryState.ts"
import type { Disk, DiskError, HeldLock, Stat } from "../../Disk.ts"
import { Changed, Taken } from "../../Errors.ts"
import type { Layout } from "../../Layout.ts"
import type { Claim, MayRemove } from "../../Reclaimer.ts"
import * as SentinelName from "../../SentinelName.ts"
import type { Destinations } from "./destination.ts"
import { isReplaced, mapStoreError } from "./diskErrors.ts"
import type { Lookup } from "./lookup.ts"
import { isBeingRemoved } from "./removingMark.ts"
import { hasGone, requireSame } from "./presence.ts"
import { requireNoMount } from "./unmounted.ts"
import { changedTo, changeSince } from "./changeSince.ts"
import type { Workspace } from "./workspaces.ts"
import { baseName } from "../paths.ts"

/** Errnos of a rename after which the directory has to stay where it is. */
export const immovable: ReadonlyArray<string> = ["EXDEV", "ENAMETOOLONG", "ENOSPC", "EDQUOT"]

const isMark = ({ entry }: SentinelFile): boolean => entry === SentinelName.removingName

/**
 * The sentinel that becomes the mark: one that is a mark already, otherwise the primary sentinel if it could be read,
 * otherwise another one, preferably one that could be read.
 */
const markOf = ({ sentinels }: DirectoryState, { sentinels: [primary] }: Layout): SentinelFile | undefined => {
  const read = sentinels.filter(({ content }) => Result.isSuccess(content))
  return sentinels.find(isMark) ?? read.find(({ entry }) => entry === primary) ?? read[0] ?? sentinels[0]
}

/** The state that a look must find after `mark` was renamed. */
const markedState = (state: DirectoryState, mark: SentinelFile, now: DirectoryState): DirectoryState => {
  // overlayfs copies a file of a lower layer before it renames the file. The copy has another inode.
  const copied = state.frame.fileSystem?.type === "overlay" ? now.sentinels.find(isMark) : undefined
  const renamed = { ...mark, entry: SentinelName.removingName, id: copied?.id ?? mark.id }
  const sentinels = state.sentinels.map((file) => (file === mark ? renamed : file))
  return { ...state, sentinels: sentinels.toSorted((a, b) => (a.entry < b.entry ? -1 : 1)) }
}

/**
 * The second tag of a note. A note is an empty directory in `dead/`, and its name says which directory of the root is
 * being deleted.
 */
const noteTag = "00000000"

/**
 * A tag that distinguishes a directory from a later one of the same name. The file system may give both the same inode.
 */
export const emptiedTag = ({ birth = "", id }: Pick<Stat, "birth" | "id">): string =>
  tagOf({ id, bytes: new TextEncoder().encode(birth) })

/**
 * Path of the note of a directory. A sweep that is killed between the last `unlink` and the `rmdir` leaves an empty
 * directory, which looks like a new one. The note shows the next sweep that it has to be removed. `undefined`: the
 * directory's name is too long for the name of a note.
 */
const noteOf = ({ path: workspace }: Workspace, path: string, stat: Stat): string | undefined => {
  const entry = SentinelName.markedName({ name: baseName(path), tags: [emptiedTag(stat), noteTag] })
  return SentinelName.parseMarked(entry).tags.length === 0 ? undefined : `${workspace}/dead/${entry}`
}

/** Whether a directory in `dead/` is a note. */
export const isNote = ({ tags }: SentinelName.Marked): boolean => tags.length === 2 && tags[1] === noteTag

/** Whether the directory that a note names is still there. */
export const isEmptied = (
  disk: Pick<Disk["Service"], "lstat">,
  path: string,
  { tags: [tag] }: SentinelName.Marked
): Effect.Effect<boolean> =>
  Effect.match(disk.lstat(path), {
    onFailure: () => false,
    onSuccess: (stat) => stat.type === "directory" && emptiedTag(stat) === tag
  })

export const make = (disk: Disk["Service"], lookup: Lookup, { removeTree }: Destinations) => {
  /** `state`: the directory as it was seen under `lock`, which is held exclusively and was tested. */
  return Effect.fnUntraced(function* (
    workspace: Workspace | undefined,
    state: DirectoryState,
    lock: HeldLock,
    layout: Layout
  ): Effect.fn.Return<Claim, never, Scope.Scope> {
    const { path } = state
    // `false` after `restore`, after `putMark` and after the scope has closed. The lock may then be another process's.
    let isClaimed = true
    let isMarked = false
    const letGo = Effect.sync(() => void (isClaimed = false))
    yield* Effect.addFinalizer(() => letGo)
    const changed = (problem: string) => new Changed({ path, problem })
    const mark = markOf(state, layout)

    /**
     * The directory with its mark. Fails if the directory has changed otherwise. An owner that locks nothing may have
     * come since the look under the lock.
     */
    const confirm = Effect.fnUntraced(function* (file: SentinelFile) {
      const now = yield* lookup.look(path, layout)
      const problem = difference(markedState(state, file, now), now)
      return problem === undefined ? now : yield* Effect.fail(changedTo(path, problem, now))
    })

    /**
     * Renames the mark back. EEXIST: an owner has published under the sentinel's name, and that record keeps the
     * directory.
     */
    const takeBack = (judged: string) => Effect.ignore(disk.renameNew(`${path}/${SentinelName.removingName}`, judged))

    const putMark = Effect.gen(function* () {
      if (mark === undefined) return yield* changed("there is no sentinel to mark it by")
      const judged = `${path}/${mark.entry}`
      const same = Effect.andThen(requireSame(disk, path, state.id), requireSame(disk, judged, mark.id))
      const other = () => changed("it, or its sentinel, is another")
      const gone = { ENOENT: () => new Taken({ path }), ESTALE: other, EEXIST: other }
      yield* mapStoreError<Taken | Changed>("mark", gone)(same)
      let marked = state
      if (!isMark(mark)) {
        const renamed = disk.renameNew(judged, `${path}/${SentinelName.removingName}`)
        yield* mapStoreError<Taken | Changed>("mark", gone)(renamed)
        marked = yield* confirm(mark).pipe(
          Effect.tapError(() => takeBack(judged)),
          Effect.catchTag("NotFound", () => Effect.fail(new Taken({ path })))
        )
      }
      isClaimed = false
      isMarked = true
      yield* mapStoreError("mark")(disk.syncDirectory(path))
      return marked
    })

    let note: string | undefined
    /**
     * Makes the note after the mark. To rename a sentinel to the mark, overlayfs copies a directory of a lower layer,
     * and the copy has another birth time.
     */
    const putNote = Effect.ignore(
      Effect.flatMap(disk.lstat(path), (stat) => {
        note = workspace === undefined ? undefined : noteOf(workspace, path, stat)
        return note === undefined ? Effect.void : disk.makeDirectory(note)
      })
    )
    const dropNote = Effect.suspend(() =>
      note === undefined ? Effect.void : Effect.ignore(disk.removeDirectory(note))
    )

    /** A directory that still has its mark needs no note. */
    const stopped = Effect.flatMap(
      Effect.orElseSucceed(isBeingRemoved(disk, path), () => false),
      (hasMark) => (hasMark ? dropNote : Effect.void)
    )

    const discard = (condemned: Condemned, mayRemove: MayRemove): ReturnType<Claim["discard"]> =>
      Effect.uninterruptibleMask((interruptible): ReturnType<Claim["discard"]> => {
        if (!isClaimed) return Effect.fail(new Taken({ path }))
        const problem = changeSince(condemned, state)
        if (problem !== undefined) return Effect.fail(changed(problem))
        const removed = (marked: DirectoryState) =>
          removeTree(path, { state: marked, layout, isLocked: true, mayRemove, inPlace: true })
        const gone = {
          ENOENT: () => new Taken({ path }),
          ESTALE: (error: DiskError) => (isReplaced(error, path) ? changed("it is another directory") : undefined)
        }
        return requireNoMount(disk, path).pipe(
          Effect.andThen(putMark),
          Effect.tap(putNote),
          Effect.flatMap((marked) =>
            Effect.onError(
              mapStoreError<Taken | Changed>("delete", gone)(interruptible(removed(marked))),
              () => stopped
            )
          ),
          Effect.tap(() => dropNote)
        )
      })

    const isGone = Effect.suspend(() =>
      isMarked
        ? Effect.flatMap(lock.isGone, (gone) => (gone ? Effect.succeed(true) : hasGone(disk, path)))
        : Effect.succeed(false)
    )
    return { path, origin: path, state, isLocked: true, restore: letGo, discard, isGone }
  })
}
