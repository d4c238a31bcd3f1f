/** One PID, asked about once: the table of what each answer of the kernel means. */
import { isRefusal, isShortage } from "@vm-sentinel/core/Errno"
import type { Observation, Present, Unavailable, ObserveDepth } from "@vm-sentinel/core/Observation"
import type { Pid } from "@vm-sentinel/core/ProcessIdentity"
import { expectErrno } from "../Kernel.ts"
import type { Pidfds } from "../Pidfd.ts"
import * as ProcStat from "../ProcStat.ts"
import * as ProcStatus from "../ProcStatus.ts"
import { checkNamespace, readUptime, type Source, type Trusted } from "./procfs.ts"

/** The process changed, or an answer was refused, while it was looked at. `otherwise`: the answer if it goes on so. */
interface Again {
  readonly _tag: "Again"
  readonly otherwise: Observation
}

type Probed = Observation | Again

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/**
 * `USER_HZ`, the unit of every time in procfs whatever the kernel's own tick is. 100 on each architecture that Node runs
 * on (1024 on alpha and ia64), so that `sysconf(_SC_CLK_TCK)`, which needs native code, isn't asked.
 */
const ticksPerSecond = 100

const lossy = new TextDecoder()

const unavailable = (pid: Pid, reason: Unavailable["reason"], detail: string): Unavailable => ({
  _tag: "Unavailable",
  pid,
  reason,
  detail
})

const again = (otherwise: Observation): Again => ({ _tag: "Again", otherwise })

const isGone = (errno: string): boolean => errno === "ENOENT" || errno === "ESRCH"

/** The process is known by its pidfd alone: `/proc` doesn't show it, or not to us. */
const byPidfd = (source: Source, pidfds: Pidfds, pid: Pid, detail: string): Probed => {
  const hidden: Observation = { _tag: "Hidden", pid, detail }
  const fd = pidfds.open(pid)
  // ESRCH: it went away meanwhile. ENOENT or EINVAL: a thread. Any other: refused.
  if (typeof fd === "string") return fd === "ESRCH" ? again(hidden) : hidden
  try {
    const exited = pidfds.hasExited(fd)
    if (typeof exited === "string") return hidden
    const process: Present = { _tag: "Present", pid, tgid: pid, processId64: `${pidfds.inode(fd)}` }
    if (!exited) return process
    return source.kernel.kill(pid) === "ESRCH" ? again(hidden) : { ...process, state: "Z", threads: 1 }
  } catch (error) {
    expectErrno(error)
    return hidden
  } finally {
    pidfds.close(fd)
  }
}

const refused = (source: Source, { pidfds }: Trusted, pid: Pid, detail: string): Probed =>
  pidfds === undefined ? { _tag: "Hidden", pid, detail } : byPidfd(source, pidfds, pid, detail)

/** `/proc/<pid>` isn't there: nothing is, or it is hidden. Only `kill(2)` tells, which looks past every hiding. */
const missing = (source: Source, trusted: Trusted, pid: Pid, call: string, secondLook: boolean): Probed => {
  const answer = (trusted.pidfds ?? source.kernel).kill(pid)
  if (answer === "ESRCH") return { _tag: "Absent", pid }
  const detail = `${call}: ENOENT, kill: ${answer ?? "allowed"}`
  // It may just have begun.
  return secondLook ? refused(source, trusted, pid, detail) : again({ _tag: "Hidden", pid, detail })
}

const failure = (
  source: Source,
  trusted: Trusted,
  pid: Pid,
  call: string,
  errno: string,
  secondLook: boolean
): Probed => {
  if (errno === "ENOENT") return missing(source, trusted, pid, call, secondLook)
  if (isGone(errno)) return again(unavailable(pid, "resources", `${call}: ${errno}, again and again`))
  if (isRefusal(errno)) return refused(source, trusted, pid, `${call}: ${errno}`)
  const answer = unavailable(pid, "resources", `${call}: ${errno}`)
  return isShortage(errno) ? again(answer) : answer
}

/** `kill(2)` and procfs say that there is nothing, without a file to open that isn't there. */
const isAbsent = ({ kernel, root }: Source, pidfds: Pidfds, pid: Pid): boolean => {
  try {
    return pidfds.kill(pid) === "ESRCH" && !kernel.exists(`${root}/${pid}`)
  } catch (error) {
    expectErrno(error)
    return false
  }
}

/**
 * The answer by a pidfd, which pins the process: alive, its id, its executable. That it has not exited is asked last, so
 * its number was its own until then. `undefined`: procfs has to be asked.
 */
const quick = (
  source: Source,
  pidfds: Pidfds,
  pid: Pid,
  wanted: "existence" | "identity" | "path"
): Observation | undefined => {
  const fd = pidfds.open(pid)
  try {
    if (typeof fd === "string") {
      return fd === "ESRCH" && isAbsent(source, pidfds, pid) ? { _tag: "Absent", pid } : undefined
    }
    const path = wanted === "path" ? lossy.decode(source.kernel.readLink(`${source.root}/${pid}/exe`)) : ""
    const processId64 = wanted === "identity" ? `${pidfds.inode(fd)}` : ""
    if (pidfds.hasExited(fd) !== false) return undefined
    switch (wanted) {
      case "existence":
        return { _tag: "Present", pid, tgid: pid }
      case "identity":
        return { _tag: "Present", pid, tgid: pid, processId64 }
      case "path":
        return path === "" ? undefined : { _tag: "Present", pid, tgid: pid, exe: { path } }
    }
  } catch (error) {
    expectErrno(error)
    return undefined
  } finally {
    if (typeof fd === "number") pidfds.close(fd)
  }
}

const addExecutable = ({ kernel }: Source, path: string, wanted: ObserveDepth, process: Mutable<Present>): void => {
  try {
    const exe = lossy.decode(kernel.readLink(path))
    if (exe === "") {
      process.exeError = "not-available"
      return
    }
    process.exe = { path: exe }
    if (wanted !== "all") return
    const { dev, ino } = kernel.fileId(path)
    process.exe = { path: exe, dev: `${dev}`, ino: `${ino}` }
  } catch (error) {
    const errno = expectErrno(error)
    if (isShortage(errno)) throw error
    if (process.exe === undefined) process.exeError = isRefusal(errno) ? "permission-denied" : "not-available"
  }
}

const readStatus = ({ buffer, kernel }: Source, folder: string): ProcStatus.ProcStatus => {
  const fd = kernel.open(`${folder}/status`)
  try {
    return ProcStatus.parse(buffer.subarray(0, kernel.read(fd, buffer, 0)))
  } finally {
    kernel.close(fd)
  }
}

/** Answers the errno where it couldn't be had for want of resources. A thread has no id. */
const addId = (pidfds: Pidfds, pid: Pid, process: Mutable<Present>): string | undefined => {
  const fd = pidfds.open(pid)
  if (typeof fd === "string") return isShortage(fd) ? fd : undefined
  try {
    process.processId64 = `${pidfds.inode(fd)}`
    return undefined
  } finally {
    pidfds.close(fd)
  }
}

const readStat = ({ buffer, kernel }: Source, fd: number): ProcStat.ProcStat | undefined =>
  ProcStat.parse(buffer.subarray(0, kernel.read(fd, buffer, 0)))

const addStart = (source: Source, { timeOffset, uptime }: Trusted, ticks: string, process: Mutable<Present>): void => {
  const seconds = uptime ? readUptime(source) : undefined
  if (seconds === undefined) return
  const now = source.kernel.now()
  const startedAt = now + (Number(ticks) / ticksPerSecond - seconds) * 1000
  if (!Number.isFinite(startedAt)) return
  process.startedAt = Math.round(startedAt)
  // A time namespace shifts the ticks and the time since boot alike: only the boot itself has to be shifted back.
  if (timeOffset !== undefined) process.bootedAt = Math.round(now - seconds * 1000 + Number(timeOffset) / 1e6)
}

/**
 * Reads through an open `stat`, which pins the process: after its end, and whoever gets its number then, each read of it
 * is ESRCH. It is read *last*. When that succeeds the number was the process's all the time since it was opened, and so
 * was everything that was looked up by number in between.
 */
const readPinned = (source: Source, trusted: Trusted, pid: Pid, wanted: ObserveDepth, fd: number): Probed => {
  const folder = `${source.root}/${pid}`
  const process: Mutable<Present> = { _tag: "Present", pid }
  if (trusted.pidfds !== undefined && (wanted === "identity" || wanted === "all")) {
    const errno = addId(trusted.pidfds, pid, process)
    if (errno !== undefined) return again(unavailable(pid, "resources", `pidfd_open: ${errno}`))
  }
  if (wanted !== "existence" && wanted !== "identity") addExecutable(source, `${folder}/exe`, wanted, process)
  let status = wanted === "all" ? readStatus(source, folder) : undefined
  let stat = readStat(source, fd)
  if (stat !== undefined && stat.exitSignal === -1 && status === undefined) {
    status = readStatus(source, folder)
    stat = readStat(source, fd)
  }
  const changing = (what: string) => again(unavailable(pid, "malformed", `${folder}/stat: ${what}`))
  if (stat === undefined || stat.pid !== pid) return changing("malformed")
  // The task was taken out of its group between two fields: it ended, or another thread ran execve(2) and takes its place.
  if (stat.threads === 0) return changing("no threads")
  if (stat.exitSignal === -1 && status?.tgid === undefined) return changing("a thread without Tgid in status")
  process.tgid = status?.tgid ?? pid
  process.state = stat.state
  process.threads = stat.threads
  process.startTime = stat.startTime
  if (status?.uid !== undefined) process.uid = status.uid
  if (wanted === "all") process.comm = lossy.decode(stat.comm)
  if (wanted === "executable" || wanted === "all") addStart(source, trusted, stat.startTime, process)
  return process
}

const slow = (source: Source, trusted: Trusted, pid: Pid, wanted: ObserveDepth, secondLook: boolean): Probed => {
  const { kernel, root } = source
  let fd: number
  try {
    fd = kernel.open(`${root}/${pid}/stat`)
  } catch (error) {
    return failure(source, trusted, pid, "stat", expectErrno(error), secondLook)
  }
  try {
    return readPinned(source, trusted, pid, wanted, fd)
  } catch (error) {
    return failure(source, trusted, pid, "read", expectErrno(error), secondLook)
  } finally {
    kernel.close(fd)
  }
}

/** Asks once. `secondLook`: what was there a moment ago isn't to be asked for again. */
export const probe = (
  source: Source,
  trusted: Trusted,
  pid: Pid,
  wanted: ObserveDepth,
  secondLook: boolean
): Probed => {
  const { pidfds } = trusted
  if (pidfds !== undefined) {
    // What needs all of procfs is read there, unless there is nothing to read.
    const isLong = wanted === "executable" || wanted === "all"
    if (isLong && isAbsent(source, pidfds, pid)) return { _tag: "Absent", pid }
    const answer = isLong ? undefined : quick(source, pidfds, pid, wanted)
    if (answer !== undefined) return answer
  }
  const answer = slow(source, trusted, pid, wanted, secondLook)
  if (answer._tag !== "Present") return answer
  // What was read is a process's of this procfs: was it still ours?
  const doubt = checkNamespace(source)
  return doubt === undefined ? answer : unavailable(pid, doubt.reason, doubt.detail)
}
