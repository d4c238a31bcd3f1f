/**
 * The judgement of one owner, which says whether the process that a sentinel names still lives. Pure. Never throws.
 *
 * @since 0.1.0
 */
import type { Verdict } from "./Evidence.ts"
import { alive, compared, dead, type Notes, unknown } from "./internal/judgement/evidence.ts"
import * as JudgeProcess from "./internal/judgement/judgeProcess.ts"
import {
  describeFirst,
  isInReach,
  isLockFree,
  isSearchable,
  type Standing,
  standingOf
} from "./internal/judgement/standing.ts"
import type { OwnerInputs, Reader } from "./JudgeInputs.ts"
import type { LockState } from "./LockState.ts"
import { isExited, type Observation, type Present, type ObserveDepth } from "./Observation.ts"
import type { NamespaceProof } from "./PidNamespaces.ts"
import { compare, compareFirstProcesses, initialPidNamespace } from "./ProcessIdentity.ts"
import { type LockRecord, type RecordV3, type Sentinel, type SentinelV3, sweepRole } from "./Sentinel.ts"

/**
 * Milliseconds. A process that started at least this time after the last change of a v2 sentinel isn't the recorded
 * process. The margin covers the rounding of file times and start ticks, and the slewing of the wall clock between the
 * two.
 *
 * @category constants
 * @since 0.1.0
 */
export const startMargin: number = JudgeProcess.startMargin

/**
 * Whether a recorded executable is the one that the kernel names. The kernel appends " (deleted)" to the path of a
 * removed file, `proc_pid_exe(5)`. The name of a file may also end in " (deleted)". A recorded name without a directory
 * is compared with the last component of the observed path.
 *
 * @category comparing
 * @since 0.1.0
 */
export const sameExecutable: (recorded: string, observed: string) => boolean = JudgeProcess.sameExecutable

const isHeld = (lock: LockState | undefined): boolean => lock === "shared" || lock === "exclusive"

/**
 * A v1 or v2 record names neither boot nor PID namespace. Its `dead` stands only if the operator trusts such records,
 * and only one kernel can have mounted the file system. Otherwise it becomes `unknown`.
 */
const limitLegacy = (verdict: Verdict, { frame, knowledge }: Reader, notes: Notes): Verdict => {
  if (verdict.verdict !== "dead") return verdict
  if (knowledge.legacy === "keep") {
    notes.legacy = { observed: "keep", result: "not-applicable" }
    return unknown("legacy-kept", "legacy", notes)
  }
  if (frame.fileSystem?.oneKernel === true) return verdict
  const type = frame.fileSystem?.type
  notes.fileSystem = { observed: type === undefined ? "not known" : `${type}, may be shared`, result: "unknown" }
  return unknown("not-local", "fileSystem", notes)
}

/**
 * Depth of the observation by which a record is judged.
 *
 * @category judging
 * @since 0.1.0
 */
export const depthFor = (sentinel: Sentinel): ObserveDepth => {
  switch (sentinel._tag) {
    case "V1":
      return "existence"
    case "V2":
      return "executable"
    case "V3":
      // "identity" may read the 64-bit id and no start token. A record without the id is judged by the start token.
      return sentinel.record.processId64 === undefined ? "executable" : "identity"
  }
}

/**
 * Depth of the observation by which a living owner is recognised. For v2 records it reads less than {@link depthFor}.
 *
 * @category judging
 * @since 0.1.0
 */
export const depthForLiveness = (sentinel: Sentinel): ObserveDepth =>
  sentinel._tag === "V2" ? "path" : depthFor(sentinel)

/**
 * Observations that {@link judge} needs, once the state of the lock is known.
 *
 * @category models
 * @since 0.1.0
 */
export interface Needed {
  /** Depth of the observation of the recorded PID. `undefined`: no observation of the PID can change the verdict. */
  readonly process: ObserveDepth | undefined
  /**
   * Whether `PidNamespaces` has to be searched. A search isn't needed if the observed process has the recorded 64-bit
   * id.
   */
  readonly search: boolean
}

const nothing: Needed = { process: undefined, search: false }

/**
 * The observations that {@link judge} needs. Of `inputs.observed` only `lockState` is used.
 *
 * @category judging
 * @since 0.1.0
 */
export const needed = (sentinel: Sentinel, inputs: OwnerInputs, reader: Reader): Needed => {
  if (isHeld(inputs.observed.lockState)) return nothing
  if (sentinel._tag !== "V3") return { process: depthFor(sentinel), search: false }
  const standing = standingOf(sentinel, inputs, reader, {})
  if (standing.isRebooted) return nothing
  // A living process with the recorded 64-bit id proves life, whatever is unknown about boot, namespace or directory.
  const isWorthALook = isInReach(standing) || sentinel.record.processId64 !== undefined
  return { process: isWorthALook ? depthFor(sentinel) : undefined, search: isSearchable(standing) }
}

/**
 * Whether a living process was observed that has the recorded 64-bit id. Within one boot no other process ever has the
 * same id.
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

const judgeObserved = (
  sentinel: Sentinel,
  observation: Observation | undefined,
  inputs: OwnerInputs,
  { host }: Reader,
  notes: Notes
): Verdict => {
  if (observation !== undefined) return JudgeProcess.judgeProcess(sentinel, observation, inputs, host, notes)
  notes.process = compared(`${sentinel.pid}`, undefined, "unknown")
  return unknown("inspection-failed", "process", notes)
}

/**
 * Whether a record names exactly one PID namespace: the initial one, or one with its first process. A number alone
 * isn't enough, since the kernel reuses it.
 */
const namesOneNamespace = ({ pidNamespace, pidNamespaceInit }: RecordV3): boolean =>
  pidNamespace === initialPidNamespace || (pidNamespace !== undefined && pidNamespaceInit !== undefined)

/** The PID namespace, or the 64-bit id, of the record that a search found gone. */
const goneOf = ({ record }: SentinelV3, search: NamespaceProof | undefined): string | undefined => {
  if (search?._tag !== "Gone") return undefined
  return search.by === "namespace" ? record.pidNamespace : record.processId64
}

/** Judges a record whose PID can't be looked up, because its PID namespace isn't known to be the reader's own. */
const judgeOtherNamespace = (
  sentinel: SentinelV3,
  inputs: OwnerInputs,
  reader: Reader,
  standing: Standing,
  notes: Notes
): Verdict => {
  const { record } = sentinel
  const { search } = inputs.observed
  const { lock } = reader.knowledge
  const gone = goneOf(sentinel, search)
  if (search?._tag === "Gone" && gone !== undefined) {
    notes.search = { recorded: gone, observed: "no process of this kernel", result: "different" }
    return dead(search.by === "namespace" ? "namespace-gone" : "process-gone", "search", notes)
  }
  if (search?._tag === "Found" && (namesOneNamespace(record) || hasId(sentinel, search.observation))) {
    return judgeObserved(sentinel, search.observation, inputs, reader, notes)
  }
  if (isLockFree(sentinel, inputs, reader, standing)) {
    if (lock === "inherited") notes.lockHolder = compared(record.lock?.holder, "inherited", "not-applicable")
    return dead("lock-free", "lock", notes)
  }
  if (standing.isContradicted) return unknown("other-machine", "machineId", notes)
  if (standing.boot === "unknown") return unknown("boot-unknown", "bootId", notes)
  return unknown("other-pid-namespace", notes.firstProcess === undefined ? "pidNamespace" : "firstProcess", notes)
}

const judgeV3 = (sentinel: SentinelV3, inputs: OwnerInputs, reader: Reader, notes: Notes): Verdict => {
  const { process } = inputs.observed
  const standing = standingOf(sentinel, inputs, reader, notes)
  const { doubt, isRebooted } = standing
  if (isRebooted) return dead("rebooted", "bootId", notes)
  // The kernel counts 64-bit ids anew in each boot, so equal ids of different boots prove nothing.
  const isOfOtherBoot = notes.bootId?.result === "different"
  if (!isOfOtherBoot && hasRecordedId(sentinel, process)) {
    return judgeObserved(sentinel, process, inputs, reader, notes)
  }
  // If `doubt` is `undefined`, the record is of this boot or of an earlier one of this machine. A process of an earlier
  // boot is gone. If `isInReach`, a process of this boot has its PID in the reader's namespace. An absent process is
  // gone in both cases.
  if (doubt === undefined) {
    return isInReach(standing)
      ? judgeObserved(sentinel, process, inputs, reader, notes)
      : judgeOtherNamespace(sentinel, inputs, reader, standing, notes)
  }
  if (!isInReach(standing)) return doubt
  // `doubt` forbids the verdict `dead`. A living process of this boot proves `alive` even if the record was made in
  // another directory.
  const seen = judgeObserved(sentinel, process, inputs, reader, notes)
  return seen.verdict === "alive" && standing.boot === "this" ? seen : doubt
}

/** The lock that a record claims, in words for the evidence. */
const claimOf = (sentinel: Sentinel): string | undefined =>
  sentinel._tag === "V3" && sentinel.record.lock !== undefined ? describeLock(sentinel.record.lock) : undefined

const describeLock = ({ holder, kind, tested }: LockRecord): string =>
  `${kind} ${holder === "self" ? "of its own" : "that it inherited"}, ${tested ? "tested" : "not tested"}`

/**
 * Turns `dead` into `unknown` if a claimed lock can't be probed, because a process may hold it. A reboot ends every
 * lock.
 */
const withClaimedLock = (verdict: Verdict, { record }: SentinelV3, lockState: LockState | undefined): Verdict =>
  verdict.verdict === "dead" && verdict.reason !== "rebooted" && record.lock !== undefined && lockState === "unknown"
    ? unknown("lock-unknown", "lock", verdict.evidence)
    : verdict

/**
 * Judges one record. The first decisive datum gives the verdict. A datum of a v3 record condemns only if it is known to
 * mean the same to writer and reader. An absent PID, for example, condemns only within one PID namespace. A missing
 * datum is *unknown*, never *different*. A permission error is never *dead*.
 *
 * `inputs.observed.process` must be an observation of `sentinel.pid`, made if {@link needed} asks for it.
 *
 * **Example** (Judging a v1 sentinel, which records a PID alone)
 *
 * ```ts
 * import { defaultKnowledge, type Reader } from "@vm-sentinel/core/JudgeInputs"
 * import type { Observation } from "@vm-sentinel/core/Observation"
 * import { Pid } from "@vm-sentinel/core/ProcessIdentity"
 * import * as Verdict from "@vm-sentinel/core/Verdict"
 * import * as assert from "node:assert"
 *
 * const pid = Pid.make(4242)
 *
 * const judge = (process: Observation): string => {
 *   const reader: Reader = {
 *     host: { hostname: "host", namespaces: "supported" },
 *     frame: { id: { dev: "1", ino: "2" }, fileSystem: { type: "ext4", oneKernel: true } },
 *     knowledge: defaultKnowledge
 *   }
 *   const { reason, verdict } = Verdict.judge({ _tag: "V1", pid }, { observed: { process } }, reader)
 *   return `${verdict}, ${reason}`
 * }
 *
 * assert.strictEqual(judge({ _tag: "Present", pid, tgid: 4242, state: "S", threads: 1 }), "alive, pid-alive")
 * assert.strictEqual(judge({ _tag: "Absent", pid }), "dead, pid-dead")
 * assert.strictEqual(judge({ _tag: "Hidden", pid, detail: "stat: EACCES" }), "unknown, permission-denied")
 * ```
 *
 * @category judging
 * @since 0.1.0
 */
export const judge = (sentinel: Sentinel, inputs: OwnerInputs, reader: Reader): Verdict => {
  const notes: Notes = {}
  const { lockState, process } = inputs.observed
  if (lockState !== undefined) {
    notes.lock = compared(claimOf(sentinel), lockState, "not-applicable")
    if (isHeld(lockState)) return alive("lock-held", "lock", notes)
  }
  return sentinel._tag === "V3"
    ? withClaimedLock(judgeV3(sentinel, inputs, reader, notes), sentinel, lockState)
    : limitLegacy(judgeObserved(sentinel, process, inputs, reader, notes), reader, notes)
}

/**
 * Turns `alive` into `dead` for the record of an ended sweep in its workspace. A sweep holds the lock of its workspace
 * until the sweep ends. A free lock therefore proves that end, even while the process of the sweep lives.
 *
 * @category judging
 * @since 0.1.0
 */
export const applySweepEnd = (sentinel: Sentinel, verdict: Verdict, inputs: OwnerInputs, reader: Reader): Verdict => {
  if (verdict.verdict !== "alive" || sentinel._tag !== "V3" || sentinel.record.role !== sweepRole) return verdict
  const hasEnded = isLockFree(sentinel, inputs, reader, standingOf(sentinel, inputs, reader, {}))
  return hasEnded ? dead("lock-free", "lock", verdict.evidence) : verdict
}

/**
 * Whether two records name one PID namespace. Two namespaces of different boots can agree in number and first process.
 */
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

/** Whether boot or PID namespace is the only doubt: the record is of this directory, and no claimed lock is unknown. */
const isDecidedByNamespace = ({ record }: SentinelV3, { evidence, reason }: Verdict): boolean =>
  (reason === "other-pid-namespace" || reason === "boot-unknown") &&
  (evidence.directory?.result === "equal" || evidence.moved !== undefined) &&
  (record.lock === undefined || evidence.lock?.observed !== "unknown")

/**
 * Turns an `unknown` verdict into `dead` if the first process of the record's PID namespace is proved gone. When the
 * first process of a PID namespace ends, the kernel kills all others in it (`pid_namespaces(7)`). `gone`: sentinels of
 * owners that are proved gone.
 *
 * @category judging
 * @since 0.1.0
 */
export const applyNamespaceEnd = (sentinel: Sentinel, verdict: Verdict, gone: ReadonlyArray<Sentinel>): Verdict => {
  if (verdict.verdict !== "unknown" || sentinel._tag !== "V3" || !isDecidedByNamespace(sentinel, verdict))
    return verdict
  const first = gone.find(
    (other) => other._tag === "V3" && isFirst(other) && sameNamespace(other.record, sentinel.record)
  )
  if (first === undefined) return verdict
  const firstProcess = compared(
    describeFirst(sentinel.record.pidNamespaceInit),
    `process ${first.pid}, the first of the namespace, is gone`,
    "different"
  )
  return dead("namespace-gone", "firstProcess", { ...verdict.evidence, firstProcess })
}
