/** Makes the outcome of a judgement or of an error. */
import * as Result from "effect/Result"
import { type DirectoryError, MountInside } from "../../Errors.ts"
import type { Evidence } from "../../Evidence.ts"
import type { Judgement } from "../../Condemned.ts"
import type { Pid } from "../../ProcessIdentity.ts"
import type { Outcome } from "../../Outcome.ts"
import type { AliveReason } from "../../Reason.ts"
import type { Discarded } from "../../Reclaimer.ts"
import type { Entry } from "../../Root.ts"
import { isoTime, makeIsoTime } from "../judgement/isoTime.ts"

/** An owner that was found alive. */
export interface Living {
  readonly reason: AliveReason
  readonly evidence: Evidence
  /** PID in the sentinel. `undefined`: only the lock is evidence. */
  readonly pid: Pid | undefined
}

const escapedBytes = (name: string): string => {
  const bytes: Array<string> = []
  const encoder = new TextEncoder()
  for (const character of name) {
    const code = character.codePointAt(0) ?? 0
    if (code >= 0xdc80 && code <= 0xdcff) bytes.push(String.fromCharCode(code - 0xdc00))
    else for (const byte of encoder.encode(character)) bytes.push(String.fromCharCode(byte))
  }
  return btoa(bytes.join(""))
}

const nameFields = ({ entry, path }: Entry) => ({
  name: entry.toWellFormed(),
  ...(entry.isWellFormed() ? {} : { nameBytes: escapedBytes(entry) }),
  path: path.toWellFormed()
})

const sinceField = (at: number) => {
  const since = isoTime(at)
  return since === undefined ? {} : { since }
}

/**
 * The PID to report. Empty unless the kernel was asked about the PID and its answer is evidence. A held lock names no
 * PID.
 */
const pidOf = ({ decisive, evidence, reason }: Pick<Judgement, "decisive" | "evidence" | "reason">) =>
  decisive !== undefined &&
  Result.isSuccess(decisive.content) &&
  evidence.process !== undefined &&
  reason !== "lock-held"
    ? { pid: decisive.content.success.pid }
    : {}

const errorOf = ({ path }: Entry, { error, evidence: { mount }, reason }: Judgement): Pick<Outcome, "error"> => {
  if (reason === "mount-inside") return { error: new MountInside({ path, mount: mount?.observed ?? path }) }
  return error === undefined ? {} : { error }
}

export const ofJudgement = (directory: Entry, judgement: Judgement, action: Outcome["action"]): Outcome => ({
  _tag: "Outcome",
  ...nameFields(directory),
  action,
  verdict: judgement.verdict,
  reason: judgement.reason,
  ...pidOf(judgement),
  ...(judgement.decisive === undefined ? {} : sinceField(judgement.decisive.writtenAt)),
  evidence: judgement.evidence,
  ...errorOf(directory, judgement)
})

/** The outcome of a judged directory that this sweep leaves: `would-remove` if it is condemned, else `kept`. */
export const foretold = (directory: Entry, judgement: Judgement): Outcome =>
  ofJudgement(directory, judgement, judgement.condemned === undefined ? "kept" : "would-remove")

/** Makes the outcomes of directories whose owner triage found alive. */
export const ofLives = (root: string) => {
  const isPlain = root.isWellFormed()
  const action = "kept"
  const verdict = "alive"
  const timeOf = makeIsoTime()
  return (directory: Entry, { evidence, pid, reason }: Living, writtenAt: number): Outcome => {
    const { entry: name, path } = directory
    const since = timeOf(writtenAt)
    if (pid === undefined) {
      return { _tag: "Outcome", ...nameFields(directory), action, verdict, reason, ...sinceField(writtenAt), evidence }
    }
    // The path is well-formed if both of its parts are. `isWellFormed` of the joined string would copy that string.
    return since !== undefined && isPlain && name.isWellFormed()
      ? { _tag: "Outcome", name, path, action, verdict, reason, pid, since, evidence }
      : { _tag: "Outcome", ...nameFields(directory), action, verdict, reason, pid, ...sinceField(writtenAt), evidence }
  }
}

const outcomeOf = (directory: Entry, rest: Pick<Outcome, "action" | "verdict" | "reason" | "error">): Outcome => ({
  _tag: "Outcome",
  ...nameFields(directory),
  evidence: {},
  ...rest
})

export const skipped = (directory: Entry): Outcome =>
  outcomeOf(directory, { action: "kept", verdict: "none", reason: "skipped" })

export const failedResuming = (directory: Entry, error: DirectoryError): Outcome =>
  outcomeOf(directory, { action: "failed", verdict: "dead", reason: "resumed", error })

/** Maximum number of subtrees that an outcome names. */
const mostNamed = 3

/** The outcome of a deletion. `stayed`: subtrees that were left to other owners. */
export const ofDiscarded = (
  directory: Entry,
  judgement: Judgement,
  { stayed }: Discarded,
  isLocked: boolean
): Outcome => {
  const removed = ofJudgement(directory, judgement, "removed")
  const told: Outcome = isLocked ? removed : { ...removed, unlocked: true }
  if (stayed.length === 0) return told
  const [names, more] = [stayed.slice(0, mostNamed).join(", "), stayed.length - mostNamed]
  const below = more > 0 ? `${names} and ${more} more` : names
  return {
    ...told,
    action: "failed",
    reason: "owner-inside",
    evidence: { ...removed.evidence, below: { recorded: below.toWellFormed(), result: "not-applicable" } }
  }
}

/** The outcome of an error before any judgement. */
export const ofLookError = (directory: Entry, error: DirectoryError): Outcome => {
  switch (error._tag) {
    case "NotFound":
      return outcomeOf(directory, { action: "kept", verdict: "none", reason: "taken" })
    case "MountInside":
      return {
        ...outcomeOf(directory, { action: "kept", verdict: "unknown", reason: "mount-inside", error }),
        evidence: { mount: { observed: error.mount.toWellFormed(), result: "not-applicable" } }
      }
    default:
      return outcomeOf(directory, { action: "kept", verdict: "unknown", reason: "unreadable", error })
  }
}

/** The outcome of an error between the judgement and the end of the removal. */
export const ofReclaimError = (directory: Entry, judgement: Judgement, error: DirectoryError): Outcome => {
  const judged = ofJudgement(directory, judgement, "kept")
  switch (error._tag) {
    case "Taken":
    case "NotFound":
      return { ...judged, reason: "taken" }
    case "MountInside":
      return { ...judged, reason: "mount-inside", error }
    case "Changed":
      return { ...judged, verdict: "unknown", reason: "changed" }
    case "NameTaken":
      return { ...judged, action: "failed", verdict: "unknown", reason: "name-taken", error }
    default:
      return { ...judged, action: "failed", error }
  }
}
