/**
 * The locks of directories that another process has passed to this one, such as a `run` around this `run`.
 *
 * @since 0.1.0
 */
import { fstatSync, readdirSync, readFileSync } from "node:fs"

const attempt = <A>(get: () => A, otherwise: A): A => {
  try {
    return get()
  } catch {
    // There is no `/proc`, or the descriptor is closed by now.
    return otherwise
  }
}

/** Whether a descriptor has a lock of `flock(2)`, as proc_pid_fdinfo(5) shows it, and is that of a directory. */
const isLockOfDirectory = (fd: number): boolean =>
  attempt(
    () => /^lock:.* FLOCK /m.test(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1")) && fstatSync(fd).isDirectory(),
    false
  )

/**
 * The descriptors of the locks that this process has inherited, which Node closes in a child unless the child is given
 * them. A process has to ask before it takes a lock itself.
 *
 * @category getters
 * @since 0.1.0
 */
export const inheritedLocks = (): ReadonlyArray<number> =>
  attempt(() => readdirSync("/proc/self/fd"), [])
    .map(Number)
    .filter(isLockOfDirectory)
