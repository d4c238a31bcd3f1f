/**
 * Finds a directory that a sweep has moved away from its path. The sweep still runs, was killed, or couldn't finish.
 */
import * as Effect from "effect/Effect"
import { StoreFailure } from "../../Errors.ts"
import type { Kind } from "../../JudgeInputs.ts"
import type { Layout } from "../../Layout.ts"
import type { Leftovers, OwnSentinel } from "../../Reclaimer.ts"
import type { Entry } from "../../Root.ts"
import type { SentinelStore } from "../../SentinelStore.ts"

/** The path at which a directory lies now, and the kind as which it is judged there. */
export interface Whereabouts {
  readonly path: string
  readonly kind: Kind
  /** The sweep's entry in the root: the directory itself, or the workspace that contains the directory. */
  readonly leftover: Entry
}

const inPlace: Kind = { _tag: "Directory" }

/** {@link find} claims nothing, so no workspace needs a sentinel. */
const noSentinel: OwnSentinel = () =>
  Effect.fail(new StoreFailure({ operation: "identify the sweep itself", path: "" }))

const placesOf = (leftover: Entry, { claimed, dead }: Leftovers, name: string): ReadonlyArray<Whereabouts> => [
  ...dead
    .filter((remains) => remains.name === name)
    .map(({ path, tags }): Whereabouts => ({ path, kind: { _tag: "Remains", tags }, leftover })),
  ...claimed.filter((claim) => claim.name === name).map(({ path }): Whereabouts => ({ path, kind: inPlace, leftover }))
]

/** `undefined`: no sweep has the directory, or the root or a sweep's workspace can't be read. */
export const find = Effect.fnUntraced(
  function* (store: SentinelStore["Service"], directory: string, layout: Layout) {
    const { entry, root } = yield* store.openDirectory(directory)
    const { leftovers } = yield* store.list(root, layout)
    const reclaimer = yield* store.reclaimer(root, { self: noSentinel, layout })
    const placesIn = (leftover: Entry) =>
      reclaimer.leftovers(leftover).pipe(
        Effect.map((found) => placesOf(leftover, found, entry.entry)),
        Effect.orElseSucceed(() => [])
      )
    const places = yield* Effect.forEach(leftovers, placesIn)
    return places.flat()[0]
  },
  Effect.orElseSucceed(() => undefined),
  Effect.scoped
)
