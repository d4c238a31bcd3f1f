/**
 * Whether a process is in the foreground of its terminal.
 *
 * @since 0.1.0
 */
import { readFileSync } from "node:fs"
import { isatty } from "node:tty"
import { fieldsOf } from "./Ancestors.ts"

/**
 * Whether `/proc/PID/stat` is that of a process in the foreground process group of its terminal: `pgrp` and `tpgid` of
 * proc_pid_stat(5) are equal. Both are 0 if the groups lie outside of the reader's PID namespace, and may then differ.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isForegroundStat = (stat: string): boolean => {
  const fields = fieldsOf(stat)
  return fields[2] === fields[5] && fields[2] !== "0"
}

/**
 * Whether a process is in the foreground process group of its terminal, to which Ctrl-C sends its signal. If the stat of
 * the process can't be read, the answer is that of the calling process. Without `/proc`, a terminal as stdin counts as
 * the foreground.
 *
 * @category getters
 * @since 0.1.0
 */
export const isForeground = (pid: number | undefined): boolean => {
  for (const process of [pid, "self"]) {
    try {
      return isForegroundStat(readFileSync(`/proc/${process}/stat`, "latin1"))
    } catch {
      // Options of procfs such as `hidepid` hide the processes of other users.
    }
  }
  // `process.stdin` isn't used, because it opens stdin, which makes a pipe non-blocking for the command, too.
  return isatty(0)
}
