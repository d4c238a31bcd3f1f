/**
 * The processes that have started the calling one.
 *
 * @since 0.1.0
 */
import { readFileSync } from "node:fs"

/**
 * The fields of proc_pid_stat(5) from `state` on. The name of the program before them, in parentheses, may contain
 * spaces.
 *
 * @category getters
 * @since 0.1.0
 */
export const fieldsOf = (stat: string): ReadonlyArray<string> => stat.slice(stat.lastIndexOf(")") + 2).split(" ")

/** PID of the parent. 0: none, or one that can't be seen. */
const parentOf = (pid: number): number => {
  try {
    return Number(fieldsOf(readFileSync(`/proc/${pid}/stat`, "latin1"))[1])
  } catch {
    return 0
  }
}

/**
 * The PIDs of the calling process, its parent, the parent of that, and so on, as far as `/proc` shows them.
 *
 * @category getters
 * @since 0.1.0
 */
export const ownLine = (): ReadonlySet<number> => {
  const line = new Set([process.pid])
  for (let pid = process.ppid; pid > 0 && !line.has(pid); pid = parentOf(pid)) line.add(pid)
  return line
}
