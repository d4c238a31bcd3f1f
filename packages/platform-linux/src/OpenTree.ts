/**
 * A mount without the mounts upon it, `open_tree(2)`: since Linux 5.2, with `CAP_SYS_ADMIN`.
 *
 * @since 0.1.0
 */
import { errnoName } from "./Kernel.ts"
import { type Library, withKoffi } from "./internal/koffi.ts"

/**
 * On failure a call answers the name of the errno.
 *
 * @category models
 * @since 0.1.0
 */
export interface Trees {
  /** The mount at `path` alone, as a directory's descriptor. */
  readonly open: (path: string) => number | string
  readonly close: (fd: number) => void
}

/** `linux/unistd.h`: the same number on every architecture that Node runs on. */
const openTree = 428

const AT_FDCWD = -100

// Without AT_RECURSIVE: what lies upon the mount isn't cloned with it. The second is O_CLOEXEC, as Node's platforms have it.
const flags = 1 | 0o2000000

const make = (koffi: Library): Trees => {
  const library = koffi.load(null)
  const syscall: (number: number, directory: number, path: string, flags: number) => number = library.func(
    "long syscall(long number, int directory, const char *path, unsigned int flags)"
  )
  const close: (fd: number) => number = library.func("int close(int fd)")
  return {
    open: (path) => {
      const fd = syscall(openTree, AT_FDCWD, path, flags)
      return fd < 0 ? errnoName(koffi.errno()) : fd
    },
    close: (fd) => void close(fd)
  }
}

/**
 * `undefined` where koffi isn't installed or can't run.
 *
 * @category constructors
 * @since 0.1.0
 */
export const load = (): Trees | undefined => withKoffi(make)
