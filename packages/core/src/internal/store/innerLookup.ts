/** Reads the sentinels below the first level of a directory. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { DirectoryState } from "../../DirectoryState.ts"
import type { Disk, FindOptions } from "../../Disk.ts"
import { type LookError, StoreFailure } from "../../Errors.ts"
import type { Layout } from "../../Layout.ts"
import * as SentinelName from "../../SentinelName.ts"
import { parentOf } from "../paths.ts"
import { toLookError } from "./diskErrors.ts"
import { type Lookup, mostSentinels } from "./lookup.ts"

/**
 * Makes a filter that passes each directory of a depth-first walk once. Inner directories may come between two names of
 * one directory.
 */
const onceEach = (): ((directory: string) => boolean) => {
  const above: Array<string> = []
  return (directory) => {
    let last = above.at(-1)
    for (; last !== undefined && directory !== last && !directory.startsWith(`${last}/`); last = above.at(-1))
      above.pop()
    if (last === directory) return false
    above.push(directory)
    return true
  }
}

/**
 * The state of a directory in which a sentinel was found. A look at a distrusted directory ends after 10 000 names,
 * perhaps before the sentinel. The directory then counts as crowded.
 */
const withSentinel = (state: DirectoryState): DirectoryState =>
  state.distrust !== undefined && state.sentinels.length + state.foreign.length === 0
    ? { ...state, crowded: mostSentinels }
    : state

/** Makes the stream of the inner directories with a sentinel. It fails at an unreadable one, and skips a vanished one. */
export const make = (disk: Disk["Service"], { look }: Pick<Lookup, "look">) => {
  /**
   * Looks at an inner directory. `undefined`: it is gone. Fails if it is still there, but a writer made a sentinel vanish
   * during each scan.
   */
  const lookInside = (path: string, layout: Layout): Effect.Effect<DirectoryState | undefined, LookError> =>
    Effect.catchTag(look(path, layout), "NotFound", ({ operation }) =>
      Effect.matchEffect(disk.lstat(path), {
        onSuccess: ({ type }) =>
          type === "directory" ? Effect.fail(new StoreFailure({ operation, path })) : Effect.undefined,
        onFailure: (error) =>
          error.errno === "ENOENT" || error.errno === "ENOTDIR"
            ? Effect.undefined
            : Effect.fail(toLookError(operation, error))
      })
    )

  return (
    { path, subdirectories }: DirectoryState,
    layout: Layout,
    options: FindOptions
  ): Stream.Stream<DirectoryState, LookError> => {
    if (subdirectories === "none") return Stream.empty
    const isWanted = (entry: string) => ["read", "foreign"].includes(SentinelName.classify(entry, layout.sentinels))
    const directories = Stream.suspend(() => {
      const isNew = onceEach()
      return disk.find(path, isWanted, options).pipe(Stream.map(parentOf), Stream.filter(isNew))
    })
    return directories.pipe(
      Stream.mapError((error) => toLookError("look below", error)),
      Stream.mapEffect((relative) => lookInside(`${path}/${relative}`, layout)),
      Stream.filter((found) => found !== undefined),
      Stream.map(withSentinel)
    )
  }
}
