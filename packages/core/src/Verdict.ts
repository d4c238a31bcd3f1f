/**
 * The judgement: does the process that a sentinel names still live? Pure and total.
 *
 * @since 0.1.0
 */
import type { DirectoryFrame } from "./DirectoryFrame.ts"
import type { LockState } from "./Disk.ts"
import { alive, compared, dead, type Notes, unknown } from "./internal/evidence.ts"
import { isExited, judgeProcess } from "./internal/judgeProcess.ts"
import { describeFirst, isInReach, isLockFree, isSearchable, type Standing, standingOf } from "./internal/standing.ts"
import type { Observation, Present, Wanted } from "./Observation.ts"
import {
  compare,
  compareFirstProcesses,
  type Comparison,
  type HostIdentity,
  initialPidNamespace
} from "./ProcessIdentity.ts"
import type { LockRecord, RecordV3, Sentinel, SentinelV3 } from "./Sentinel.ts"

export { sameExecutable, startMargin } from "./internal/judgeProcess.ts"

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
  | "process-gone"
  | "assumed-dead"
  | "abandoned"
  | "resumed"

/**
 * @category models
 * @since 0.1.0
 */
export type UnknownReason =
  | "other-directory"
  | "other-machine"
  | "machine-unknown"
  | "lock-unknown"
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
  | "lockHolder"
  | "directory"
  | "moved"
  | "bootId"
  | "machineId"
  | "hostname"
  | "virtualMachine"
  | "pidNamespace"
  | "firstProcess"
  | "search"
  | "process"
  | "tgid"
  | "state"
  | "processId64"
  | "timeOffset"
  | "startTime"
  | "executable"
  | "startedAt"
  | "bootedAt"
  | "fileSystem"
  | "legacy"
  | "assumption"
  | "below"

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
 * What a reader that sees every process of the kernel knows about a process that it can't look up by its PID. `Gone`: its
 * PID namespace has no process (`namespace`), or no process of the kernel has its 64-bit id (`processId64`).
 *
 * @category models
 * @since 0.1.0
 */
export type NamespaceProof =
  | { readonly _tag: "Gone"; readonly by: "namespace" | "processId64" }
  | { readonly _tag: "Found"; readonly observation: Observation }
  | { readonly _tag: "Incomplete" }

/**
 * What an operator knows better. `lock`: `inherited`, commands keep the lock that they were started with. `shared`: `trust`,
 * no other kernel has this one's ids, though it runs in a virtual machine. `assumeMoved`: why records of another directory
 * are of this one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Knowledge {
  readonly lock: "self" | "inherited"
  readonly shared: "trust" | "keep"
  readonly assumeMoved?: string
}

/**
 * What the judgement needs besides the record and the process.
 *
 * @category models
 * @since 0.1.0
 */
export interface Circumstances extends Knowledge {
  /** The directory that the sentinel lies in. */
  readonly frame: DirectoryFrame
  /** `DirectoryFrame.fileToken` of the sentinel. */
  readonly file?: string
  /** The later of mtime and ctime of the sentinel, milliseconds since the epoch. */
  readonly changedAt?: number
  /** `keep`: a v1 or v2 record, which names no boot and no namespace, never condemns. */
  readonly legacy: "trust" | "keep"
  /** State of the ownership lock, where it was probed. */
  readonly lockState?: LockState
  /** Asked only where {@link needed} says so. */
  readonly search?: NamespaceProof
}

const isHeld = (lock: LockState | undefined): boolean => lock === "shared" || lock === "exclusive"

/** What keeps the `Dead` of a v1 or v2 record, which has no frame, from being one. */
const restrain = (verdict: Verdict, { frame, legacy }: Circumstances, notes: Notes): Verdict => {
  if (verdict._tag !== "Dead") return verdict
  if (legacy === "keep") {
    notes.legacy = { observed: "keep", result: "not-applicable" }
    return unknown("legacy-kept", notes)
  }
  if (frame.fileSystem?.oneKernel === true) return verdict
  const type = frame.fileSystem?.type
  notes.fileSystem = { observed: type === undefined ? "not known" : `${type}, may be shared`, result: "unknown" }
  return unknown("not-local", notes)
}

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
 * What has to be asked to judge a record: the process under its PID, and the whole kernel where that isn't enough.
 *
 * @category models
 * @since 0.1.0
 */
export interface Needed {
  /** `undefined`: the record and the host decide, or the PID means nothing here. */
  readonly process: Wanted | undefined
  /** Asked of `PidNamespaces`, unless the process has the recorded 64-bit id. */
  readonly search: boolean
}

const nothing: Needed = { process: undefined, search: false }

/**
 * What {@link judge} needs to know.
 *
 * @category judging
 * @since 0.1.0
 */
export const needed = (sentinel: Sentinel, host: HostIdentity, circumstances: Circumstances): Needed => {
  if (isHeld(circumstances.lockState)) return nothing
  if (sentinel._tag !== "V3") return { process: wanted(sentinel), search: false }
  const standing = standingOf(sentinel, host, circumstances, {})
  if (standing.isRebooted) return nothing
  // An equal 64-bit id of a living process outranks every doubt.
  const isWorthALook = isInReach(standing) || sentinel.record.processId64 !== undefined
  return { process: isWorthALook ? wanted(sentinel) : undefined, search: isSearchable(standing) }
}

/**
 * Whether an observation is of the very process that a record names, which lives: by the 64-bit id that no other process of the
 * boot has.
 *
 * @category comparing
 * @since 0.1.0
 */
export const hasRecordedId = (sentinel: Sentinel, observation: Observation | undefined): boolean =>
  hasId(sentinel, observation) && isProcess(observation) && !isExited(observation)

const hasId = (sentinel: Sentinel, observation: Observation | undefined): observation is Present =>
  sentinel._tag === "V3" &&
  observation?._tag === "Present" &&
  compare(sentinel.record.processId64, observation.processId64) === "equal"

const isProcess = ({ pid, tgid = pid }: Present): boolean => tgid === pid

const judgeSeen = (
  sentinel: Sentinel,
  observation: Observation | undefined,
  host: HostIdentity,
  circumstances: Circumstances,
  notes: Notes
): Verdict => {
  if (observation !== undefined) return judgeProcess(sentinel, observation, host, circumstances, notes)
  notes.process = compared(`${sentinel.pid}`, undefined, "unknown")
  return unknown("inspection-failed", notes)
}

/** Whether the PID of a record names one process of the whole kernel. */
const isNamed = ({ pidNamespace, pidNamespaceInit }: RecordV3): boolean =>
  pidNamespace === initialPidNamespace || (pidNamespace !== undefined && pidNamespaceInit !== undefined)

/** What a search says is gone: what the record names, or nothing that it names. */
const goneOf = ({ record }: SentinelV3, search: NamespaceProof | undefined): string | undefined => {
  if (search?._tag !== "Gone") return undefined
  return search.by === "namespace" ? record.pidNamespace : record.processId64
}

/** The PID can't be looked up. */
const judgeElsewhere = (
  sentinel: SentinelV3,
  host: HostIdentity,
  circumstances: Circumstances,
  standing: Standing,
  notes: Notes
): Verdict => {
  const { record } = sentinel
  const { lock, search } = circumstances
  const gone = goneOf(sentinel, search)
  if (search?._tag === "Gone" && gone !== undefined) {
    notes.search = { recorded: gone, observed: "no process of this kernel", result: "different" }
    return dead(search.by === "namespace" ? "namespace-gone" : "process-gone", notes)
  }
  if (search?._tag === "Found" && (isNamed(record) || hasId(sentinel, search.observation))) {
    return judgeSeen(sentinel, search.observation, host, circumstances, notes)
  }
  if (isLockFree(sentinel, circumstances, standing)) {
    if (lock === "inherited") notes.lockHolder = compared(record.lock?.holder, "inherited", "not-applicable")
    return dead("lock-free", notes)
  }
  if (standing.isContradicted) return unknown("other-machine", notes)
  return unknown(standing.boot === "unknown" ? "boot-unknown" : "other-pid-namespace", notes)
}

const judgeV3 = (
  sentinel: SentinelV3,
  observation: Observation | undefined,
  host: HostIdentity,
  circumstances: Circumstances,
  notes: Notes
): Verdict => {
  const standing = standingOf(sentinel, host, circumstances, notes)
  const { cap, isRebooted } = standing
  if (isRebooted) return dead("rebooted", notes)
  // The ids start again with each boot: one of another boot is no sign of life.
  const isOfOtherBoot = notes.bootId?.result === "different"
  if (!isOfOtherBoot && hasRecordedId(sentinel, observation)) {
    return judgeSeen(sentinel, observation, host, circumstances, notes)
  }
  // In an earlier boot the process is gone, in this one it is where the PID says: who isn't there is gone in both.
  if (cap === undefined) {
    return isInReach(standing)
      ? judgeSeen(sentinel, observation, host, circumstances, notes)
      : judgeElsewhere(sentinel, host, circumstances, standing, notes)
  }
  if (!isInReach(standing)) return unknown(cap, notes)
  // Wherever the record was made, a living process of this boot stays alive.
  const seen = judgeSeen(sentinel, observation, host, circumstances, notes)
  return seen._tag === "Alive" && standing.boot === "this" ? seen : unknown(cap, notes)
}

/** The lock that a record claims, in words. */
const claimOf = (sentinel: Sentinel): string | undefined =>
  sentinel._tag === "V3" && sentinel.record.lock !== undefined ? describeLock(sentinel.record.lock) : undefined

const describeLock = ({ holder, kind, tested }: LockRecord): string =>
  `${kind} ${holder === "self" ? "of its own" : "that it inherited"}, ${tested ? "tested" : "not tested"}`

/** A record that claims a lock which can't be asked: its holder may live. */
const withLock = (verdict: Verdict, { record }: SentinelV3, { lockState }: Circumstances): Verdict =>
  verdict._tag === "Dead" && verdict.reason !== "rebooted" && record.lock !== undefined && lockState === "unknown"
    ? unknown("lock-unknown", verdict.evidence)
    : verdict

/**
 * Judges one record. The first decisive datum wins; each is compared only where writer and reader are known to look at the
 * same thing. A missing one is *unknown*, never *different*; a permission error is never *dead*. `observation` is of
 * `sentinel.pid`, where {@link needed} asks for it.
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
  const { lockState } = circumstances
  if (lockState !== undefined) {
    notes.lock = compared(claimOf(sentinel), lockState, "not-applicable")
    if (isHeld(lockState)) return alive("lock-held", notes)
  }
  if (sentinel._tag === "V3") {
    return withLock(judgeV3(sentinel, observation, host, circumstances, notes), sentinel, circumstances)
  }
  return restrain(judgeSeen(sentinel, observation, host, circumstances, notes), circumstances, notes)
}

/** Whether two records name one PID namespace. Without its boot, number and start may be those of another one. */
const sameNamespace = (a: RecordV3, b: RecordV3): boolean =>
  a.pidNamespace !== initialPidNamespace &&
  compare(a.pidNamespace, b.pidNamespace) === "equal" &&
  compare(a.bootId, b.bootId) === "equal" &&
  compareFirstProcesses(a.pidNamespaceInit, a.timeOffset, b.pidNamespaceInit, b.timeOffset) === "equal"

/** Whether a record names the first process of its own PID namespace. */
const isFirst = ({ pid, record }: SentinelV3): boolean => {
  const first = record.pidNamespaceInit
  if (pid !== 1 || first === undefined) return false
  const byId = compare(first.processId64, record.processId64)
  return byId === "unknown" ? first.startTime === record.startTime : byId === "equal"
}

/** Whether the PID namespace is the only doubt: the directory is the record's own, and the lock isn't in doubt. */
const isDoomable = ({ record }: SentinelV3, { evidence, reason }: Verdict): boolean =>
  (reason === "other-pid-namespace" || reason === "boot-unknown") &&
  (evidence.directory?.result === "equal" || evidence.moved !== undefined) &&
  (record.lock === undefined || evidence.lock?.observed !== "unknown")

/**
 * The kernel ends a PID namespace with its first process: an owner that was the first process of its namespace, and is
 * proved gone, has doomed all records of exactly that namespace. Of an unknown verdict a dead one, or the same.
 *
 * @category judging
 * @since 0.1.0
 */
export const doom = (sentinel: Sentinel, verdict: Verdict, gone: ReadonlyArray<Sentinel>): Verdict => {
  if (verdict._tag !== "Unknown" || sentinel._tag !== "V3" || !isDoomable(sentinel, verdict)) return verdict
  const first = gone.find(
    (other) => other._tag === "V3" && isFirst(other) && sameNamespace(other.record, sentinel.record)
  )
  if (first === undefined) return verdict
  const firstProcess = compared(
    describeFirst(sentinel.record.pidNamespaceInit),
    `process ${first.pid}, the first of the namespace, is gone`,
    "different"
  )
  return dead("namespace-gone", { ...verdict.evidence, firstProcess })
}
