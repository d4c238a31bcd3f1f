/**
 * Parser of `/proc/<pid>/stat`. Works on bytes.
 *
 * @since 0.1.0
 */

/**
 * The fields of `proc_pid_stat(5)` that distinguish one process from another.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProcStat {
  /** Field 1. */
  readonly pid: number
  /** Field 2 without its parentheses. The process chooses these bytes freely, NUL excepted. */
  readonly comm: Uint8Array
  /** Field 3, one letter. `Z`: zombie. */
  readonly state: string
  /**
   * Field 20. `0`: the task has just left its thread group, because it ended or because another thread ran `execve(2)`.
   */
  readonly threads: number
  /** Field 22, clock ticks since boot in the reader's time namespace, as decimal digits. */
  readonly startTime: string
  /** Field 38. `-1`: most likely a thread other than the leader of its group. `Tgid` of `status` decides. */
  readonly exitSignal: number
}

const newline = 0x0a
const space = 0x20
const openParenthesis = 0x28
const closeParenthesis = 0x29
const minus = 0x2d
const zero = 0x30

/** Fields from `state` (3) to `exit_signal` (38). Every kernel since 2.6 has them. */
const fieldsNeeded = 36

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= zero && byte <= zero + 9

const isInteger = (bytes: Uint8Array, start: number, end: number): boolean => {
  const first = bytes[start] === minus ? start + 1 : start
  if (first >= end) return false
  for (let index = first; index < end; index++) if (!isDigit(bytes[index])) return false
  return true
}

const ascii = (bytes: Uint8Array, start: number, end: number): string => {
  let text = ""
  for (let index = start; index < end; index++) text += String.fromCharCode(bytes[index] ?? 0)
  return text
}

/**
 * Parses the line of `stat`. `undefined`: malformed or cut short. Since the name may contain spaces, newlines and
 * parentheses, the other fields begin after the **last** `)`.
 *
 * @category parsing
 * @since 0.1.0
 */
export const parse = (bytes: Uint8Array): ProcStat | undefined => {
  const end = bytes.length - 1
  if (bytes[end] !== newline) return undefined
  const open = bytes.indexOf(openParenthesis)
  const close = bytes.lastIndexOf(closeParenthesis)
  if (open < 2 || close < open || bytes[open - 1] !== space || !isInteger(bytes, 0, open - 1)) return undefined
  let [state, threads, startTime, exitSignal] = ["", "", "", ""]
  let start = close + 2
  for (let field = 0; field < fieldsNeeded; field++) {
    if (bytes[start - 1] !== space) return undefined
    let stop = start
    while (stop < end && bytes[stop] !== space) stop++
    if (field === 0) {
      if (stop !== start + 1) return undefined
      state = ascii(bytes, start, stop)
    } else if (!isInteger(bytes, start, stop)) return undefined
    else if (field === 17) threads = ascii(bytes, start, stop)
    else if (field === 19) startTime = ascii(bytes, start, stop)
    else if (field === 35) exitSignal = ascii(bytes, start, stop)
    start = stop + 1
  }
  if (startTime.length > 20 || startTime.startsWith("-")) return undefined
  return {
    pid: Number(ascii(bytes, 0, open - 1)),
    comm: bytes.slice(open + 1, close),
    state,
    threads: Number(threads),
    startTime,
    exitSignal: Number(exitSignal)
  }
}
