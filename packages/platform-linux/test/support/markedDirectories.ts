import * as SentinelName from "@vm-sentinel/core/SentinelName"
import * as Tree from "./tree.ts"

/** Finds the marked directory of `name`: its `path` below `workspace`, and the number of `tags` in its present name. */
export const of = (workspace: string, name: string): { readonly path: string; readonly tags: number } => {
  const entry = Tree.entries(`${workspace}/dead`).find((entry) => SentinelName.parseMarked(entry).name === name)
  if (entry === undefined) throw new Error(`the deletion of ${name} wasn't begun`)
  return { path: `dead/${entry}`, tags: SentinelName.parseMarked(entry).tags.length }
}
