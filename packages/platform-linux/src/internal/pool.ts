/**
 * What a thread of Node's pool does by one native call while this one goes on: `listing.c`, `readAhead.c` and
 * `removal.c`, where they were compiled.
 */
import { fileURLToPath } from "node:url"
import { withKoffi } from "./koffi.ts"

/** Does what the memory says, and then calls back. Throws where koffi has too many calls under way. */
export type Call = (memory: Uint8Array, ended: () => void) => void

export interface Pool {
  readonly list: Call
  readonly readAhead: Call
  /** Likewise, at once and in this thread. */
  readonly readNow: (memory: Uint8Array) => void
  readonly remove: Call
}

/** Beside this, whether these are the sources, what was made of them, or the command's bundle. */
export const library = fileURLToPath(new URL(`./pool-${process.arch}.so`, import.meta.url))

let loaded: { readonly pool: Pool | undefined } | undefined

/** `undefined`: it wasn't compiled for this machine, or there is no koffi. */
export const pool = (): Pool | undefined =>
  (loaded ??= {
    pool: withKoffi((koffi): Pool => {
      const native = koffi.load(library)
      const call = (name: string): Call => {
        const made = native.func(`void ${name}(void *)`)
        return (memory, ended) => made.async(memory, ended)
      }
      const readNow = native.func("void vm_sentinel_read_now(void *)")
      return {
        list: call("vm_sentinel_list"),
        readAhead: call("vm_sentinel_read_ahead"),
        readNow: (memory) => readNow(memory),
        remove: call("vm_sentinel_remove")
      }
    })
  }).pool
