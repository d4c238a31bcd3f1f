/** koffi is an optional dependency that takes long to load: nothing loads it before it is needed. */
import type * as Koffi from "koffi"
import { isMainThread } from "node:worker_threads"

/**
 * Whether layers load koffi by default. `worker.terminate()` aborts the whole process when it comes while koffi loads or
 * declares a function in that worker, and a library can't choose the moment. A worker therefore does without, unless it
 * asks for koffi.
 */
export const isDefault = isMainThread

export type Library = Pick<typeof Koffi, "errno" | "load">

/** The result of `make`. `undefined`: koffi isn't installed or can't run. */
export const withKoffi = <A>(make: (koffi: Library) => A): A | undefined => {
  try {
    const { createRequire } = process.getBuiltinModule("node:module")
    const koffi: Library = createRequire(import.meta.url)("koffi")
    return make(koffi)
  } catch {
    return undefined
  }
}
