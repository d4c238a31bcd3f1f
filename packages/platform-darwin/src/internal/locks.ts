/**
 * `flock(2)` on a directory: of the open file, so the kernel gives it up when the last descriptor closes, however the
 * process ends; and of the inode, so it stays with a directory that is renamed.
 */
import type { HeldLock } from "@vm-sentinel/core/Disk"
import * as Fs from "node:fs"
import type { FileCalls } from "./fileCalls.ts"
import { coded, errnoOf } from "./fileErrors.ts"

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = Fs.constants
const LOCK_SH = 1
const LOCK_EX = 2

const open = (path: string): number => Fs.openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK)

const isTaken = (calls: FileCalls, fd: number, operation: number): boolean => {
  try {
    calls.flock(fd, operation)
    return true
  } catch (cause) {
    if (errnoOf(cause) !== "EAGAIN") throw cause
    return false
  }
}

const isFree = (calls: FileCalls, path: string): boolean => {
  const fd = open(path)
  try {
    return isTaken(calls, fd, LOCK_SH)
  } finally {
    Fs.closeSync(fd)
  }
}

const isKeptOnExec = (calls: FileCalls, fd: number): boolean => {
  try {
    calls.keepOnExec(fd)
    return true
  } catch {
    return false
  }
}

/** Takes the lock and tries it: a second open of the directory must be refused. Throws with EBUSY or the errno. */
export const acquire = (calls: FileCalls, path: string, inheritable: boolean): HeldLock & { readonly fd: number } => {
  const fd = open(path)
  try {
    if (!isTaken(calls, fd, LOCK_EX)) throw coded("EBUSY")
    const survivesExec = inheritable && isKeptOnExec(calls, fd)
    return { fd, tested: !isFree(calls, path), survivesExec }
  } catch (cause) {
    Fs.closeSync(fd)
    throw cause
  }
}

export const probe = (calls: FileCalls, path: string): "busy" | "free" | "unknown" => {
  try {
    return isFree(calls, path) ? "free" : "busy"
  } catch {
    return "unknown"
  }
}
