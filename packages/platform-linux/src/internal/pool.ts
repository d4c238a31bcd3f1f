/**
 * Native calls in a thread of Node's pool while this thread goes on: `listing.c`, `peek.c` and `removal.c`, where they
 * were compiled. Each only does faster what TypeScript does, too.
 */
import * as Effect from "effect/Effect"
import { fileURLToPath } from "node:url"
import { withKoffi } from "./koffi.ts"

/**
 * Processes the memory, then calls `ended`. Until then the memory, and a descriptor in it, belong to the thread.
 * `wasMade: false`: koffi has too many calls in flight, and nothing was done.
 */
export type Call = (memory: Uint8Array, ended: (wasMade: boolean) => void) => void

export interface Pool {
  readonly list: Call
  readonly peek: Call
  readonly remove: Call
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

/** Path of the library, which lies beside this module: in the sources, in `dist`, and in the command's bundle. */
export const library = fileURLToPath(new URL(`./pool-${process.arch}.so`, import.meta.url))

let loaded: { readonly pool: Pool | undefined } | undefined

/** The native calls, loaded on first use. `undefined`: they weren't compiled for this machine, or there is no koffi. */
export const pool = (): Pool | undefined =>
  (loaded ??= {
    pool: withKoffi((koffi): Pool => {
      const native = koffi.load(library)
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
      return { list: call("vm_sentinel_list"), peek: call("vm_sentinel_peek"), remove: call("vm_sentinel_remove") }
    })
  }).pool
