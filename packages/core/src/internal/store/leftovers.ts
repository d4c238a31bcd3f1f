/** Opens what a killed sweep left: a directory that it had claimed, or one that it had begun to delete. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Claim, Discarded, MayRemove, Removable } from "../../Reclaimer.ts"
import { Condemned } from "../../Condemned.ts"
import type { Disk } from "../../Disk.ts"
import { Changed, type ResumeError, Taken } from "../../Errors.ts"
import type { Layout } from "../../Layout.ts"
import type * as SentinelName from "../../SentinelName.ts"
import type { Claims } from "./claims.ts"
import type { Destination, Destinations, DiscardError } from "./destination.ts"
import { isReplaced, mapStoreError } from "./diskErrors.ts"
import type { Lookup } from "./lookup.ts"
import { requireNoMount, requireNoMountPoint } from "./unmounted.ts"
import * as Unmoved from "./unmoved.ts"
import { changeSince } from "./changeSince.ts"

export type Leftovers = ReturnType<typeof make>

export const make = (disk: Disk["Service"], lookup: Lookup, destinations: Destinations, claims: Claims) => {
  const { isGone, lock, pathForMarked, removeTree } = destinations

  /** Locks what a killed sweep left, and reads it. Touches no mounted file system. */
  const openLeftover = Effect.fnUntraced(function* (
    destination: Destination,
    path: string,
    layout: Layout
  ): Effect.fn.Return<Pick<Removable, "isLocked" | "state">, ResumeError, Scope.Scope> {
    yield* requireNoMountPoint(disk, path)
    const { isLocked } = yield* lock(destination, path)
    const looked = lookup.inspect(path, layout)
    const state = yield* Effect.catchTag(looked, "NotFound", () => Effect.fail(new Taken({ path })))
    return { isLocked, state }
  })

  /** Resumes a claim that a killed sweep left at `path`. */
  const resume = (destination: Destination, path: string, name: string, layout: Layout) =>
    Effect.uninterruptible(
      Effect.gen(function* (): Effect.fn.Return<Claim, ResumeError, Scope.Scope> {
        const { isLocked, state } = yield* openLeftover(destination, path, layout)
        return yield* claims.claimOf(
          destination,
          { path, origin: `${destination.root}/${name}`, state, isLocked },
          layout
        )
      })
    )

  /** Unlinks a file or symbolic link that another process has put in place of the directory. */
  const unlinkSwapped = (path: string) => Effect.andThen(Effect.ignore(disk.unlink(path)), new Taken({ path }))

  /**
   * Removes the empty directory that a note names, under its lock: an owner that came after the kill may hold the lock
   * of a directory that it hasn't written into yet. `false`: the noted directory is gone, or its `rmdir` failed.
   * `Taken`: the directory is a mount point, or can't be locked.
   */
  const isEmptiedRemoved = Effect.fnUntraced(
    function* (path: string, destination: Destination, marked: SentinelName.Marked) {
      const isEmptied = Unmoved.isEmptied(disk, path, marked)
      yield* requireNoMountPoint(disk, path)
      if (!(yield* isEmptied)) return false
      yield* lock(destination, path)
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
          interruptible: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>,
          condemned: Condemned,
          mayRemove: MayRemove
        ): Effect.fn.Return<Discarded, DiscardError> {
          const isOther = Condemned.is(condemned) && condemned.path !== path
          const problem = isOther ? "it is not what was judged" : changeSince(condemned, state)
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
          const discarded = yield* interruptible(removeTree(markedPath, { state, layout, isLocked, mayRemove })).pipe(
            mapStoreError("delete", {
              ENOENT: taken,
              ESTALE: (error) => (isReplaced(error, markedPath) ? taken() : undefined)
            }),
            Effect.tapErrorTag("StoreFailure", ({ errno, path }) =>
              path === markedPath && (errno === "ENOTDIR" || errno === "ELOOP")
                ? unlinkSwapped(markedPath)
                : Effect.void
            )
          )
          return isLeft ? yield* new Taken({ path: noted }) : discarded
        })
        return {
          path,
          state,
          isLocked,
          discard: (condemned, mayRemove) =>
            Effect.uninterruptibleMask((interruptible) => finish(interruptible, condemned, mayRemove)),
          isGone: isGone(destination, isLocked, () => markedAt)
        }
      })
    )

  return { resume, resumeDead }
}
