/**
 * `/proc/<pid>/status`, parsed on bytes.
 *
 * @since 0.1.0
 */

/**
 * The lines of `proc_pid_status(5)` that aren't in `stat`. A missing key: not in the text, or cut short.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProcStatus {
  /** Thread group leader. */
  readonly tgid?: number
  /** Effective uid, the second of the four. */
  readonly uid?: number
  /**
   * `NStgid`: the process's number in each PID namespace, from the one of the procfs down to its own. `NSpid` says the
   * same, but not while another thread than the leader runs `execve(2)`.
   */
  readonly pids?: ReadonlyArray<number>
}

// The kernel escapes newlines in `Name:` and no other white space, so only "\n" begins a line that no process can forge.
const lines = {
  tgid: /\nTgid:\t([0-9]+)\n/,
  uid: /\nUid:\t[0-9]+\t([0-9]+)\t[0-9]+\t[0-9]+\n/,
  pids: /\nNStgid:\t([0-9]+(?:\t[0-9]+)*)\n/
} as const

/**
 * Parses `status`, or as much of it as was read.
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
