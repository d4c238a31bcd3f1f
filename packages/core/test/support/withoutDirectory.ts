import { Effect, Result } from "effect"
import type { SentinelFile } from "../../src/DirectoryState.ts"
import type { Sentinel } from "../../src/Sentinel.ts"
import type { World } from "./World.ts"

/** The text of a record without the directory, which the store adds to a record when it publishes it. */
export const textWithoutDirectory = (text: string): string => text.replace(/,"directory":\{.*\}(?=\}\n$)/, "")

/** A world that reads records without the directory that the store added. */
export const worldWithoutDirectories = <R>(world: World<R>): World<R> => ({
  ...world,
  tree: (path) =>
    Effect.map(world.tree(path), (tree) =>
      Object.fromEntries(Object.entries(tree).map(([at, text]) => [at, textWithoutDirectory(text)] as const))
    )
})

const withoutDirectory = (sentinel: Sentinel): Sentinel => {
  if (sentinel._tag !== "V3") return sentinel
  const { directory: _, ...record } = sentinel.record
  return { ...sentinel, record }
}

/** The sentinel in a file, without its directory. */
export const contentOf = ({ content }: SentinelFile) => Result.map(content, withoutDirectory)
