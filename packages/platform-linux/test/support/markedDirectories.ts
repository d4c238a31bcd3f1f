import * as SentinelName from "@vm-sentinel/core/SentinelName"
import * as Tree from "./tree.ts"

/**
 * Finds the marked directory whose original name is `name`. `path` is relative to `workspace`. `tags` counts the tags
 * in its present name.
 */
export const of = (workspace: string, name: string): { readonly path: string; readonly tags: number } => {
  const entry = Tree.entries(`${workspace}/dead`).find((entry) => SentinelName.parseMarked(entry).name === name)
  if (entry === undefined) throw new Error(`the deletion of ${name} wasn't begun`)
  return { path: `dead/${entry}`, tags: SentinelName.parseMarked(entry).tags.length }
}
