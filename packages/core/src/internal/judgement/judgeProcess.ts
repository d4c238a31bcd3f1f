/** Compares the process that a record names with the process that the kernel has under the same PID. */
import type { OwnerInputs } from "../../JudgeInputs.ts"
import { isExited, type Observation, type Present } from "../../Observation.ts"
import { compareShiftedTokens, compareStartTokens, type HostIdentity } from "../../ProcessIdentity.ts"
import { executableOf, type Sentinel, type SentinelV3 } from "../../Sentinel.ts"
import type { Verdict } from "../../Evidence.ts"
import { alive, compared, dead, note, type Notes, unknown } from "./evidence.ts"
import { isoTime } from "./isoTime.ts"
import { baseName } from "../paths.ts"

/** Milliseconds, see `Verdict.startMargin`. */
export const startMargin = 2000

const judgeIdentity = ({ record }: SentinelV3, process: Present, host: HostIdentity, notes: Notes): Verdict => {
  const id = note(notes, "processId64", record.processId64, process.processId64)
  if (id === "equal") return alive("matches", "processId64", notes)
  if (id === "different") return dead("identity-mismatch", "processId64", notes)
  const start =
    host.namespaces === "none"
      ? compareStartTokens(record.startTime, process.startTime)
      : compareShiftedTokens(record.startTime, record.timeOffset, process.startTime, host.timeOffset)
  if (host.namespaces !== "none") note(notes, "timeOffset", record.timeOffset, host.timeOffset)
  notes.startTime = compared(record.startTime, process.startTime, start)
  if (start === "different") return dead("start-time-mismatch", "startTime", notes)
  return start === "equal" ? alive("matches", "startTime", notes) : unknown("not-comparable", "startTime", notes)
}

const deletedSuffix = " (deleted)"
export const sameExecutable = (recorded: string, observed: string): boolean => {
  const candidates = observed.endsWith(deletedSuffix)
    ? [observed, observed.slice(0, -deletedSuffix.length)]
    : [observed]
  return candidates.some((path) => (recorded.includes("/") ? path : baseName(path)) === recorded)
}

const judgeExecutable = (recorded: string, process: Present, { changedAt }: OwnerInputs, notes: Notes): Verdict => {
  const observed = process.exe?.path
  if (observed === undefined) {
    notes.executable = compared(recorded, process.exeError, "unknown")
    return unknown("permission-denied", "executable", notes)
  }
  const same = sameExecutable(recorded, observed)
  notes.executable = compared(recorded, observed, same ? "equal" : "different")
  if (same) return alive("matches", "executable", notes)
  const { bootedAt, startedAt } = process
  // A record dated before this boot is of an earlier boot, or of this boot with a wrong clock. Nothing distinguishes
  // the two.
  const isOfThisBoot = bootedAt !== undefined && changedAt !== undefined && changedAt >= bootedAt
  const isYounger =
    isOfThisBoot && startedAt !== undefined && changedAt !== undefined && startedAt >= changedAt + startMargin
  const iso = (time: number | undefined) => (time === undefined ? undefined : isoTime(time))
  notes.startedAt = compared(
    iso(changedAt),
    iso(startedAt),
    startedAt === undefined || changedAt === undefined ? "unknown" : isYounger ? "different" : "equal"
  )
  if (!isOfThisBoot) {
    const result = bootedAt === undefined || changedAt === undefined ? "unknown" : "different"
    notes.bootedAt = compared(iso(changedAt), iso(bootedAt), result)
  }
  // A process that isn't provably younger than the record may be the owner, with a renamed executable.
  return isYounger
    ? dead("exe-mismatch", "executable", notes)
    : unknown("exe-changed", isOfThisBoot ? "startedAt" : "bootedAt", notes)
}

export const judgeProcess = (
  sentinel: Sentinel,
  observation: Observation,
  inputs: OwnerInputs,
  host: HostIdentity,
  notes: Notes
): Verdict => {
  const recorded = `${sentinel.pid}`
  if (observation._tag === "Unavailable") {
    notes.process = compared(recorded, observation.detail, "unknown")
    return unknown(observation.reason === "no-procfs" ? "no-procfs" : "inspection-failed", "process", notes)
  }
  if (observation._tag === "Hidden") {
    notes.process = compared(recorded, observation.detail, "unknown")
    return unknown("permission-denied", "process", notes)
  }
  if (observation._tag === "Absent") {
    notes.process = compared(recorded, "absent", "different")
    return dead("pid-dead", "process", notes)
  }
  notes.process = compared(recorded, observation.comm ?? "present", "equal")
  if (observation.tgid !== undefined) {
    const isThread = observation.tgid !== observation.pid
    notes.tgid = compared(`${observation.pid}`, `${observation.tgid}`, isThread ? "different" : "equal")
    if (isThread) return dead("not-a-process", "tgid", notes)
  }
  if (observation.state !== undefined) {
    const threads = observation.threads === undefined ? "" : `, ${observation.threads} thread(s)`
    notes.state = { observed: `${observation.state}${threads}`, result: "not-applicable" }
    if (isExited(observation)) return dead("zombie", "state", notes)
  }
  if (sentinel._tag === "V3") return judgeIdentity(sentinel, observation, host, notes)
  const executable = executableOf(sentinel)
  return executable === undefined
    ? alive("pid-alive", "process", notes)
    : judgeExecutable(executable, observation, inputs, notes)
}
