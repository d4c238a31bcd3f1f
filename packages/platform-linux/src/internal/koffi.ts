/** koffi, an optional dependency. It takes long to load, so nothing loads it before it is needed. */
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
