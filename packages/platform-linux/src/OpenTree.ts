/**
 * Opens a mount without the mounts on top of it, by `open_tree(2)`. Needs Linux 5.2 and `CAP_SYS_ADMIN`.
 *
 * @since 0.1.0
 */
import { errnoName } from "@vm-sentinel/core/Errno"
import { type Library, withKoffi } from "./internal/koffi.ts"

/**
 * The calls on a mount without its submounts.
 *
 * @category models
 * @since 0.1.0
 */
export interface Trees {
  /**
   * Descriptor of the root directory of the mount at `path`, without its submounts. On failure, the name of the errno.
   */
  readonly open: (path: string) => number | string
  readonly close: (fd: number) => void
}

/** Number of `open_tree(2)` in `linux/unistd.h`: the same on every architecture that Node runs on. */
const openTree = 428

const AT_FDCWD = -100

// OPEN_TREE_CLONE and OPEN_TREE_CLOEXEC, which is O_CLOEXEC of Node's platforms. Without AT_RECURSIVE the kernel clones
// no submounts.
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
 * Loads {@link Trees} through koffi. `undefined`: koffi isn't installed or can't run.
 *
 * @category constructors
 * @since 0.1.0
 */
export const load = (): Trees | undefined => withKoffi(make)
