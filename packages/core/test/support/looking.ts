import { Effect } from "effect"
import * as Layout from "../../src/Layout.ts"
import type { SentinelStore } from "../../src/SentinelStore.ts"

type Looking = Pick<SentinelStore["Service"], "look">

export const look = (store: Looking, path: string, names?: ReadonlyArray<string>) =>
  store.look(path, Layout.ofNames(names))

/** The sentinels of a directory. Fails with the error of the first one that can't be read. */
export const read = (store: Looking, path: string, names?: ReadonlyArray<string>) =>
  Effect.flatMap(look(store, path, names), ({ sentinels }) =>
    Effect.forEach(sentinels, ({ content }) => Effect.fromResult(content))
  )
