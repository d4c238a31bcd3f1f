/**
 * Whether this process is in the foreground of its terminal.
 *
 * @since 0.1.0
 */
import { readFileSync } from "node:fs"
import { isatty } from "node:tty"

/** `pgrp` and `tpgid` of proc_pid_stat(5). The name of the program, in parentheses, may contain spaces. */
const groups = (stat: string): ReadonlyArray<string | undefined> => {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return [fields[2], fields[5]]
}

/**
 * Whether this process is in the foreground process group of its terminal, to which Ctrl-C sends its signal. Without
 * `/proc`, whether stdin is a terminal.
 *
 * @category getters
 * @since 0.1.0
 */
export const isForeground = (): boolean => {
  try {
    const [own, foreground] = groups(readFileSync("/proc/self/stat", "latin1"))
    return own === foreground
  } catch {
    // `process.stdin` isn't used, because it opens stdin, which makes a pipe non-blocking for the command, too.
    return isatty(0)
  }
}
