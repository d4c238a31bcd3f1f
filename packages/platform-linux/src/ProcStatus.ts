/**
 * Parser of `/proc/<pid>/status`. Works on bytes.
 *
 * @since 0.1.0
 */

/**
 * The lines of `proc_pid_status(5)` that the inspector needs and that `stat` lacks. A key is missing if its line isn't
 * in the text or is cut short.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProcStatus {
  /** `Tgid`: PID of the thread group leader. */
  readonly tgid?: number
  /** Effective uid: the second of the four numbers of `Uid`. */
  readonly uid?: number
  /**
   * `NStgid`: the PID of the process in each PID namespace, from the namespace of the procfs down to the process's own.
   * `NSpid` holds the same numbers, except while another thread than the leader runs `execve(2)`.
   */
  readonly pids?: ReadonlyArray<number>
}

// The kernel escapes newlines in `Name:`, but no other white space. Anchored at "\n", a pattern matches no line that a
// process can forge.
const lines = {
  tgid: /\nTgid:\t([0-9]+)\n/,
  uid: /\nUid:\t[0-9]+\t([0-9]+)\t[0-9]+\t[0-9]+\n/,
  pids: /\nNStgid:\t([0-9]+(?:\t[0-9]+)*)\n/
} as const

/**
 * Parses `/proc/<pid>/status`, or the part of it that was read.
 *
 * @category parsing
 * @since 0.1.0
 */
export const parse = (bytes: Uint8Array): ProcStatus => {
  const text = new TextDecoder("latin1").decode(bytes)
  const tgid = lines.tgid.exec(text)?.[1]
  const uid = lines.uid.exec(text)?.[1]
  const pids = lines.pids.exec(text)?.[1]
  return {
    ...(tgid === undefined ? {} : { tgid: Number(tgid) }),
    ...(uid === undefined ? {} : { uid: Number(uid) }),
    ...(pids === undefined ? {} : { pids: pids.split("\t").map(Number) })
  }
}
