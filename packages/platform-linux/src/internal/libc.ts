/** The calls that Node lacks and the store wants, through koffi where it loads. */
import type * as Koffi from "koffi"

/** Relative to a descriptor. On failure a call answers the errno, negative. Names end in NUL. */
export interface LibcAt {
  readonly open: (fd: number, name: Buffer, flags: number) => number
  /** `openat2(2)` of an absolute path with RESOLVE_NO_SYMLINKS. */
  readonly openWithoutSymlinks: (path: Buffer, flags: number) => number
  /** `getdents64(2)`: bytes that were filled, 0 at the end. */
  readonly getdents: (fd: number, into: Buffer) => number
  readonly rewind: (fd: number) => number
  readonly unlink: (fd: number, name: Buffer, flags: number) => number
  readonly rename: (fromFd: number, from: Buffer, toFd: number, to: Buffer) => number
  /** STATX_MNT_ID of `statx(2)`, Linux 5.8. `undefined`: not told. */
  readonly mountId: (fd: number) => bigint | undefined
}

export interface Libc {
  /** `renameat2(2)` with RENAME_NOREPLACE. The errno, 0 on success. */
  readonly renameNoReplace: (from: Buffer, to: Buffer) => number
  /** `flock(2)`. The errno, 0 on success. */
  readonly flock: (fd: number, operation: number) => number
  /** Lets `execve(2)` and children keep the descriptor: clears FD_CLOEXEC. The errno, 0 on success. */
  readonly keepOnExec: (fd: number) => number
  /** `undefined`: not all of them are in this libc. */
  readonly at: LibcAt | undefined
}

const AT_FDCWD = -100
const AT_EMPTY_PATH = 0x1000
const RENAME_NOREPLACE = 1
const F_SETFD = 2
const O_CLOEXEC = 0o2000000
const RESOLVE_NO_SYMLINKS = 4n
const STATX_MNT_ID = 0x1000

/** `linux/unistd.h`: the same number on every architecture that Node runs on. */
const openat2 = 437

type Library = Pick<typeof Koffi, "errno" | "load">

const loadAt = (koffi: Library, library: ReturnType<Library["load"]>): LibcAt | undefined => {
  try {
    const open = library.func("openat", "int", ["int", "const uint8_t *", "int", "int"])
    const openHow = library.func("syscall", "long", [
      "long",
      "int",
      "const uint8_t *",
      "const uint8_t *",
      "unsigned long"
    ])
    const getdents = library.func("long getdents64(int, void *, unsigned long)")
    const lseek = library.func("long lseek(int, long, int)")
    const unlink = library.func("int unlinkat(int, const uint8_t *, int)")
    const rename = library.func("int renameat(int, const uint8_t *, int, const uint8_t *)")
    const statx = library.func("int statx(int, const char *, int, unsigned int, void *)")
    const answer = (result: number): number => (result < 0 ? -koffi.errno() : result)
    const how = new BigUint64Array(3)
    const howBytes = new Uint8Array(how.buffer)
    // `struct statx`: the mask is its first word, the mount its 19th of 64 bits.
    const stat = new BigUint64Array(32)
    const statBytes = new Uint8Array(stat.buffer)
    const statWords = new Uint32Array(stat.buffer)
    return {
      open: (fd, name, flags) => answer(open(fd, name, flags | O_CLOEXEC, 0)),
      openWithoutSymlinks: (path, flags) => {
        how[0] = BigInt(flags | O_CLOEXEC)
        how[2] = RESOLVE_NO_SYMLINKS
        return answer(openHow(openat2, AT_FDCWD, path, howBytes, howBytes.length))
      },
      getdents: (fd, into) => answer(getdents(fd, into, into.length)),
      rewind: (fd) => answer(lseek(fd, 0, 0)),
      unlink: (fd, name, flags) => answer(unlink(fd, name, flags)),
      rename: (fromFd, from, toFd, to) => answer(rename(fromFd, from, toFd, to)),
      mountId: (fd) =>
        statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, statBytes) === 0 && ((statWords[0] ?? 0) & STATX_MNT_ID) !== 0
          ? stat[18]
          : undefined
    }
  } catch {
    return undefined
  }
}

const load = (): Libc | undefined => {
  try {
    const { createRequire } = process.getBuiltinModule("node:module")
    const koffi: typeof Koffi = createRequire(import.meta.url)("koffi")
    const libc = koffi.load(null)
    const renameat2 = libc.func("int renameat2(int, const uint8_t *, int, const uint8_t *, unsigned int)")
    const flock = libc.func("int flock(int, int)")
    const fcntl = libc.func("int fcntl(int, int, ...)")
    const errnoOf = (result: unknown): number => (result === 0 ? 0 : koffi.errno())
    return {
      renameNoReplace: (from, to) => errnoOf(renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE)),
      flock: (fd, operation) => errnoOf(flock(fd, operation)),
      keepOnExec: (fd) => errnoOf(fcntl(fd, F_SETFD, "int", 0)),
      at: loadAt(koffi, libc)
    }
  } catch {
    return undefined
  }
}

let loaded: { readonly libc: Libc | undefined } | undefined

/** Loaded when first asked for; `undefined` where there is no koffi. */
export const libc = (): Libc | undefined => (loaded ??= { libc: load() }).libc
