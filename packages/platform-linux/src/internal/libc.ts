/** The two calls that Node lacks and the store wants, through koffi where it loads. */
import type * as Koffi from "koffi"
import { createRequire } from "node:module"

export interface Libc {
  /** `renameat2(2)` with RENAME_NOREPLACE. The errno, 0 on success. */
  readonly renameNoReplace: (from: Buffer, to: Buffer) => number
  /** `flock(2)`. The errno, 0 on success. */
  readonly flock: (fd: number, operation: number) => number
  /** Lets `execve(2)` and children keep the descriptor: clears FD_CLOEXEC. The errno, 0 on success. */
  readonly keepOnExec: (fd: number) => number
}

const AT_FDCWD = -100
const RENAME_NOREPLACE = 1
const F_SETFD = 2

const load = (): Libc | undefined => {
  try {
    const koffi: typeof Koffi = createRequire(import.meta.url)("koffi")
    const libc = koffi.load(null)
    const renameat2 = libc.func("int renameat2(int, const uint8_t *, int, const uint8_t *, unsigned int)")
    const flock = libc.func("int flock(int, int)")
    const fcntl = libc.func("int fcntl(int, int, ...)")
    const errnoOf = (result: unknown): number => (result === 0 ? 0 : koffi.errno())
    return {
      renameNoReplace: (from, to) => errnoOf(renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE)),
      flock: (fd, operation) => errnoOf(flock(fd, operation)),
      keepOnExec: (fd) => errnoOf(fcntl(fd, F_SETFD, "int", 0))
    }
  } catch {
    return undefined
  }
}

let loaded: { readonly libc: Libc | undefined } | undefined

/** Loaded when first asked for; `undefined` where there is no koffi. */
export const libc = (): Libc | undefined => (loaded ??= { libc: load() }).libc
