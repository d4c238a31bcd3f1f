/** koffi is an optional dependency. Nothing loads it before a Layer or `DarwinNativeCode.report` needs it. */
import type { NativePart } from "@vm-sentinel/core/NativeCode"
import type * as Koffi from "koffi"

/** The file that this code is in: a module of this package, or a bundle. A CommonJS bundle has no `import.meta`. */
const here: string | undefined = typeof __filename === "string" ? __filename : import.meta.filename

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

/** Loads koffi once. */
export const find = (): Found => (found ??= load())

/** Returns koffi. Throws an error with the reason if koffi is missing. */
export const required = (): Library => {
  const { koffi, part } = find()
  if (koffi === undefined) throw new Error(part.detail)
  return koffi
}
