/** koffi, an optional dependency that takes as long to load as a hundred directories to be looked at. */
import type * as Koffi from "koffi"

export type Library = Pick<typeof Koffi, "errno" | "load">

/** What `make` makes of it; `undefined` where it isn't installed or can't run. */
export const withKoffi = <A>(make: (koffi: Library) => A): A | undefined => {
  try {
    const { createRequire } = process.getBuiltinModule("node:module")
    const koffi: Library = createRequire(import.meta.url)("koffi")
    return make(koffi)
  } catch {
    return undefined
  }
}
