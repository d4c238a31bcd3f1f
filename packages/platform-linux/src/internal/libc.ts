/** The libc calls that the store needs and Node lacks, through koffi, if koffi loads. */
import { coded, errnoName } from "@vm-sentinel/core/Errno"
import { type Library, withKoffi } from "./koffi.ts"
import * as Statx from "./statx.ts"

/** A name or a path for the kernel: text without a NUL, or bytes that end in a NUL. */
export type Name = string | Buffer

/** Calls relative to a directory's descriptor. A call that fails returns the negative errno. */
export interface LibcAt {
  readonly open: (fd: number, name: Name, flags: number) => number
  /** `openat2(2)` of an absolute path with RESOLVE_NO_SYMLINKS. */
  readonly openWithoutSymlinks: (path: Name, flags: number) => number
  /**
   * `openat2(2)` with RESOLVE_NO_XDEV: EXDEV if the name leads to another mount. Makes no call to the mounted file
   * system.
   */
  readonly openInside: (fd: number, name: Name, flags: number) => number
  /** `getdents64(2)`: the number of bytes filled, 0 at the end. */
  readonly getdents: (fd: number, into: Buffer) => number
  /** `lseek(2)` to the offset of an entry. Reading continues with the entries after that one. */
  readonly seek: (fd: number, offset: bigint) => number
  readonly read: (fd: number, into: Uint8Array, length: number) => number
  readonly close: (fd: number) => number
  /** Calls `close(2)` in a thread of Node's pool, then `ended`. */
  readonly closeLater: (fd: number, ended: () => void) => void
  readonly unlink: (fd: number, name: Name, flags: number) => number
  readonly rename: (fromFd: number, from: Name, toFd: number, to: Name) => number
  /**
   * `statx(2)` without following a link. Fills `struct statx`, 256 bytes. An empty name means the descriptor itself.
   */
  readonly statx: (fd: number, name: Name, mask: number, into: Uint8Array) => number
  /** `fstatfs(2)`: fills `struct statfs`. */
  readonly statfs: (fd: number, into: Uint8Array) => number
  /** `ioctl(2)` with a request that fills memory. */
  readonly ioctl: (fd: number, request: number, into: Uint8Array) => number
  readonly flock: (fd: number, operation: number) => number
}

export interface Libc {
  /** `renameat2(2)` with RENAME_NOREPLACE. Returns the errno, 0 on success. */
  readonly renameNoReplace: (from: Name, to: Name) => number
  /** Whether `poll(2)` reports POLLPRI or an error of a descriptor, without waiting. `true` if `poll(2)` fails. */
  readonly hasChanged: (fd: number) => boolean
  /** `undefined`: this libc lacks one of the calls, or `statx(2)` fails. */
  readonly at: LibcAt | undefined
}

/** Returns the result of a call, or throws its negative errno. */
export const checked = (result: number): number => {
  if (result >= 0) return result
  throw coded(errnoName(-result))
}

export const AT_FDCWD = -100
/** AT_SYMLINK_NOFOLLOW and AT_NO_AUTOMOUNT, because `lstat(2)` has the effect of both. */
const AT_SYMLINK_NOFOLLOW = 0x900
const AT_EMPTY_PATH = 0x1000
const RENAME_NOREPLACE = 1
const O_CLOEXEC = 0o2000000
const RESOLVE_NO_XDEV = 1n
const RESOLVE_NO_SYMLINKS = 4n
const POLLPRI = 2

/** Number of `openat2(2)` in `linux/unistd.h`: the same on every architecture that Node runs on. */
const openat2 = 437

/**
 * Numbers in `linux/unistd.h`, by `process.arch`, of calls that musl lacks in some versions, or hides from `dlsym(3)`.
 */
const numbers: Readonly<Record<"getdents64" | "renameat2" | "statx", Readonly<Record<string, number>>>> = {
  getdents64: { x64: 217, arm64: 61 },
  renameat2: { x64: 316, arm64: 276 },
  statx: { x64: 332, arm64: 291 }
}

type Loaded = ReturnType<Library["load"]>

/** Binds a call by its name or, if libc lacks the name, by its number. */
const bind = (library: Loaded, name: keyof typeof numbers, result: string, parameters: Array<string>) => {
  try {
    return library.func(name, result, parameters)
  } catch (cause) {
    const number = numbers[name][process.arch]
    if (number === undefined) throw cause
    const call = library.func("syscall", "long", ["long", ...parameters])
    return (...values: Array<unknown>): number => call(number, ...values)
  }
}

const loadAt = (koffi: Library, library: Loaded): LibcAt | undefined => {
  try {
    const open = library.func("openat", "int", ["int", "const char *", "int", "int"])
    const openHow = library.func("syscall", "long", ["long", "int", "const char *", "const uint8_t *", "unsigned long"])
    const getdents = bind(library, "getdents64", "long", ["int", "void *", "unsigned long"])
    const lseek = library.func("lseek", "long", ["int", "int64_t", "int"])
    const read = library.func("long read(int, void *, unsigned long)")
    const close = library.func("int close(int)")
    const unlink = library.func("int unlinkat(int, const char *, int)")
    const rename = library.func("int renameat(int, const char *, int, const char *)")
    const statx = bind(library, "statx", "int", ["int", "const char *", "int", "unsigned int", "void *"])
    const statfs = library.func("int fstatfs(int, void *)")
    const ioctl = library.func("int ioctl(int, unsigned long, void *)")
    const flock = library.func("int flock(int, int)")
    const answer = (result: number): number => (result < 0 ? -koffi.errno() : result)
    const how = new BigUint64Array(3)
    const howBytes = new Uint8Array(how.buffer)
    const openResolving = (fd: number, name: Name, flags: number, resolve: bigint): number => {
      how[0] = BigInt(flags | O_CLOEXEC)
      how[2] = resolve
      return answer(openHow(openat2, fd, name, howBytes, howBytes.length))
    }
    // `statx(2)` needs Linux 4.11, and a seccomp filter may reject the call.
    if (statx(AT_FDCWD, "/", 0, Statx.basicStats, new Uint8Array(Statx.size)) !== 0) return undefined
    return {
      open: (fd, name, flags) => answer(open(fd, name, flags | O_CLOEXEC, 0)),
      openWithoutSymlinks: (path, flags) => openResolving(AT_FDCWD, path, flags, RESOLVE_NO_SYMLINKS),
      openInside: (fd, name, flags) => openResolving(fd, name, flags, RESOLVE_NO_XDEV),
      getdents: (fd, into) => answer(getdents(fd, into, into.length)),
      // Only -1 is a failure. Any other result is the new offset, which may be any number.
      seek: (fd, offset) => (Number(lseek(fd, offset, 0)) === -1 ? -koffi.errno() : 0),
      read: (fd, into, length) => answer(read(fd, into, length)),
      close: (fd) => answer(close(fd)),
      closeLater: (fd, ended) => {
        try {
          close.async(fd, () => ended())
        } catch {
          // koffi limits the number of asynchronous calls in flight.
          close(fd)
          ended()
        }
      },
      unlink: (fd, name, flags) => answer(unlink(fd, name, flags)),
      rename: (fromFd, from, toFd, to) => answer(rename(fromFd, from, toFd, to)),
      statx: (fd, name, mask, into) =>
        answer(statx(fd, name, name === "" ? AT_EMPTY_PATH : AT_SYMLINK_NOFOLLOW, mask, into)),
      statfs: (fd, into) => answer(statfs(fd, into)),
      ioctl: (fd, request, into) => answer(ioctl(fd, request, into)),
      flock: (fd, operation) => answer(flock(fd, operation))
    }
  } catch {
    return undefined
  }
}

export const make = (koffi: Library): Libc => {
  const libc = koffi.load(null)
  const renameat2 = bind(libc, "renameat2", "int", ["int", "const char *", "int", "const char *", "unsigned int"])
  const poll = libc.func("int poll(void *, unsigned long, int)")
  // `struct pollfd`: the descriptor, then two 16-bit numbers, the requested and the returned events.
  const polled = new Int32Array(2)
  const [polledBytes, polledShorts] = [new Uint8Array(polled.buffer), new Int16Array(polled.buffer)]
  const errnoAfter = (result: unknown): number => (result === 0 ? 0 : koffi.errno())
  return {
    renameNoReplace: (from, to) => errnoAfter(renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE)),
    hasChanged: (fd) => {
      polled[0] = fd
      polledShorts[2] = POLLPRI
      polledShorts[3] = 0
      return poll(polledBytes, 1, 0) !== 0
    },
    at: loadAt(koffi, libc)
  }
}

let loaded: { readonly libc: Libc | undefined } | undefined

/** The calls, loaded on first use. `undefined` without koffi. */
export const libc = (): Libc | undefined => (loaded ??= { libc: withKoffi(make) }).libc
