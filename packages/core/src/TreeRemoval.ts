/**
 * Removes a directory and all below it by descriptors, on every platform that has `DirectoryCalls`.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { DirectoryCalls } from "./DirectoryCalls.ts"
import { DiskError, type RemoveTreeOptions, type Tree } from "./DiskModel.ts"
import { failed } from "./Errno.ts"
import * as Patience from "./internal/removal/patience.ts"
import * as Opening from "./internal/removal/opening.ts"
import * as Removing from "./internal/removal/removing.ts"
import * as Slices from "./Slices.ts"

/**
 * Default of `patience`: how long a removal goes on while its tree doesn't get smaller.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultPatience: Duration.Duration = Patience.standard

/**
 * The result of a removal.
 *
 * @category models
 * @since 0.1.0
 */
export interface Removed {
  /** The first failure. `undefined`: nothing failed. */
  readonly failure: DiskError | undefined
  /**
   * Subtrees that were left because their lock is held or `mayRemove` refused a sentinel. Relative to the top, sorted.
   * `.`: the top, because it has a sentinel that isn't one of `judged`.
   */
  readonly stayed: ReadonlyArray<string>
}

/**
 * The parent directory of a tree, and the tree's name in it. `undefined`: the path has no slash, or ends in a slash,
 * `.` or `..`.
 *
 * @category getters
 * @since 0.1.0
 */
export const placeOf: (path: string) => { readonly parent: string; readonly name: string } | undefined = Opening.placeOf

/**
 * Removes a tree in slices. The generator yields when a slice is used up. The generator closes all its descriptors when
 * it ends, even if `return()` ends it early.
 *
 * **Details**
 *
 * - No symbolic link is followed. Each directory is opened relative to the descriptor of its parent, and each name is
 *   removed relative to the descriptor of its directory.
 * - Nothing is removed if the top isn't the `expected` directory (ESTALE) or is a mount point (EXDEV). A mount below
 *   the top isn't entered.
 * - An inner directory is locked, and all its names are read, before anything in it is removed. An inner directory
 *   whose lock is held, or that has a sentinel which `mayRemove` refuses, is left unchanged. Its parents up to the top
 *   are left with their sentinels.
 * - The sentinels of a directory are removed last, when all else in it is gone.
 * - If the top has a sentinel that isn't one of `judged`, the removal ends. All that is left stays. With `inPlace`,
 *   nothing that came after the sentinels of a directory were unlinked is removed (ENOTEMPTY).
 * - A directory that isn't empty after it was read to its end is read again while each pass removes something. The
 *   removal gives the directory up (ENOTEMPTY) if the tree hasn't got smaller for the time of `patience`, because
 *   another process keeps writing into it.
 * - The removal makes a directory of the calling user writable if its mode refuses a removal. On Darwin it also clears
 *   the flags `uchg` and `uappnd` of the user's directories and files.
 * - A failure doesn't end the removal. The rest is still removed. The first failure is reported at the end.
 *
 * @category running
 * @since 0.1.0
 */
export function* removal<Name>(
  calls: DirectoryCalls<Name>,
  { path, ...options }: Tree,
  isSliceUsedUp: Slices.IsUsedUp,
  now: () => number
): Generator<void, Removed> {
  const place = placeOf(path)
  if (place === undefined) return { failure: new DiskError({ errno: "EBUSY", operation: "delete", path }), stayed: [] }
  let removing: Removing.Removing | undefined
  try {
    removing = Removing.begin(calls, path, place, options, now)
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
 * Implements `removeTree` of a `Disk`. Runs {@link removal}, and yields to the event loop between two slices.
 * Interruptible between two slices.
 *
 * @category running
 * @since 0.1.0
 */
export const removeTree = <Name>(
  calls: DirectoryCalls<Name>,
  path: string,
  options: RemoveTreeOptions = {}
): Effect.Effect<ReadonlyArray<string>, DiskError> =>
  Effect.clockWith((clock) =>
    Effect.flatMap(
      Slices.run(
        (isSliceUsedUp) => removal(calls, { ...options, path }, isSliceUsedUp, () => clock.currentTimeMillisUnsafe()),
        (cause) => failed("delete", path, cause)
      ),
      ({ failure, stayed }) => (failure === undefined ? Effect.succeed(stayed) : Effect.fail(failure))
    )
  )
