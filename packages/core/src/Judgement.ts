/**
 * The judgement of a whole directory. Pure: recorded inputs can be judged again, and give nobody the right to delete.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { UntrustedSentinel } from "./Errors.ts"
import type { Compared, Evidence, Verdict } from "./Evidence.ts"
import type { JudgeInputs, Subject, SubjectError } from "./JudgeInputs.ts"
import type { DeadReason, FileReason } from "./Reason.ts"
import { claimsLock, type Sentinel } from "./Sentinel.ts"
import * as SentinelName from "./SentinelName.ts"
import { doom, judge } from "./Verdict.ts"

/**
 * One sentinel and its verdict; an error where its content can't be judged.
 *
 * @category models
 * @since 0.1.0
 */
export interface Part {
  readonly subject: Subject
  readonly judged: Result.Result<Verdict, SubjectError>
}

/**
 * The answer for a directory: that of an owner, or one that no owner gives.
 *
 * @category models
 * @since 0.1.0
 */
export type Conclusion =
  | Verdict
  | { readonly verdict: "dead"; readonly reason: "owner-inside"; readonly evidence: Evidence }
  | { readonly verdict: "unknown"; readonly reason: FileReason; readonly evidence: Evidence }
  | { readonly verdict: "none"; readonly reason: "no-sentinel"; readonly evidence: Evidence }

type Finding = Conclusion & {
  /** The sentinel that decided. */
  readonly decisive: Subject | undefined
  readonly error: SubjectError | undefined
}

/**
 * All that follows from {@link JudgeInputs}.
 *
 * @category models
 * @since 0.1.0
 */
export type Decision = Finding & { readonly parts: ReadonlyArray<Part> }

/**
 * Whether every owner is provably gone, and nothing else keeps the directory.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isCondemned = <D extends Decision>(
  decision: D
): decision is D & { readonly verdict: "dead"; readonly reason: DeadReason } =>
  decision.verdict === "dead" && decision.reason !== "owner-inside"

/**
 * The reason that an error of a sentinel gives.
 *
 * @category judging
 * @since 0.1.0
 */
export const reasonOf = (error: SubjectError): FileReason => {
  switch (error._tag) {
    case "OversizedSentinel":
      return "oversized-sentinel"
    case "MalformedSentinel":
      return "malformed-sentinel"
    case "UntrustedSentinel":
      return "untrusted-sentinel"
    case "UnsupportedVersion":
      return "unsupported-version"
    case "PermissionDenied":
    case "StoreFailure":
      return "unreadable"
  }
}

const findingOf = ({ judged, subject }: Part): Finding => {
  if (Result.isFailure(judged)) {
    const error = judged.failure
    return { verdict: "unknown", reason: reasonOf(error), evidence: {}, decisive: subject, error }
  }
  return { ...judged.success, decisive: subject, error: undefined }
}

const byNobody = { evidence: {}, decisive: undefined, error: undefined } as const
const notOurs: Finding = { verdict: "none", reason: "no-sentinel", ...byNobody }
const ofOthers: Finding = { verdict: "unknown", reason: "other-owner", ...byNobody }

/** Alive when one owner is, dead only when all are. */
const ofOwners = ({ foreign }: JudgeInputs, parts: ReadonlyArray<Part>): Finding => {
  const findings = parts.map(findingOf)
  const kept = findings.find(({ verdict }) => verdict === "alive") ?? findings.find(({ verdict }) => verdict !== "dead")
  if (kept !== undefined) return kept
  return foreign.length > 0 ? ofOthers : (findings[0] ?? notOurs)
}

/** A directory that a sweep left. Its owners were judged before, and nobody has come since. */
const leftover = (reason: "abandoned" | "resumed"): Finding => ({ verdict: "dead", reason, ...byNobody })

/** A directory that somebody else could have made, or have put something into. */
const distrusted = (path: string, problem: string): Finding => ({
  verdict: "unknown",
  reason: "untrusted-sentinel",
  ...byNobody,
  error: new UntrustedSentinel({ operation: "read sentinel", path, problem })
})

/** A workspace is born with its sentinel, and loses it when its sweep gives it up. */
const ofWorkspace = (inputs: JudgeInputs, parts: ReadonlyArray<Part>): Finding => {
  if (parts.length > 0 || inputs.foreign.length > 0) return ofOwners(inputs, parts)
  return inputs.distrust === undefined ? leftover("abandoned") : distrusted(inputs.path, inputs.distrust)
}

const isVerdict = ({ judged }: Part, verdict: Verdict["verdict"]): boolean =>
  Result.isSuccess(judged) && judged.success.verdict === verdict

/** A sentinel that wasn't there when the directory was marked, or is alive, keeps it. */
const ofRemains = (inputs: JudgeInputs, parts: ReadonlyArray<Part>, tags: ReadonlyArray<string>): Finding => {
  const { distrust, foreign, path } = inputs
  if (distrust !== undefined) return distrusted(path, distrust)
  const isKnown = (part: Part) =>
    isVerdict(part, "dead") || (!isVerdict(part, "alive") && tags.includes(part.subject.tag))
  return foreign.length === 0 && parts.every(isKnown) ? leftover("resumed") : ofOwners(inputs, parts)
}

const isWorkspacePath = (name: string | undefined): boolean =>
  name !== undefined && SentinelName.parseReap(name)?.kind === "workspace"

const isMarkedPath = (path: string): boolean => {
  const [name = "", above, workspace] = path.split("/").toReversed()
  return SentinelName.parseReap(name)?.kind === "dead" || (above === "dead" && isWorkspacePath(workspace))
}

/** A kind counts only for a path of its shape. */
const ofDirectory = (inputs: JudgeInputs, parts: ReadonlyArray<Part>): Finding => {
  const { kind, path } = inputs
  if (kind._tag === "Workspace" && isWorkspacePath(path.slice(path.lastIndexOf("/") + 1))) {
    return ofWorkspace(inputs, parts)
  }
  return kind._tag === "Remains" && isMarkedPath(path) ? ofRemains(inputs, parts, kind.tags) : ofOwners(inputs, parts)
}

/** Judges the owners in order, until one is alive. */
const judgeOwners = (inputs: JudgeInputs): ReadonlyArray<Part> => {
  const parts: Array<Part> = []
  for (const subject of inputs.subjects) {
    const part: Part = { subject, judged: Result.map(subject.content, (sentinel) => judge(sentinel, subject, inputs)) }
    parts.push(part)
    if (isVerdict(part, "alive")) break
  }
  return parts
}

const sentinelOf = (part: Part, verdict: Verdict["verdict"]): ReadonlyArray<Sentinel> =>
  isVerdict(part, verdict) && Result.isSuccess(part.subject.content) ? [part.subject.content.success] : []

/** The first process of a PID namespace takes all others with it: the unknown ones are dead. */
const withDoomed = (parts: ReadonlyArray<Part>): ReadonlyArray<Part> => {
  const gone = parts.flatMap((part) => sentinelOf(part, "dead"))
  if (gone.length === 0 || gone.length === parts.length) return parts
  return parts.map((part) => {
    const [sentinel] = sentinelOf(part, "unknown")
    return sentinel === undefined
      ? part
      : { ...part, judged: Result.map(part.judged, (verdict) => doom(sentinel, verdict, gone)) }
  })
}

/**
 * An operator's word that the owners are gone, where the judgement can't know. Overrides `unknown`, never `alive` and never
 * `none`: a directory without a sentinel isn't ours.
 */
const withAssumption = (finding: Finding, { knowledge: { assumeDead = "" } }: JudgeInputs): Finding => {
  if (finding.verdict !== "unknown" || assumeDead.trim() === "") return finding
  const assumption: Compared = { recorded: finding.reason, observed: assumeDead, result: "not-applicable" }
  return {
    verdict: "dead",
    reason: "assumed-dead",
    evidence: { ...finding.evidence, assumption },
    decisive: finding.decisive,
    error: undefined
  }
}

const isRebooted = (part: Part | undefined): boolean =>
  part !== undefined && Result.isSuccess(part.judged) && part.judged.success.reason === "rebooted"

/** Whether a sentinel claims a lock that may be held. No lock outlives its boot, where the record of that is believed. */
const mayBeLocked = ({ distrust, subjects }: JudgeInputs, parts: ReadonlyArray<Part>): boolean =>
  subjects.some(
    ({ content }, index) =>
      Result.isSuccess(content) && claimsLock(content.success) && (distrust !== undefined || !isRebooted(parts[index]))
  )

/** The directory's own lock: alive where somebody holds it, whatever the sentinels say. */
const withLock = (finding: Finding, inputs: JudgeInputs, parts: ReadonlyArray<Part>): Finding => {
  const { lock: state } = inputs
  if (finding.verdict !== "dead" || state === undefined || state === "free") return finding
  const lock: Compared = { ...finding.evidence.lock, observed: state, result: "not-applicable" }
  const { decisive, error } = finding
  const rest = { evidence: { ...finding.evidence, lock }, decisive, error }
  if (state !== "unknown") return { verdict: "alive", reason: "lock-held", ...rest }
  return mayBeLocked(inputs, parts) ? { verdict: "unknown", reason: "lock-unknown", ...rest } : finding
}

/** An owner below the first level that isn't provably gone keeps what is dead. */
const withOwnerBelow = (finding: Finding, { below: owner }: JudgeInputs): Finding => {
  if (finding.verdict !== "dead" || owner === undefined) return finding
  const { path: recorded, reason, verdict } = owner
  const below: Compared = { recorded, observed: `${verdict}, ${reason}`, result: "not-applicable" }
  const { decisive, error, evidence } = finding
  return { verdict: "dead", reason: "owner-inside", evidence: { ...evidence, below }, decisive, error }
}

/**
 * Judges a directory: alive when any of its owners is, dead only when every one is provably gone and nobody else's sentinel
 * lies in it. The same inputs give the same decision, whenever they were recorded.
 *
 * @category judging
 * @since 0.1.0
 */
export const decide = (inputs: JudgeInputs): Decision => {
  const parts = withDoomed(judgeOwners(inputs))
  const byOwners = withAssumption(ofDirectory(inputs, parts), inputs)
  return { ...withOwnerBelow(withLock(byOwners, inputs, parts), inputs), parts }
}
