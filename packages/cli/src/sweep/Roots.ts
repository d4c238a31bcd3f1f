/**
 * The roots of one command.
 *
 * @since 0.1.0
 */
import * as Layout from "@vm-sentinel/core/Layout"
import { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Output from "../Output.ts"
import * as Text from "../text/Text.ts"

const realPath = (root: string) =>
  Effect.option(SentinelStore.use((store) => Effect.map(store.openRoot(root), ({ path }) => path)))

/**
 * Leaves out each root that is the same directory as an earlier one, and prints a note about it. A root that can't be
 * opened stays in the list, and its sweep reports the reason.
 *
 * @category converting
 * @since 0.1.0
 */
export const distinct: (
  roots: ReadonlyArray<string>
) => Effect.Effect<ReadonlyArray<string>, never, SentinelStore | Stdio.Stdio> = Effect.fnUntraced(function* (roots) {
  if (roots.length === 1) return roots
  const seen = new Map<string, string>()
  const kept: Array<string> = []
  for (const root of roots) {
    const path = Option.getOrUndefined(yield* realPath(root))
    const first = path === undefined ? undefined : seen.get(path)
    if (first !== undefined) {
      yield* Output.note(
        `vm-sentinel: ${Text.escape(root)}: the same directory as ${Text.escape(first)}, and taken once\n`
      )
      continue
    }
    if (path !== undefined) seen.set(path, root)
    kept.push(root)
  }
  return kept
})

/**
 * Counts the directories of a root without looking into them. `undefined`: it can't be listed.
 *
 * @category counting
 * @since 0.1.0
 */
export const count = (root: string): Effect.Effect<number | undefined, never, SentinelStore> =>
  SentinelStore.use((store) =>
    store.openRoot(root).pipe(
      Effect.flatMap((opened) => store.list(opened, Layout.standard)),
      Effect.flatMap(({ directories }) => Stream.runCount(directories)),
      Effect.orElseSucceed(() => undefined)
    )
  )
