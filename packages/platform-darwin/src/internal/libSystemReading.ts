/** Combines the answers of several calls about one PID into one observation. */
import type { Observation, Present } from "@vm-sentinel/core/Observation"
import type { Pid } from "@vm-sentinel/core/ProcessIdentity"
import { type Answer, describe } from "./answer.ts"
import type { ProcessInfo } from "./processStructs.ts"

export interface Reading {
  readonly pid: Pid
  /** `p_uniqueid`. */
  readonly uniqueId: Answer<string>
  /**
   * Whether `proc_pidinfo` finds the PID: the answer of `uniqueId` or, if that one is unusable, the answer of another
   * flavor.
   */
  readonly listed: Answer<unknown>
  /** Start, state and uid. */
  readonly info: Answer<ProcessInfo>
  /** `proc_pidpath`, if it was asked. */
  readonly path?: Answer<string>
  /** Time of the kernel's boot, in milliseconds since the epoch. */
  readonly bootedAt?: number
}

export type Settled =
  | { readonly _tag: "Settled"; readonly observation: Observation }
  /** The process changed between two calls, or two calls contradict each other. */
  | { readonly _tag: "Torn"; readonly detail: string }

const settled = (observation: Observation): Settled => ({ _tag: "Settled", observation })
export const torn = (detail: string): Settled => ({ _tag: "Torn", detail })

const evidenceOf = (info: ProcessInfo, bootedAt: number | undefined) => ({
  state: info.state,
  // macOS ends all threads of a process before the process becomes a zombie, so `threads` is 1 at most.
  ...(info.state === "Z" ? { threads: 1 } : {}),
  startTime: info.started.toString(),
  startedAt: Number(info.started / 1000n),
  ...(bootedAt === undefined ? {} : { bootedAt }),
  uid: info.uid,
  ...(info.comm === "" ? {} : { comm: info.comm })
})

const executableOf = (path: Answer<string> | undefined): Pick<Present, "exe" | "exeError"> => {
  if (path === undefined) return {}
  if (path._tag === "Found") return { exe: { path: path.value } }
  return { exeError: path._tag === "Refused" ? "permission-denied" : "not-available" }
}

const present = ({ bootedAt, info, path, pid, uniqueId }: Reading): Present => ({
  _tag: "Present",
  pid,
  ...(uniqueId._tag === "Found" ? { processId64: uniqueId.value } : {}),
  ...(info._tag === "Found" ? evidenceOf(info.value, bootedAt) : {}),
  ...executableOf(path)
})

const refusal = ({ info, listed, pid, uniqueId }: Reading): Observation => {
  const answers = [uniqueId, ...(listed === uniqueId ? [] : [listed]), info]
  const detail = answers
    .map(describe)
    .filter((detail) => detail !== undefined)
    .join(", ")
  if (answers.some((answer) => answer._tag === "Refused")) return { _tag: "Hidden", pid, detail }
  const unusable = answers.find((answer) => answer._tag === "Unusable")
  return { _tag: "Unavailable", pid, reason: unusable?.reason ?? "malformed", detail }
}

/**
 * A process is present if `uniqueId` or `info` found it and no call reports that there is none. A process is absent
 * only if `proc_pidinfo` (zombies included), `sysctl` and `kill` all report that there is none. A call that was refused
 * doesn't count as such a report.
 */
export const settle = (reading: Reading, probe: (pid: number) => string): Settled => {
  const { info, listed, pid, uniqueId } = reading
  const isFound = uniqueId._tag === "Found" || info._tag === "Found"
  const isGone = listed._tag === "Gone" || info._tag === "Gone"
  if (isFound && isGone) return torn(`proc_pidinfo: ${listed._tag}, sysctl: ${info._tag}`)
  if (isFound) return settled(present(reading))
  if (listed._tag !== "Gone" || info._tag !== "Gone") return settled(refusal(reading))
  const errno = probe(pid)
  return errno === "ESRCH" ? settled({ _tag: "Absent", pid }) : torn(`proc_pidinfo: Gone, sysctl: Gone, kill: ${errno}`)
}
