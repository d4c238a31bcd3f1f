/**
 * The judgement of one owner: does the process that a sentinel names still live? Pure and total.
 *
 * @since 0.1.0
 */
import type { Verdict } from "./Evidence.ts"
import { alive, compared, dead, type Notes, unknown } from "./internal/evidence.ts"
import * as JudgeProcess from "./internal/judgeProcess.ts"
import { describeFirst, isInReach, isLockFree, isSearchable, type Standing, standingOf } from "./internal/standing.ts"
import type { OwnerInputs, Reader } from "./JudgeInputs.ts"
import type { LockState } from "./LockState.ts"
import { isExited, type Observation, type Present, type ObserveDepth } from "./Observation.ts"
import type { NamespaceProof } from "./PidNamespaces.ts"
import { compare, compareFirstProcesses, initialPidNamespace } from "./ProcessIdentity.ts"
import type { LockRecord, RecordV3, Sentinel, SentinelV3 } from "./Sentinel.ts"

/**
 * A process must have started this many milliseconds after a v2 record was written to be certainly not its writer: mtime
 * and the start tick are rounded, and the wall clock is slewed between them.
 *
 * @category constants
 * @since 0.1.0
 */
export const startMargin: number = JudgeProcess.startMargin

/**
 * Whether a recorded executable is the one the kernel names. The kernel appends " (deleted)" to the path of a removed
 * file, `proc_pid_exe(5)`, and a file may really be named so. A bare name is compared with the last component.
 *
 * @category comparing
 * @since 0.1.0
 */
export const sameExecutable: (recorded: string, observed: string) => boolean = JudgeProcess.sameExecutable

const isHeld = (lock: LockState | undefined): boolean => lock === "shared" || lock === "exclusive"

/** Limits of a v1 or v2 record, which has no frame: where it isn't trusted it condemns nothing. */
const restrain = (verdict: Verdict, { frame, knowledge }: Reader, notes: Notes): Verdict => {
  if (verdict.verdict !== "dead") return verdict
  if (knowledge.legacy === "keep") {
    notes.legacy = { observed: "keep", result: "not-applicable" }
    return unknown("legacy-kept", notes)
  }
  if (frame.fileSystem?.oneKernel === true) return verdict
  const type = frame.fileSystem?.type
  notes.fileSystem = { observed: type === undefined ? "not known" : `${type}, may be shared`, result: "unknown" }
  return unknown("not-local", notes)
}

/**
 * Depth of the observation that judges a record.
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
      // "identity" may stop at the 64-bit id; a record without one needs the start token.
      return sentinel.record.processId64 === undefined ? "executable" : "identity"
  }
}

/**
 * Depth of the observation that finds a living owner: for v2 records less than {@link depthFor}.
 *
 * @category judging
 * @since 0.1.0
 */
export const depthForLiveness = (sentinel: Sentinel): ObserveDepth =>
  sentinel._tag === "V2" ? "path" : depthFor(sentinel)

/**
 * Observations that judge a record whose lock is known: the process under its PID, and a search of the whole kernel where
 * that isn't enough.
 *
 * @category models
 * @since 0.1.0
 */
export interface Needed {
  /** `undefined`: the record and the host decide, or the PID means nothing here. */
  readonly process: ObserveDepth | undefined
  /** Asked of `PidNamespaces`, unless the process has the recorded 64-bit id. */
  readonly search: boolean
}

const nothing: Needed = { process: undefined, search: false }

/**
 * Which observations {@link judge} needs. Looks at no observation but the state of the lock.
 *
 * @category judging
 * @since 0.1.0
 */
export const needed = (sentinel: Sentinel, inputs: OwnerInputs, reader: Reader): Needed => {
  if (isHeld(inputs.observed.lockState)) return nothing
  if (sentinel._tag !== "V3") return { process: depthFor(sentinel), search: false }
  const standing = standingOf(sentinel, inputs, reader, {})
  if (standing.isRebooted) return nothing
  // An equal 64-bit id of a living process outranks every doubt.
  const isWorthALook = isInReach(standing) || sentinel.record.processId64 !== undefined
  return { process: isWorthALook ? depthFor(sentinel) : undefined, search: isSearchable(standing) }
}

/**
 * Whether an observation shows that the recorded process lives: by its 64-bit id, which no other process of the boot has.
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
  inputs: OwnerInputs,
  { host }: Reader,
  notes: Notes
): Verdict => {
  if (observation !== undefined) return JudgeProcess.judgeProcess(sentinel, observation, inputs, host, notes)
  notes.process = compared(`${sentinel.pid}`, undefined, "unknown")
  return unknown("inspection-failed", notes)
}

/** Whether the PID of a record names one process of the whole kernel. */
const isNamed = ({ pidNamespace, pidNamespaceInit }: RecordV3): boolean =>
  pidNamespace === initialPidNamespace || (pidNamespace !== undefined && pidNamespaceInit !== undefined)

/** The namespace or the id of the record that a search found gone. */
const goneOf = ({ record }: SentinelV3, search: NamespaceProof | undefined): string | undefined => {
  if (search?._tag !== "Gone") return undefined
  return search.by === "namespace" ? record.pidNamespace : record.processId64
}

/** Judges a record whose PID can't be looked up here. */
const judgeElsewhere = (
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
    return dead(search.by === "namespace" ? "namespace-gone" : "process-gone", notes)
  }
  if (search?._tag === "Found" && (isNamed(record) || hasId(sentinel, search.observation))) {
    return judgeSeen(sentinel, search.observation, inputs, reader, notes)
  }
  if (isLockFree(sentinel, inputs, reader, standing)) {
    if (lock === "inherited") notes.lockHolder = compared(record.lock?.holder, "inherited", "not-applicable")
    return dead("lock-free", notes)
  }
  if (standing.isContradicted) return unknown("other-machine", notes)
  return unknown(standing.boot === "unknown" ? "boot-unknown" : "other-pid-namespace", notes)
}

const judgeV3 = (sentinel: SentinelV3, inputs: OwnerInputs, reader: Reader, notes: Notes): Verdict => {
  const { process } = inputs.observed
  const standing = standingOf(sentinel, inputs, reader, notes)
  const { cap, isRebooted } = standing
  if (isRebooted) return dead("rebooted", notes)
  // The ids start again with each boot: one of another boot is no sign of life.
  const isOfOtherBoot = notes.bootId?.result === "different"
  if (!isOfOtherBoot && hasRecordedId(sentinel, process)) {
    return judgeSeen(sentinel, process, inputs, reader, notes)
  }
  // A process of an earlier boot is gone, and one of this boot is under its PID: an absent one is gone in both cases.
  if (cap === undefined) {
    return isInReach(standing)
      ? judgeSeen(sentinel, process, inputs, reader, notes)
      : judgeElsewhere(sentinel, inputs, reader, standing, notes)
  }
  if (!isInReach(standing)) return unknown(cap, notes)
  // Wherever the record was made, a living process of this boot stays alive.
  const seen = judgeSeen(sentinel, process, inputs, reader, notes)
  return seen.verdict === "alive" && standing.boot === "this" ? seen : unknown(cap, notes)
}

/** The lock that a record claims, in words. */
const claimOf = (sentinel: Sentinel): string | undefined =>
  sentinel._tag === "V3" && sentinel.record.lock !== undefined ? describeLock(sentinel.record.lock) : undefined

const describeLock = ({ holder, kind, tested }: LockRecord): string =>
  `${kind} ${holder === "self" ? "of its own" : "that it inherited"}, ${tested ? "tested" : "not tested"}`

/** The holder of a claimed lock may live where the lock can't be asked. */
const withLock = (verdict: Verdict, { record }: SentinelV3, lockState: LockState | undefined): Verdict =>
  verdict.verdict === "dead" && verdict.reason !== "rebooted" && record.lock !== undefined && lockState === "unknown"
    ? unknown("lock-unknown", verdict.evidence)
    : verdict

/**
 * Judges one record. The first decisive datum wins; each is compared only where writer and reader are known to look at the
 * same thing. A missing one is *unknown*, never *different*; a permission error is never *dead*. The process that was observed
 * is that of `sentinel.pid`, where {@link needed} asks for it.
 *
 * @category judging
 * @since 0.1.0
 */
export const judge = (sentinel: Sentinel, inputs: OwnerInputs, reader: Reader): Verdict => {
  const notes: Notes = {}
  const { lockState, process } = inputs.observed
  if (lockState !== undefined) {
    notes.lock = compared(claimOf(sentinel), lockState, "not-applicable")
    if (isHeld(lockState)) return alive("lock-held", notes)
  }
  return sentinel._tag === "V3"
    ? withLock(judgeV3(sentinel, inputs, reader, notes), sentinel, lockState)
    : restrain(judgeSeen(sentinel, process, inputs, reader, notes), reader, notes)
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
 * proved gone, has doomed all records of exactly that namespace. An unknown verdict becomes a dead one, or stays.
 *
 * @category judging
 * @since 0.1.0
 */
export const doom = (sentinel: Sentinel, verdict: Verdict, gone: ReadonlyArray<Sentinel>): Verdict => {
  if (verdict.verdict !== "unknown" || sentinel._tag !== "V3" || !isDoomable(sentinel, verdict)) return verdict
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
