/** Looks at one PID once. Defines the meaning of each answer of the kernel. */
import { isRefusal, isShortage } from "@vm-sentinel/core/Errno"
import type { Observation, Present, Unavailable, ObserveDepth } from "@vm-sentinel/core/Observation"
import type { Pid } from "@vm-sentinel/core/ProcessIdentity"
import { expectErrno } from "../Kernel.ts"
import type { Pidfds } from "../Pidfd.ts"
import * as ProcStat from "../ProcStat.ts"
import * as ProcStatus from "../ProcStatus.ts"
import { checkNamespace, readUptime, type Source, type Trusted } from "./procfs.ts"

/**
 * The caller has to look again, because the process changed meanwhile or a call failed. `otherwise`: the observation if
 * this was the last attempt.
 */
interface Again {
  readonly _tag: "Again"
  readonly otherwise: Observation
}

type Probed = Observation | Again

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/**
 * `USER_HZ`, the unit of every time in procfs, whatever the kernel's own tick is. 100 on each architecture that Node
 * runs on (1024 on alpha and ia64). `sysconf(_SC_CLK_TCK)` would need native code.
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

/** Looks at a process by its pidfd alone, because `/proc` hides the process, from everybody or from this user. */
const byPidfd = (source: Source, pidfds: Pidfds, pid: Pid, detail: string): Probed => {
  const hidden: Observation = { _tag: "Hidden", pid, detail }
  const fd = pidfds.open(pid)
  // ESRCH: the process ended meanwhile. ENOENT or EINVAL: `pid` is a thread. Any other errno: the call was refused, or
  // failed for want of a resource.
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

/**
 * Interprets a missing `/proc/<pid>`. Either no process has the PID, or `/proc` hides the process. Only `kill(2)` shows
 * which, because no mount option of procfs hides a process from `kill(2)`.
 */
const missing = (source: Source, trusted: Trusted, pid: Pid, call: string, secondLook: boolean): Probed => {
  const answer = (trusted.pidfds ?? source.kernel).kill(pid)
  if (answer === "ESRCH") return { _tag: "Absent", pid }
  const detail = `${call}: ENOENT, kill: ${answer ?? "allowed"}`
  // The process may have started just now.
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

/** Whether `kill(2)` and procfs both report no process. Asks procfs by `exists`, since an `open` that fails throws. */
const isAbsent = ({ kernel, root }: Source, pidfds: Pidfds, pid: Pid): boolean => {
  try {
    return pidfds.kill(pid) === "ESRCH" && !kernel.exists(`${root}/${pid}`)
  } catch (error) {
    expectErrno(error)
    return false
  }
}

/**
 * Looks at a process by its pidfd, which pins the process. If the last call shows that the process hasn't exited, the
 * process had its PID during all calls before. `undefined`: procfs has to be read.
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
    // The link may be of another process that has this PID in the procfs of another namespace.
    if (wanted === "path" && checkNamespace(source) !== undefined) return undefined
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

/** Adds the 64-bit id. Returns the errno of a call that lacked a resource. A thread has no id. */
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
  // A time namespace shifts the start ticks and the uptime by the same offset. The offset cancels out in `startedAt`,
  // and has to be undone in `bootedAt`.
  if (timeOffset !== undefined) process.bootedAt = Math.round(now - seconds * 1000 + Number(timeOffset) / 1e6)
}

/**
 * Reads a process through its open `stat`, which pins the process. After the end of the process each read of that
 * descriptor fails with ESRCH, even if the PID is recycled. `stat` is read *last*. If that read succeeds, the process
 * has had its PID since `stat` was opened, and everything that was looked up by the PID meanwhile belongs to the
 * process.
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
  // The task left its group while the kernel wrote the fields. Either the task ended, or another thread ran execve(2)
  // and takes its place.
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

/**
 * Looks at a PID once. `secondLook`: this look repeats another one. A process that `/proc` still doesn't show is hidden
 * then.
 */
export const probe = (
  source: Source,
  trusted: Trusted,
  pid: Pid,
  wanted: ObserveDepth,
  secondLook: boolean
): Probed => {
  const { pidfds } = trusted
  if (pidfds !== undefined) {
    // `executable` and `all` need procfs, unless there is no process.
    const isLong = wanted === "executable" || wanted === "all"
    if (isLong && isAbsent(source, pidfds, pid)) return { _tag: "Absent", pid }
    const answer = isLong ? undefined : quick(source, pidfds, pid, wanted)
    if (answer !== undefined) return answer
  }
  const answer = slow(source, trusted, pid, wanted, secondLook)
  if (answer._tag !== "Present") return answer
  // The observation is of a process of this procfs. This check shows whether the procfs is still that of the caller's
  // namespace.
  const doubt = checkNamespace(source)
  return doubt === undefined ? answer : unavailable(pid, doubt.reason, doubt.detail)
}
