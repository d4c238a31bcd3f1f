/**
 * Removes a directory and all below it by descriptors, on any platform that has the {@link DirectoryCalls} for it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { DirectoryCalls } from "./DirectoryCalls.ts"
import { DiskError, type RemoveTreeOptions } from "./DiskModel.ts"
import { failed } from "./Errno.ts"
import * as Opening from "./internal/removalOpening.ts"
import * as Removing from "./internal/removing.ts"
import * as Slices from "./Slices.ts"

/**
 * A tree that is to be removed. `path` is absolute.
 *
 * @category models
 * @since 0.1.0
 */
export interface Task extends RemoveTreeOptions {
  readonly path: string
}

/**
 * The result of a removal.
 *
 * @category models
 * @since 0.1.0
 */
export interface Removed {
  /** The first failure. */
  readonly failure: DiskError | undefined
  /** Subtrees that stayed as they were, relative to the top, sorted. */
  readonly stayed: ReadonlyArray<string>
}

/**
 * The directory that a tree lies in, and the tree's name there. `undefined`: the path doesn't end in a name.
 *
 * @category getters
 * @since 0.1.0
 */
export const placeOf: (path: string) => { readonly parent: string; readonly name: string } | undefined = Opening.placeOf

/**
 * Removes a tree in slices: the generator yields when a slice is used up, and goes on when it is asked again. Everything it
 * opened is closed when it ends or is ended.
 *
 * **Details**
 *
 * - A symbolic link leads nowhere: each directory is opened, without following one, from the descriptor of the directory it
 *   was found in, and each name is removed relative to that.
 * - Nothing is touched when the directory isn't the `expected` one (ESTALE), or is a mount point (EXDEV). A mount further
 *   below isn't entered.
 * - The lock of an inner directory is taken, and all its names are looked through, before anything in it is removed. A
 *   directory whose lock is held, or that has a sentinel which `mayRemove` refuses, stays as it is. All it lies in stays too,
 *   with the sentinels there.
 * - The sentinels of a directory go when all else in it is gone.
 * - A directory that isn't empty at its end is read again as long as something was removed from it, 64 times at most.
 * - What can't be removed is passed over. The first failure is told at the end.
 *
 * @category running
 * @since 0.1.0
 */
export function* removal<Name>(
  calls: DirectoryCalls<Name>,
  { path, ...options }: Task,
  isSliceUsedUp: () => boolean = Slices.make()
): Generator<void, Removed> {
  const place = placeOf(path)
  if (place === undefined) return { failure: new DiskError({ errno: "EBUSY", operation: "delete", path }), stayed: [] }
  let removing: Removing.Removing | undefined
  try {
    removing = Removing.begin(calls, path, place, options)
    while (removing.step()) if (isSliceUsedUp()) yield
    return { failure: removing.failure(), stayed: removing.stayed() }
  } catch (cause) {
    return {
      failure: removing?.failure() ?? failed("delete", path, cause),
      stayed: removing?.stayed() ?? []
    }
  } finally {
    removing?.close()
  }
}

/**
 * `removeTree` of a {@link Disk}: {@link removal}, with the event loop's turn between two slices. Interruptible there.
 *
 * @category running
 * @since 0.1.0
 */
export const removeTree = <Name>(
  calls: DirectoryCalls<Name>,
  path: string,
  options: RemoveTreeOptions = {}
): Effect.Effect<ReadonlyArray<string>, DiskError> =>
  Effect.flatMap(
    Slices.run(
      () => removal(calls, { ...options, path }),
      (cause) => failed("delete", path, cause)
    ),
    ({ failure, stayed }) => (failure === undefined ? Effect.succeed(stayed) : Effect.fail(failure))
  )
