/**
 * The judgement of a whole directory. It is a pure function, so a program can judge recorded inputs again. A decision
 * alone grants no right to delete.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { type DirectoryFrame, fileToken } from "./DirectoryFrame.ts"
import { type Distrust, UntrustedSentinel } from "./Errors.ts"
import type { Compared, Datum, Evidence, Verdict } from "./Evidence.ts"
import { baseName } from "./internal/paths.ts"
import type { JudgeInputs, Subject, SubjectError } from "./JudgeInputs.ts"
import type { DeadReason, FileReason } from "./Reason.ts"
import { claimsLock, type Sentinel } from "./Sentinel.ts"
import * as SentinelName from "./SentinelName.ts"
import * as Trust from "./Trust.ts"
import { applyNamespaceEnd, applySweepEnd, judge } from "./Verdict.ts"

/**
 * One sentinel, and the verdict on its owner or the reason why there is none.
 *
 * @category models
 * @since 0.1.0
 */
export interface Part {
  readonly subject: Subject
  readonly judged: Result.Result<Verdict, SubjectError>
}

/**
 * The answer for a directory: the verdict on one of its owners, or an answer that only a whole directory can have.
 *
 * @category models
 * @since 0.1.0
 */
export type Conclusion =
  | Verdict
  | {
      readonly verdict: "dead"
      readonly reason: "owner-inside" | "mount-inside" | "abandoned" | "resumed"
      readonly evidence: Evidence
    }
  | { readonly verdict: "unknown"; readonly reason: FileReason; readonly evidence: Evidence }
  | { readonly verdict: "none"; readonly reason: "no-sentinel"; readonly evidence: Evidence }

type Finding = Conclusion & {
  /** The datum of `evidence` that decided. `undefined`: nothing was compared. */
  readonly decidedBy: Datum | undefined
  /** The sentinel that decided. `undefined`: no single sentinel did. */
  readonly decisive: Subject | undefined
  /** Why the decisive sentinel, or the whole directory, couldn't be judged. */
  readonly error: SubjectError | undefined
}

/**
 * Everything that {@link decide} concludes: the answer, and a part for each sentinel. A sweep observes no owner after a
 * living one, so the parts that follow rest on the records alone.
 *
 * @category models
 * @since 0.1.0
 */
export type Decision = Finding & { readonly parts: ReadonlyArray<Part> }

/**
 * Whether every owner is provably gone or assumed gone by the operator, and nothing else keeps the directory.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isCondemned = <D extends Decision>(
  decision: D
): decision is D & { readonly verdict: "dead"; readonly reason: DeadReason } =>
  decision.verdict === "dead" && decision.reason !== "owner-inside" && decision.reason !== "mount-inside"

/**
 * The reason for which a sentinel's error keeps its directory.
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
    return { verdict: "unknown", reason: reasonOf(error), evidence: {}, decidedBy: undefined, decisive: subject, error }
  }
  return { ...judged.success, decisive: subject, error: undefined }
}

const noDecisive = { evidence: {}, decidedBy: undefined, decisive: undefined, error: undefined } as const
const noSentinel: Finding = { verdict: "none", reason: "no-sentinel", ...noDecisive }
const otherOwner: Finding = { verdict: "unknown", reason: "other-owner", ...noDecisive }

/** Alive if one owner is alive, dead only if all owners are dead. */
const ofOwners = ({ foreign }: JudgeInputs, parts: ReadonlyArray<Part>): Finding => {
  const findings = parts.map(findingOf)
  const kept = findings.find(({ verdict }) => verdict === "alive") ?? findings.find(({ verdict }) => verdict !== "dead")
  if (kept !== undefined) return kept
  return foreign.length > 0 ? otherOwner : (findings[0] ?? noSentinel)
}

/**
 * What an earlier sweep left: a workspace without a sentinel (`abandoned`), or a half-deleted directory, each of whose
 * sentinels is dead or was judged by that sweep (`resumed`).
 */
const leftover = (reason: "abandoned" | "resumed"): Finding => ({ verdict: "dead", reason, ...noDecisive })

/** A directory that another user could have made or put files into, or that has too many sentinels. */
const distrusted = (path: string, distrust: Distrust): Finding => ({
  verdict: "unknown",
  reason: "untrusted-sentinel",
  ...noDecisive,
  error: new UntrustedSentinel({ operation: "read sentinel", path, ...distrust })
})

/** A sweep creates its workspace with a sentinel in it, and removes that sentinel when it gives the workspace up. */
const ofWorkspace = (inputs: JudgeInputs, parts: ReadonlyArray<Part>): Finding => {
  if (parts.length > 0 || inputs.foreign.length > 0) return ofOwners(inputs, parts)
  return inputs.distrust === undefined ? leftover("abandoned") : distrusted(inputs.path, inputs.distrust)
}

const isVerdict = ({ judged }: Part, verdict: Verdict["verdict"]): boolean =>
  Result.isSuccess(judged) && judged.success.verdict === verdict

/**
 * A sentinel keeps the directory if its owner is alive. A sentinel that `tags` don't name may have come after the
 * directory was marked, and keeps the directory unless its owner is dead.
 */
const ofRemains = (inputs: JudgeInputs, parts: ReadonlyArray<Part>, tags: ReadonlyArray<string>): Finding => {
  const { distrust, foreign, path } = inputs
  if (distrust !== undefined) return distrusted(path, distrust)
  const isKnown = (part: Part) =>
    isVerdict(part, "dead") || (!isVerdict(part, "alive") && tags.includes(part.subject.tag))
  return foreign.length === 0 && parts.every(isKnown) ? leftover("resumed") : ofOwners(inputs, parts)
}

const isWorkspacePath = (name: string | undefined): boolean =>
  name !== undefined && SentinelName.parseReap(name)?.kind === "workspace"

const isWorkspace = ({ kind, path }: JudgeInputs): boolean =>
  kind._tag === "Workspace" && isWorkspacePath(baseName(path))

const isMarkedPath = (path: string): boolean => {
  const [name = "", above, workspace] = path.split("/").toReversed()
  return SentinelName.parseReap(name)?.kind === "dead" || (above === "dead" && isWorkspacePath(workspace))
}

/** A kind counts only if the path has the form that a sweep gives to directories of that kind. */
const ofDirectory = (inputs: JudgeInputs, parts: ReadonlyArray<Part>): Finding => {
  const { crowded, distrust, kind, path } = inputs
  if (crowded !== undefined) {
    const problem = `it has more than ${crowded} sentinels`
    return distrusted(path, distrust === undefined ? { rule: "too-many", problem } : Trust.ofDirectoryAbove(distrust))
  }
  if (isWorkspace(inputs)) return ofWorkspace(inputs, parts)
  return kind._tag === "Remains" && isMarkedPath(path) ? ofRemains(inputs, parts, kind.tags) : ofOwners(inputs, parts)
}

const judgeOwners = (inputs: JudgeInputs): ReadonlyArray<Part> =>
  inputs.subjects.map((subject) => ({
    subject,
    judged: Result.map(subject.content, (sentinel) => judge(sentinel, subject, inputs))
  }))

const sentinelOf = (part: Part, verdict: Verdict["verdict"]): ReadonlyArray<Sentinel> =>
  isVerdict(part, verdict) && Result.isSuccess(part.subject.content) ? [part.subject.content.success] : []

/**
 * The kernel ends a PID namespace with its first process (`pid_namespaces(7)`). If that process is provably gone,
 * unknown owners in the same namespace are dead.
 */
const withEndedNamespaces = (parts: ReadonlyArray<Part>): ReadonlyArray<Part> => {
  if (parts.length < 2) return parts
  const gone = parts.flatMap((part) => sentinelOf(part, "dead"))
  if (gone.length === 0 || gone.length === parts.length) return parts
  return parts.map((part) => {
    const [sentinel] = sentinelOf(part, "unknown")
    return sentinel === undefined
      ? part
      : { ...part, judged: Result.map(part.judged, (verdict) => applyNamespaceEnd(sentinel, verdict, gone)) }
  })
}

/** Runs after {@link withEndedNamespaces}, because the process of an ended sweep may live, and its namespace with it. */
const withEndedSweeps = (inputs: JudgeInputs, parts: ReadonlyArray<Part>): ReadonlyArray<Part> =>
  isWorkspace(inputs)
    ? parts.map((part) => {
        const [sentinel] = sentinelOf(part, "alive")
        return sentinel === undefined
          ? part
          : {
              ...part,
              judged: Result.map(part.judged, (verdict) => applySweepEnd(sentinel, verdict, part.subject, inputs))
            }
      })
    : parts

/** Distinguishes a directory without a deciding sentinel from a later one of the same name. */
const placeOf = (frame: DirectoryFrame): Evidence => ({
  directory: { observed: `device ${frame.id.dev}, file ${fileToken(frame)}`, result: "not-applicable" }
})

/**
 * Applies an operator's statement that the owners are gone. Overrides `unknown`, but never `alive` and never `none`,
 * because a directory without a sentinel doesn't belong to vm-sentinel.
 */
const withAssumption = (finding: Finding, inputs: JudgeInputs): Finding => {
  const { crowded, distrust, frame, kind, knowledge } = inputs
  const { assumeDead = "" } = knowledge
  // The sentinels of a crowded directory weren't read, so nothing can show later that they are still the same. The
  // operator's statement is about one directory, and not about a workspace, which may hold others. No statement makes a
  // home a VM directory.
  if (kind._tag === "Workspace" || distrust?.rule === "home") return finding
  if (finding.verdict !== "unknown" || crowded !== undefined || assumeDead.trim() === "") return finding
  const assumption: Compared = { recorded: finding.reason, observed: assumeDead, result: "not-applicable" }
  const place = finding.decisive === undefined ? placeOf(frame) : {}
  const evidence = { ...finding.evidence, ...place, assumption }
  return { ...finding, verdict: "dead", reason: "assumed-dead", evidence, decidedBy: "assumption", error: undefined }
}

const isRebooted = (part: Part | undefined): boolean =>
  part !== undefined && Result.isSuccess(part.judged) && part.judged.success.reason === "rebooted"

/**
 * Whether a sentinel claims a lock that may still be held. No lock outlives its boot. A record of an earlier boot
 * therefore doesn't count, unless the directory is distrusted.
 */
const mayBeLocked = ({ distrust, subjects }: JudgeInputs, parts: ReadonlyArray<Part>): boolean =>
  subjects.some(
    ({ content }, index) =>
      Result.isSuccess(content) && claimsLock(content.success) && (distrust !== undefined || !isRebooted(parts[index]))
  )

/**
 * Applies the state of the directory's own lock to a dead directory. A held lock makes the directory alive. A state of
 * `unknown` makes the directory unknown if a sentinel's lock may still be held.
 */
const withDirectoryLock = (finding: Finding, inputs: JudgeInputs, parts: ReadonlyArray<Part>): Finding => {
  const { lock: state } = inputs
  if (finding.verdict !== "dead" || state === undefined || state === "free") return finding
  const lock: Compared = { ...finding.evidence.lock, observed: state, result: "not-applicable" }
  const found = { ...finding, evidence: { ...finding.evidence, lock }, decidedBy: "lock" } as const
  if (state !== "unknown") return { ...found, verdict: "alive", reason: "lock-held" }
  return mayBeLocked(inputs, parts) ? { ...found, verdict: "unknown", reason: "lock-unknown" } : finding
}

/** An owner below the first level that isn't provably gone keeps a dead directory. */
const withOwnerBelow = (finding: Finding, { below: owner }: JudgeInputs): Finding => {
  if (finding.verdict !== "dead" || owner === undefined) return finding
  const { path: recorded, reason, shortage, verdict } = owner
  const below: Compared = { recorded, observed: `${verdict}, ${reason}`, result: "not-applicable" }
  const found = { ...finding, evidence: { ...finding.evidence, below }, decidedBy: "below" } as const
  return shortage === undefined
    ? { ...found, verdict: "dead", reason: "owner-inside" }
    : { ...found, verdict: "unknown", reason: "unreadable", error: shortage }
}

/** A mount below keeps a dead directory. */
const withMount = (finding: Finding, { mount: observed }: JudgeInputs): Finding => {
  if (finding.verdict !== "dead" || observed === undefined) return finding
  const mount: Compared = { observed: observed.toWellFormed(), result: "not-applicable" }
  const evidence = { ...finding.evidence, mount }
  return { ...finding, verdict: "dead", reason: "mount-inside", evidence, decidedBy: "mount" }
}

/** Evidence that names the holder of a lock. */
const withNamedHolder = (finding: Finding, { holder: observed }: JudgeInputs): Finding =>
  finding.reason === "lock-held" && observed !== undefined
    ? { ...finding, evidence: { ...finding.evidence, holder: { observed, result: "not-applicable" } } }
    : finding

/**
 * Judges a directory. Alive if any of its owners is alive, or if its lock is held. Dead only if every owner is provably
 * gone and every known sentinel was read, if the operator assumes the directory dead, or if it is what an earlier sweep
 * left. Equal inputs give equal decisions, whenever the inputs were recorded.
 *
 * @category judging
 * @since 0.1.0
 */
export const decide = (inputs: JudgeInputs): Decision => {
  const parts = withEndedSweeps(inputs, withEndedNamespaces(judgeOwners(inputs)))
  const byOwners = withAssumption(ofDirectory(inputs, parts), inputs)
  const byAll = withMount(withOwnerBelow(withDirectoryLock(byOwners, inputs, parts), inputs), inputs)
  return { ...withNamedHolder(byAll, inputs), parts }
}
