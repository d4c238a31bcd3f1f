import { Effect, Result } from "effect"
import type { SentinelFile } from "../../src/DirectoryState.ts"
import type { Sentinel } from "../../src/Sentinel.ts"
import type { World } from "./World.ts"

/** A record as it was before the store said in it where it was made. */
export const undirected = (text: string): string => text.replace(/,"directory":\{.*\}(?=\}\n$)/, "")

/** A world whose records are read as they were before the store said in them where they were made. */
export const undirectedIn = <R>(world: World<R>): World<R> => ({
  ...world,
  tree: (path) =>
    Effect.map(world.tree(path), (tree) =>
      Object.fromEntries(Object.entries(tree).map(([at, text]) => [at, undirected(text)] as const))
    )
})

const withoutDirectory = (sentinel: Sentinel): Sentinel => {
  if (sentinel._tag !== "V3") return sentinel
  const { directory: _, ...record } = sentinel.record
  return { ...sentinel, record }
}

/** What a file holds, but for where it was made. */
export const contentOf = ({ content }: SentinelFile) => Result.map(content, withoutDirectory)
