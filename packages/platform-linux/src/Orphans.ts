/**
 * Reaps the processes that this process inherited. The first process of a PID namespace becomes the parent of each
 * orphan in it that has no subreaper (`PR_SET_CHILD_SUBREAPER`). An orphan that has ended stays a zombie until its
 * parent waits for it (`wait(2)`, `pid_namespaces(7)`).
 *
 * @since 0.1.0
 */
import { type Library, withKoffi } from "./internal/koffi.ts"

/**
 * The calls that wait for children, which need native code.
 *
 * @category models
 * @since 0.1.0
 */
export interface Waits {
  /**
   * PID of a child that has ended and wasn't waited for. The call leaves the child a zombie. `undefined`: there is
   * none.
   */
  readonly ended: () => number | undefined
  /** Waits for one child that has ended. `false`: `pid` isn't a child that has ended. */
  readonly reap: (pid: number) => boolean
}

const P_ALL = 0
const WNOHANG = 1
const WEXITED = 4
const WNOWAIT = 0x01000000

/**
 * Bytes of `siginfo_t`. The place of `si_pid` in it depends on the size of a pointer, to which the union of its fields
 * is aligned.
 */
const siginfoBytes = 128
const isNarrow = ["arm", "ia32", "mips", "mipsel"].includes(process.arch)
const pidIndex = isNarrow ? 3 : 4

const make = (koffi: Library): Waits => {
  const libc = koffi.load(null)
  const waitid = libc.func("int waitid(int, unsigned int, void *, int)")
  const waitpid = libc.func("int waitpid(int, void *, int)")
  const info = new Int32Array(siginfoBytes / Int32Array.BYTES_PER_ELEMENT)
  const infoBytes = new Uint8Array(info.buffer)
  return {
    ended: () => {
      // If no child has ended, the fields depend on the implementation, by `waitid(2)`.
      info.fill(0)
      if (waitid(P_ALL, 0, infoBytes, WEXITED | WNOHANG | WNOWAIT) !== 0) return undefined
      const pid = info[pidIndex] ?? 0
      return pid > 0 ? pid : undefined
    },
    reap: (pid) => waitpid(pid, null, WNOHANG) === pid
  }
}

/**
 * Loads {@link Waits} through koffi. `undefined`: koffi isn't installed or can't run.
 *
 * @category constructors
 * @since 0.1.0
 */
export const load = (): Waits | undefined => withKoffi(make)

/**
 * Waits for each child that has ended, and stops at the first child in `own`. Other code waits for the children in
 * `own`, such as Node for a child that it started. Returns the PIDs of the reaped children.
 *
 * @category reaping
 * @since 0.1.0
 */
export const reapAll = ({ ended, reap }: Waits, own: ReadonlySet<number>): ReadonlyArray<number> => {
  const reaped: Array<number> = []
  for (let pid = ended(); pid !== undefined && !own.has(pid) && reap(pid); pid = ended()) reaped.push(pid)
  return reaped
}
