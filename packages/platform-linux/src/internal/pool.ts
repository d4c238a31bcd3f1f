/**
 * Calls `listing.c`, `peek.c`, `look.c` and `removal.c`, if they were compiled, in a thread of Node's pool while this thread
 * continues. TypeScript can do everything that they do, but takes longer.
 */
import type { NativePart } from "@vm-sentinel/core/NativeCode"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Koffi from "./koffi.ts"

/**
 * Processes the memory, then calls `ended`. Until then the memory, and a descriptor in it, belong to the thread.
 * `wasMade: false`: koffi has too many calls in flight, and nothing was done.
 */
export type Call = (memory: Uint8Array, ended: (wasMade: boolean) => void) => void

export interface Pool {
  readonly list: Call
  readonly peek: Call
  readonly look: Call
  readonly remove: Call
  readonly unlock: Call
}

/** `struct header` of pool.h, with which each memory begins: indices of 32-bit numbers. */
export const header = { count: 0, fd: 1, error: 2, isDone: 3 } as const

/**
 * Repeats the call until the memory is done or a system call fails. `false`: koffi didn't make the call, and TypeScript
 * does the rest. Interruptible between two calls.
 */
export const run = (
  call: Call,
  memory: { readonly bytes: Uint8Array; readonly numbers: Uint32Array }
): Effect.Effect<boolean> => {
  const { bytes, numbers } = memory
  const once = Effect.callback<boolean>((resume) => call(bytes, (wasMade) => resume(Effect.succeed(wasMade))))
  return Effect.flatMap(Effect.uninterruptible(once), (wasMade) =>
    wasMade && numbers[header.isDone] === 0 && numbers[header.error] === 0 ? run(call, memory) : Effect.succeed(wasMade)
  )
}

/** The same number as in `pool.h`. A library of another build, left beside a bundle, may use another memory layout. */
const layout = 4

/** The libc of this process, which the library must use, too. glibc has this function, and musl lacks it. */
const libcOf = (koffi: Koffi.Library): "glibc" | "musl" => {
  try {
    koffi.load(null).func("const char *gnu_get_libc_version()")
    return "glibc"
  } catch {
    return "musl"
  }
}

/** Path of the library, which lies beside the file of this code: in the sources, in `dist`, and beside a bundle. */
export const libraryOf = (koffi: Koffi.Library): string =>
  Path.join(Path.dirname(Koffi.here ?? ""), `pool-linux-${process.arch}-${libcOf(koffi)}.so`)

const declare = (koffi: Koffi.Library, path: string): Pool => {
  const native = koffi.load(path)
  const found: unknown = native.func("int vm_sentinel_layout()")()
  if (found !== layout) throw new Error(`the library is of another build: layout ${found}, not ${layout}`)
  const call = (name: string): Call => {
    const made = native.func(`void ${name}(void *)`)
    return (memory, ended) => {
      try {
        made.async(memory, () => ended(true))
      } catch {
        ended(false)
      }
    }
  }
  return {
    list: call("vm_sentinel_list"),
    peek: call("vm_sentinel_peek"),
    look: call("vm_sentinel_look"),
    remove: call("vm_sentinel_remove"),
    unlock: call("vm_sentinel_unlock")
  }
}

interface Loaded {
  readonly pool: Pool | undefined
  readonly part: NativePart
}

const missing = (reason: "not-found" | "unloadable", detail: string): Loaded => ({
  pool: undefined,
  part: { _tag: "Missing", reason, detail }
})

const load = (): Loaded => {
  const { koffi } = Koffi.find()
  if (koffi === undefined) return missing("unloadable", "only koffi can load it")
  const path = libraryOf(koffi)
  try {
    return { pool: declare(koffi, path), part: { _tag: "Loaded", path } }
  } catch (cause) {
    return Fs.existsSync(path)
      ? missing("unloadable", `${path}: ${Koffi.messageOf(cause)}`)
      : missing("not-found", `there is no ${path}`)
  }
}

let loaded: Loaded | undefined

/** Loads the library, or returns why it can't be loaded. */
export const library = (): Loaded => (loaded ??= load())

/**
 * The native calls, loaded on first use. `undefined`: the library is missing, can't be loaded or has another memory
 * layout, or there is no koffi.
 */
export const pool = (): Pool | undefined => library().pool
