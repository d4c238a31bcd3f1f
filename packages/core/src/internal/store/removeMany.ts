/**
 * Removes several plain condemned directories in few calls, by the steps of `claims.ts`: look for mounts, lock, look,
 * rename (claim), look, judge again, look for mounts, rename (mark), delete. A directory with which a step doesn't
 * succeed at once leaves the group. A claimed one is renamed back. A marked one is finished alone. Each other one that
 * leaves the group is unlocked before the group deletes.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Condemned, Judgement } from "../../Condemned.ts"
import { type DirectoryState, tagOf } from "../../DirectoryState.ts"
import type { Disk, Tree } from "../../Disk.ts"
import { Changed, Taken } from "../../Errors.ts"
import type { Layout } from "../../Layout.ts"
import type { GroupOptions, Removal, Unfinished } from "../../Reclaimer.ts"
import { baseName } from "../paths.ts"
import { changedTo, changeSince } from "./changeSince.ts"
import type { Claims } from "./claims.ts"
import type { Destination, Destinations } from "./destination.ts"
import { isReplaced, mapStoreError } from "./diskErrors.ts"
import type { LookupMany } from "./lookupMany.ts"
import { hasGone, requireSame } from "./presence.ts"
import { isUnmountedBelow, requireNoMount } from "./unmounted.ts"

/** A directory of the group, with the index of its answer. */
interface Item {
  readonly index: number
  readonly entry: string
  readonly origin: string
  readonly judged: DirectoryState
  readonly condemned: Condemned
}

interface Locked extends Item {
  /** Closes the lock, so that no owner waits for it while the other directories are deleted. */
  readonly release: Effect.Effect<void>
}

interface Claimed extends Locked {
  readonly path: string
  readonly state: DirectoryState
}

interface Marked extends Claimed {
  /** The second judgement. */
  readonly judgement: Judgement
  readonly tree: Tree
}

type Failed = Extract<Removal, { readonly _tag: "Failed" }>

const failed = (error: Failed["error"]): Failed => ({ _tag: "Failed", error })

const replaced = ({ origin }: Item) => new Changed({ path: origin, problem: "it is another directory" })

export const make = (
  disk: Disk["Service"],
  lookup: LookupMany,
  { moveBack }: Claims,
  { lock, pathForMarked, treeOf }: Destinations
) => {
  const itemsOf = (root: string, judgements: ReadonlyArray<Judgement>): ReadonlyArray<Item> =>
    judgements.flatMap(({ condemned, state }, index) => {
      if (condemned === undefined) return []
      const { path: origin } = condemned
      const entry = baseName(origin)
      const isPlain = origin === `${root}/${entry}` && !entry.startsWith(".") && state.subdirectories === "none"
      return isPlain ? [{ index, entry, origin, judged: state, condemned }] : []
    })

  const unfinished = (destination: Destination, item: Marked): Unfinished => {
    const { judgement, origin } = item
    const { path, ...options } = item.tree
    const taken = () => new Taken({ path: origin })
    const rest = Effect.uninterruptibleMask((restore) =>
      Effect.andThen(
        lock(destination, path),
        restore(disk.removeTree(path, options)).pipe(
          mapStoreError<Changed | Taken>("delete", {
            ENOENT: taken,
            ESTALE: (error) => (isReplaced(error, path) ? replaced(item) : undefined)
          }),
          Effect.map((stayed) => ({ stayed }))
        )
      ).pipe(Effect.scoped)
    )
    return { _tag: "Unfinished", judgement, rest, isGone: hasGone(disk, path), isLocked: true }
  }

  /**
   * Puts a claimed directory back, unless another one has its place in the workspace, and releases its lock. Returns
   * `kept`, or why the directory isn't back. `stuck`: the answer if a mount keeps the directory from going back.
   */
  const leave = (item: Claimed, kept?: Removal, stuck?: Failed): Effect.Effect<Removal | undefined> =>
    requireSame(disk, item.path, item.state.id).pipe(
      Effect.catchIf(
        (error) => !isReplaced(error, item.path),
        () => Effect.void
      ),
      Effect.mapError(() => replaced(item)),
      Effect.andThen(moveBack(item.path, item.origin)),
      Effect.match({ onFailure: (error) => stuck ?? failed(error), onSuccess: () => kept }),
      Effect.ensuring(item.release)
    )

  /**
   * The answer for a marked directory that isn't gone. Another directory may have taken the place of the claimed one
   * right before the mark. No judgement was about that one, so it returns to `claimed`.
   */
  const remaining = (destination: Destination, item: Marked): Effect.Effect<Removal> =>
    Effect.matchEffect(requireSame(disk, item.tree.path, item.state.id), {
      onSuccess: () => Effect.succeed<Removal>(unfinished(destination, item)),
      onFailure: (error): Effect.Effect<Removal> =>
        isReplaced(error, item.tree.path)
          ? Effect.as(Effect.ignore(disk.renameNew(item.tree.path, item.path)), failed(replaced(item)))
          : Effect.succeed(unfinished(destination, item))
    })

  return Effect.fnUntraced(
    function* (
      destination: Destination,
      judgements: ReadonlyArray<Judgement>,
      layout: Layout,
      { interruptible, judge }: GroupOptions
    ): Effect.fn.Return<ReadonlyArray<Removal | undefined>, never, Scope.Scope> {
      const { root, workspace } = destination
      const answers: Array<Removal | undefined> = judgements.map(() => undefined)
      const [first, ...others] = itemsOf(root, judgements)
      if (first === undefined || workspace?.isLocked !== true || !(yield* isUnmountedBelow(disk, root))) return answers
      const folder = `${workspace.path.slice(root.length + 1)}/claimed`

      const locking = [first, ...others] as const
      const answered = yield* lookup.lock(root, locking, layout)
      const moving: Array<Locked> = []
      for (const [at, item] of locking.entries()) {
        const { release = Effect.void, state } = answered[at] ?? {}
        if (state !== undefined && changeSince(item.condemned, state) === undefined) moving.push({ ...item, release })
        else yield* release
      }
      if (!Arr.isArrayNonEmpty(moving)) return answers

      const moves = yield* lookup.move(root, folder, moving, layout)
      const claimed = new Set<Claimed>()
      for (const [at, item] of moving.entries()) {
        const { isMoved = false, state } = moves[at] ?? {}
        if (!isMoved) {
          yield* item.release
          continue
        }
        const path = `${root}/${folder}/${item.entry}`
        const problem = state && changeSince(item.condemned, state)
        if (state !== undefined && problem === undefined) {
          claimed.add({ ...item, path, state })
          continue
        }
        // A directory that couldn't be looked at again may be unchanged.
        const kept = state && problem ? failed(changedTo(item.origin, problem, state)) : undefined
        answers[item.index] = yield* Effect.match(moveBack(path, item.origin), {
          onFailure: failed,
          onSuccess: () => kept
        })
        yield* item.release
      }

      const marked: Array<Marked> = []
      const mark = Effect.fnUntraced(function* (item: Claimed, judgement: Judgement) {
        const { entry, origin, path, state } = item
        const markedPath = yield* pathForMarked(destination, { name: entry, tags: state.sentinels.map(tagOf) })
        yield* requireNoMount(disk, path, origin)
        yield* requireSame(disk, path, state.id)
        yield* disk.renameNew(path, markedPath)
        const tree = treeOf(markedPath, { state, layout, isLocked: true, mayRemove: () => false })
        marked.push({ ...item, judgement, tree })
      })
      /** The answer for a claimed directory that has to go back. `"mark"`: it is to be marked. */
      const keptOf = ({ origin, state }: Claimed, judgement: Judgement): Removal | "mark" | undefined => {
        if (judgement.condemned === undefined) return { _tag: "Kept", judgement }
        const problem = changeSince(judgement.condemned, state)
        if (problem !== undefined) return failed(changedTo(origin, problem, state))
        return state.subdirectories === "none" ? "mark" : undefined
      }
      const markAll = Effect.gen(function* () {
        for (const item of claimed) {
          const judgement = yield* interruptible(judge(item.state))
          const kept = keptOf(item, judgement)
          const problem =
            kept === "mark"
              ? yield* Effect.match(mark(item, judgement), { onFailure: (error) => error, onSuccess: () => undefined })
              : undefined
          claimed.delete(item)
          if (kept === "mark" && problem === undefined) continue
          const stuck = problem?._tag === "MountInside" ? failed(problem) : undefined
          answers[item.index] = yield* leave(item, kept === "mark" ? undefined : kept, stuck)
        }
      })
      const leaveAll = Effect.forEach(claimed, (item) => leave(item), { discard: true })
      // An interruption of a judgement puts back what is claimed. The next sweep deletes what is marked.
      yield* markAll.pipe(
        Effect.onError(() => leaveAll),
        Effect.catchCauseIf(Cause.hasInterruptsOnly, () => Effect.void)
      )

      const gone = yield* interruptible(disk.removeMany(marked.map(({ tree }) => tree))).pipe(
        Effect.catchCauseIf(Cause.hasInterruptsOnly, () =>
          Effect.forEach(marked, ({ tree }) => hasGone(disk, tree.path))
        )
      )
      for (const [at, item] of marked.entries()) {
        const { index, judgement } = item
        answers[index] = gone[at] === true ? { _tag: "Removed", judgement } : yield* remaining(destination, item)
      }
      return answers
    },
    Effect.scoped,
    Effect.uninterruptible
  )
}
