/**
 * `flock(2)` on a directory: of the open file, so the kernel gives it up when the last descriptor closes, however the
 * process ends; and of the inode, so it stays with a directory that is renamed.
 */
import type { HeldLock } from "@vm-sentinel/core/Disk"
import * as Fs from "node:fs"
import { errnoName } from "../Kernel.ts"
import { encodePath } from "./bytePath.ts"
import type { Libc } from "./libc.ts"

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = Fs.constants
const LOCK_SH = 1
const LOCK_EX = 2
const LOCK_NB = 4

const open = (path: string): number => Fs.openSync(encodePath(path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK)

const fail = (code: string): never => {
  throw Object.assign(new Error(code), { code })
}

/** `flock(1)` of util-linux locks the open file that it inherits, and leaves the lock behind with it. */
const flockByCommand = (fd: number, operation: number): "done" | "busy" => {
  const { spawnSync } = process.getBuiltinModule("node:child_process")
  const flag = (operation & LOCK_SH) === 0 ? "-xn" : "-sn"
  const { error, status } = spawnSync("flock", [flag, "3"], { stdio: ["ignore", "ignore", "ignore", fd] })
  if (error === undefined && status === 0) return "done"
  return error === undefined && status === 1 ? "busy" : fail("ENOTSUP")
}

const flock = (native: Libc | undefined, fd: number, operation: number): "done" | "busy" => {
  if (native === undefined) return flockByCommand(fd, operation)
  const errno = native.flock(fd, operation | LOCK_NB)
  if (errno === 0) return "done"
  const name = errnoName(errno)
  return name === "EAGAIN" ? "busy" : fail(name)
}

const isFree = (native: Libc | undefined, path: string): boolean => {
  const fd = open(path)
  try {
    return flock(native, fd, LOCK_SH) === "done"
  } finally {
    Fs.closeSync(fd)
  }
}

/** Takes the lock and tries it: a second open of the directory must be refused. Throws with EBUSY or the errno. */
export const acquire = (
  native: Libc | undefined,
  path: string,
  inheritable: boolean
): HeldLock & { readonly fd: number } => {
  const fd = open(path)
  try {
    if (flock(native, fd, LOCK_EX) === "busy") return fail("EBUSY")
    const survivesExec = inheritable && native?.keepOnExec(fd) === 0
    return { fd, tested: !isFree(native, path), survivesExec }
  } catch (cause) {
    Fs.closeSync(fd)
    throw cause
  }
}

export const probe = (native: Libc | undefined, path: string): "busy" | "free" | "unknown" => {
  try {
    return isFree(native, path) ? "free" : "busy"
  } catch {
    return "unknown"
  }
}
