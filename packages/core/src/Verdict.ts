/**
 * The judgement: does the process that a sentinel names still live? Pure and total.
 *
 * @since 0.1.0
 */
import { isoTime } from "./internal/isoTime.ts"
import type { Observation, Present, Wanted } from "./Observation.ts"
import { compare, compareStartTokens, type Comparison, type HostIdentity } from "./ProcessIdentity.ts"
import { executableOf, type Sentinel, type SentinelV3 } from "./Sentinel.ts"

/**
 * @category models
 * @since 0.1.0
 */
export type AliveReason = "lock-held" | "matches" | "pid-alive"

/**
 * @category models
 * @since 0.1.0
 */
export type DeadReason =
  | "rebooted"
  | "pid-dead"
  | "not-a-process"
  | "zombie"
  | "identity-mismatch"
  | "start-time-mismatch"
  | "exe-mismatch"
  | "lock-free"
  | "namespace-gone"
  | "assumed-dead"
  | "abandoned"
  | "resumed"

/**
 * @category models
 * @since 0.1.0
 */
export type UnknownReason =
  | "other-machine"
  | "boot-unknown"
  | "other-pid-namespace"
  | "permission-denied"
  | "not-comparable"
  | "exe-changed"
  | "no-procfs"
  | "inspection-failed"
  | "legacy-kept"
  | "not-local"

/**
 * One datum that was compared, and both values of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Compared {
  readonly recorded?: string
  readonly observed?: string
  readonly result: Comparison
}

/**
 * @category models
 * @since 0.1.0
 */
export type Datum =
  | "lock"
  | "bootId"
  | "machineId"
  | "hostname"
  | "pidNamespace"
  | "process"
  | "tgid"
  | "state"
  | "processId64"
  | "timeNamespace"
  | "startTime"
  | "executable"
  | "startedAt"
  | "fileSystem"
  | "legacy"
  | "assumption"

/**
 * All that was compared, in the order in which it was.
 *
 * @category models
 * @since 0.1.0
 */
export type Evidence = { readonly [K in Datum]?: Compared }

/**
 * Only `Dead` can reach a delete.
 *
 * @category models
 * @since 0.1.0
 */
export type Verdict =
  | { readonly _tag: "Alive"; readonly reason: AliveReason; readonly evidence: Evidence }
  | { readonly _tag: "Dead"; readonly reason: DeadReason; readonly evidence: Evidence }
  | { readonly _tag: "Unknown"; readonly reason: UnknownReason; readonly evidence: Evidence }

/**
 * What a reader that sees every process of the kernel knows about another PID namespace.
 *
 * @category models
 * @since 0.1.0
 */
export type NamespaceProof =
  | { readonly _tag: "Gone" }
  | { readonly _tag: "Found"; readonly observation: Observation }
  | { readonly _tag: "Incomplete" }

/**
 * What the judgement needs besides the record and the process.
 *
 * @category models
 * @since 0.1.0
 */
export interface Circumstances {
  /** The sentinel lies on a file system known to be of this machine alone. */
  readonly localFileSystem: boolean
  /** Modification time of the sentinel, milliseconds since the epoch. */
  readonly writtenAt?: number
  /** `keep`: a v1 or v2 record, which names no boot and no namespace, never condemns. */
  readonly legacy: "trust" | "keep"
  /** State of the ownership lock, where it was probed. */
  readonly lock?: "busy" | "free" | "unknown"
  /** Asked only for a record of another PID namespace. */
  readonly namespace?: NamespaceProof
}

/**
 * A process must have started this many milliseconds after a v2 record was written to be certainly not its writer: mtime
 * and the start tick are rounded, and the wall clock is slewed between them.
 *
 * @category constants
 * @since 0.1.0
 */
export const startMargin = 2000

type Notes = { -readonly [K in Datum]?: Compared }

const compared = (recorded: string | undefined, observed: string | undefined, result: Comparison): Compared => {
  if (recorded === undefined) return observed === undefined ? { result } : { observed, result }
  return observed === undefined ? { recorded, result } : { recorded, observed, result }
}

const alive = (reason: AliveReason, evidence: Evidence): Verdict => ({ _tag: "Alive", reason, evidence })
const dead = (reason: DeadReason, evidence: Evidence): Verdict => ({ _tag: "Dead", reason, evidence })
const unknown = (reason: UnknownReason, evidence: Evidence): Verdict => ({ _tag: "Unknown", reason, evidence })

// Of very many directories most say the same of the host: one object holds it for all of them.
const lately: Notes = {}

const note = (notes: Notes, datum: Datum, recorded: string | undefined, observed: string | undefined): Comparison => {
  const result = compare(recorded, observed)
  const last = lately[datum]
  notes[datum] =
    last !== undefined && last.recorded === recorded && last.observed === observed && last.result === result
      ? last
      : // What is recorded may be a part of a longer text, and keep the whole of it in memory.
        (lately[datum] = compared(result === "equal" ? observed : recorded, observed, result))
  return result
}

const judgeBoot = (
  { record }: SentinelV3,
  host: HostIdentity,
  circumstances: Circumstances,
  notes: Notes
): Verdict | undefined => {
  const boot = note(notes, "bootId", record.bootId, host.bootId)
  if (boot === "equal") return undefined
  if (boot === "unknown") return unknown("boot-unknown", notes)
  if (note(notes, "machineId", record.machineId, host.machineId) !== "equal") return unknown("other-machine", notes)
  if (circumstances.localFileSystem) return dead("rebooted", notes)
  // Clones of one image share a machine id; on a shared file system the host name must vouch for it too.
  return note(notes, "hostname", record.hostname, host.hostname) === "equal"
    ? dead("rebooted", notes)
    : unknown("other-machine", notes)
}

const judgeNamespace = ({ record }: SentinelV3, circumstances: Circumstances, notes: Notes): Verdict | undefined => {
  const proof = circumstances.namespace
  if (proof?._tag === "Gone") return dead("namespace-gone", notes)
  if (proof?._tag === "Found") return undefined
  const { lock } = record
  return circumstances.lock === "free" && circumstances.localFileSystem && lock?.tested && lock.survivesExec
    ? dead("lock-free", notes)
    : unknown("other-pid-namespace", notes)
}

const judgeScope = (
  sentinel: Sentinel,
  host: HostIdentity,
  circumstances: Circumstances,
  notes: Notes
): Verdict | undefined => {
  if (circumstances.lock !== undefined) {
    notes.lock = { observed: circumstances.lock, result: "not-applicable" }
    if (circumstances.lock === "busy") return alive("lock-held", notes)
  }
  if (sentinel._tag !== "V3") return undefined
  const byBoot = judgeBoot(sentinel, host, circumstances, notes)
  if (byBoot !== undefined) return byBoot
  if (host.namespaces === "none") {
    notes.pidNamespace = compared(sentinel.record.pidNamespace, undefined, "not-applicable")
    return undefined
  }
  return note(notes, "pidNamespace", sentinel.record.pidNamespace, host.pidNamespace) === "different"
    ? judgeNamespace(sentinel, circumstances, notes)
    : undefined
}

const isExited = (process: Present): boolean =>
  (process.state === "Z" || process.state === "X") && process.threads !== undefined && process.threads <= 1

const judgeIdentity = ({ record }: SentinelV3, process: Present, host: HostIdentity, notes: Notes): Verdict => {
  const id = note(notes, "processId64", record.processId64, process.processId64)
  if (id === "equal") return alive("matches", notes)
  if (id === "different") return dead("identity-mismatch", notes)
  const clock =
    host.namespaces === "none"
      ? "not-applicable"
      : note(notes, "timeNamespace", record.timeNamespace, host.timeNamespace)
  const start =
    clock === "equal" || clock === "not-applicable"
      ? compareStartTokens(record.startTime, process.startTime)
      : "unknown"
  notes.startTime = compared(record.startTime, process.startTime, start)
  if (start === "different") return dead("start-time-mismatch", notes)
  return start === "equal" ? alive("matches", notes) : unknown("not-comparable", notes)
}

const deletedSuffix = " (deleted)"
const baseName = (path: string): string => path.slice(path.lastIndexOf("/") + 1)

/**
 * Whether a recorded executable is the one the kernel names. The kernel appends " (deleted)" to the path of a removed
 * file, `proc_pid_exe(5)`, and a file may really be named so. A bare name is compared with the last component.
 *
 * @category comparing
 * @since 0.1.0
 */
export const sameExecutable = (recorded: string, observed: string): boolean => {
  const candidates = observed.endsWith(deletedSuffix)
    ? [observed, observed.slice(0, -deletedSuffix.length)]
    : [observed]
  return candidates.some((path) => (recorded.includes("/") ? path : baseName(path)) === recorded)
}

const judgeExecutable = (recorded: string, process: Present, circumstances: Circumstances, notes: Notes): Verdict => {
  const observed = process.exe?.path
  if (observed === undefined) {
    notes.executable = compared(recorded, process.exeError, "unknown")
    return unknown("permission-denied", notes)
  }
  const same = sameExecutable(recorded, observed)
  notes.executable = compared(recorded, observed, same ? "equal" : "different")
  if (same) return alive("matches", notes)
  const { startedAt } = process
  const { writtenAt } = circumstances
  const isYounger = startedAt !== undefined && writtenAt !== undefined && startedAt >= writtenAt + startMargin
  const iso = (time: number | undefined) => (time === undefined ? undefined : isoTime(time))
  notes.startedAt = compared(
    iso(writtenAt),
    iso(startedAt),
    startedAt === undefined || writtenAt === undefined ? "unknown" : isYounger ? "different" : "equal"
  )
  // A process as old as the record can't have recycled the number: it is the owner, and its binary was renamed.
  return isYounger ? dead("exe-mismatch", notes) : unknown("exe-changed", notes)
}

const judgeProcess = (
  sentinel: Sentinel,
  observation: Observation,
  host: HostIdentity,
  circumstances: Circumstances,
  notes: Notes
): Verdict => {
  const recorded = `${sentinel.pid}`
  if (observation._tag === "Unavailable") {
    notes.process = compared(recorded, observation.detail, "unknown")
    return unknown(observation.reason === "no-procfs" ? "no-procfs" : "inspection-failed", notes)
  }
  if (observation._tag === "Hidden") {
    notes.process = compared(recorded, observation.detail, "unknown")
    return unknown("permission-denied", notes)
  }
  if (observation._tag === "Absent") {
    notes.process = compared(recorded, "absent", "different")
    return dead("pid-dead", notes)
  }
  notes.process = compared(recorded, observation.comm ?? "present", "equal")
  if (observation.tgid !== undefined) {
    const isThread = observation.tgid !== observation.pid
    notes.tgid = compared(`${observation.pid}`, `${observation.tgid}`, isThread ? "different" : "equal")
    if (isThread) return dead("not-a-process", notes)
  }
  if (observation.state !== undefined) {
    const threads = observation.threads === undefined ? "" : `, ${observation.threads} thread(s)`
    notes.state = { observed: `${observation.state}${threads}`, result: "not-applicable" }
    if (isExited(observation)) return dead("zombie", notes)
  }
  if (sentinel._tag === "V3") return judgeIdentity(sentinel, observation, host, notes)
  const executable = executableOf(sentinel)
  return executable === undefined
    ? alive("pid-alive", notes)
    : judgeExecutable(executable, observation, circumstances, notes)
}

/** What keeps a `Dead` of the process from being a `Dead` of the owner. */
const restrain = (verdict: Verdict, sentinel: Sentinel, circumstances: Circumstances, notes: Notes): Verdict => {
  if (verdict._tag !== "Dead") return verdict
  if (sentinel._tag === "V3") {
    // The number was looked up in our namespace. Nothing that was seen there is about a process of another one.
    return notes.pidNamespace?.result === "unknown" ? unknown("other-pid-namespace", notes) : verdict
  }
  if (circumstances.legacy === "keep") {
    notes.legacy = { observed: "keep", result: "not-applicable" }
    return unknown("legacy-kept", notes)
  }
  if (circumstances.localFileSystem) return verdict
  notes.fileSystem = { observed: "not known to be local", result: "unknown" }
  return unknown("not-local", notes)
}

/**
 * What the record and the host alone decide, before any process is looked at; `undefined` where they don't.
 *
 * @category judging
 * @since 0.1.0
 */
export const scope = (sentinel: Sentinel, host: HostIdentity, circumstances: Circumstances): Verdict | undefined =>
  judgeScope(sentinel, host, circumstances, {})

/**
 * How much must be known about the process to judge the record.
 *
 * @category judging
 * @since 0.1.0
 */
export const wanted = (sentinel: Sentinel): Wanted => {
  switch (sentinel._tag) {
    case "V1":
      return "existence"
    case "V2":
      return "executable"
    case "V3":
      // "identity" may stop at the 64-bit id; a record without one needs the start token.
      return sentinel.record.processId64 === undefined ? "executable" : "identity"
  }
}

/**
 * How much must be known about the process to see that the record's owner lives: mostly less than {@link wanted}.
 *
 * @category judging
 * @since 0.1.0
 */
export const wantedOfLife = (sentinel: Sentinel): Wanted => (sentinel._tag === "V2" ? "path" : wanted(sentinel))

/**
 * Judges one record. The first decisive datum wins; a missing one is *unknown*, never *different*; a permission error
 * is never *dead*. `observation` is of `sentinel.pid`, and isn't needed where {@link scope} decides.
 *
 * @category judging
 * @since 0.1.0
 */
export const judge = (
  sentinel: Sentinel,
  observation: Observation | undefined,
  host: HostIdentity,
  circumstances: Circumstances
): Verdict => {
  const notes: Notes = {}
  const byScope = judgeScope(sentinel, host, circumstances, notes)
  if (byScope !== undefined) return byScope
  const seen = circumstances.namespace?._tag === "Found" ? circumstances.namespace.observation : observation
  if (seen === undefined) {
    notes.process = compared(`${sentinel.pid}`, undefined, "unknown")
    return unknown("inspection-failed", notes)
  }
  return restrain(judgeProcess(sentinel, seen, host, circumstances, notes), sentinel, circumstances, notes)
}
