/**
 * Loads koffi, an optional dependency, when it is first needed, because that takes some milliseconds. platform-linux and
 * platform-darwin have the same copy of this file, and a test compares the two. Each package has to look for koffi from
 * its own folder.
 */
import type { NativePart } from "@vm-sentinel/core/NativeCode"
import type * as Koffi from "koffi"
import { isMainThread } from "node:worker_threads"

/**
 * Whether layers load koffi by default. `worker.terminate()` aborts the whole process if koffi loads or declares a
 * function in that worker at this moment, which a library can't choose. A worker therefore doesn't load koffi by
 * default.
 */
export const isDefault = isMainThread

/**
 * The file that this code is in: a module of this package, or a bundle. A CommonJS bundle has no `import.meta`.
 * `undefined`: the code isn't in a file.
 */
export const here: string | undefined = typeof __filename === "string" ? __filename : import.meta.filename

export type Library = Pick<typeof Koffi, "errno" | "load">

/** koffi, or why it can't be loaded. */
export type Found =
  | { readonly koffi: Library; readonly part: typeof NativePart.cases.Loaded.Type }
  | { readonly koffi: undefined; readonly part: typeof NativePart.cases.Missing.Type }

const missing = (reason: "not-found" | "unloadable", detail: string): Found => ({
  koffi: undefined,
  part: { _tag: "Missing", reason, detail }
})

/** Text of what was thrown. */
export const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : `${cause}`)

/**
 * No bundler follows `createRequire`, so no bundle contains koffi. Node looks for koffi in the folder of this file and
 * in every folder above it.
 */
const load = (): Found => {
  if (here === undefined) return missing("not-found", "this code isn't in a file")
  const { createRequire } = process.getBuiltinModule("node:module")
  const require = createRequire(here)
  let path
  try {
    path = require.resolve("koffi")
  } catch {
    return missing("not-found", `koffi isn't installed where ${here} finds it`)
  }
  try {
    return { koffi: require("koffi"), part: { _tag: "Loaded", path } }
  } catch (cause) {
    return missing("unloadable", `${path}: ${messageOf(cause)}`)
  }
}

let found: Found | undefined

/** Loads koffi once, or returns why it can't be loaded. */
export const find = (): Found => (found ??= load())

/** Whether koffi was looked for. */
export const isLoaded = (): boolean => found !== undefined
