/**
 * Why a directory is judged as it is: every comparison of every sentinel. Pure.
 *
 * @since 0.1.0
 */
import { DirectoryError } from "@vm-sentinel/core/Errors"
import { Compared, type Evidence } from "@vm-sentinel/core/Evidence"
import type { JudgeInputs, Subject } from "@vm-sentinel/core/JudgeInputs"
import { type Decision, type Part, reasonOf } from "@vm-sentinel/core/Judgement"
import { Answer, Reason } from "@vm-sentinel/core/Reason"
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/**
 * One sentinel file, and everything that its judgement compared.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SentinelExplanation = Schema.Struct({
  /** File name inside the directory. */
  entry: Schema.String,
  format: Schema.optionalKey(Schema.Literals(["v1", "v2", "v3"])),
  pid: Schema.optionalKey(Schema.Int),
  /** Short name of the process that was seen under `pid`. Missing if no process was seen, or its name can't be read. */
  command: Schema.optionalKey(Schema.String),
  role: Schema.optionalKey(Schema.String),
  /** Modification time, ISO 8601. Missing if the time isn't a valid date. */
  since: Schema.optionalKey(Schema.String),
  /** Size of the file in bytes. */
  size: Schema.Int,
  verdict: Schema.Literals(["alive", "dead", "unknown"]),
  reason: Reason,
  /** The datum that decided this sentinel, one of `evidence`. */
  decidedBy: Schema.optionalKey(Schema.String),
  evidence: Schema.Record(Schema.String, Compared),
  /** Data whose comparison gave `unknown`: a value is missing, or the values prove nothing. */
  notAvailable: Schema.Array(Schema.String),
  error: Schema.optionalKey(DirectoryError)
})
export type SentinelExplanation = typeof SentinelExplanation.Type

/**
 * The line that `explain --json` prints.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Explanation = Schema.TaggedStruct("Explanation", {
  path: Schema.String,
  /** The path that was asked about. Present only if a sweep has moved the directory from there to `path`. */
  asked: Schema.optionalKey(Schema.String),
  /**
   * The last step of the sweep that moved the directory. `claimed`: the sweep took it. `marked`: the sweep began the
   * removal.
   */
  stage: Schema.optionalKey(Schema.Literals(["claimed", "marked"])),
  verdict: Answer,
  reason: Reason,
  /** Name of the sentinel that decided. Missing if no single sentinel decided. */
  decisive: Schema.optionalKey(Schema.String),
  /**
   * Evidence about the directory itself, not about one sentinel, such as its lock, a mount or an owner below its first
   * level.
   */
  evidence: Schema.Record(Schema.String, Compared),
  /** The datum of `evidence` that decided. */
  decidedBy: Schema.optionalKey(Schema.String),
  sentinels: Schema.Array(SentinelExplanation),
  /** Names of other owners' sentinels, which weren't read. */
  foreign: Schema.Array(Schema.String),
  /** Why nothing in the directory is trusted, such as an owner other than the caller and uid 0. */
  distrust: Schema.optionalKey(Schema.String)
})
export type Explanation = typeof Explanation.Type

const missing = (evidence: Evidence): ReadonlyArray<string> =>
  Object.entries(evidence).flatMap(([datum, compared]) => (compared?.result === "unknown" ? [datum] : []))

const formats = { V1: "v1", V2: "v2", V3: "v3" } as const

const contentOf = ({ content }: Subject) => {
  if (Result.isFailure(content)) return {}
  const sentinel = content.success
  const role = sentinel._tag === "V3" ? { role: sentinel.record.role } : {}
  return { format: formats[sentinel._tag], pid: sentinel.pid, ...role }
}

const since = ({ writtenAt }: Subject) =>
  Option.match(DateTime.make(writtenAt), {
    onNone: () => ({}),
    onSome: (time) => ({ since: DateTime.formatIso(time) })
  })

const commandOf = ({ observed: { process } }: Subject, commands: Commands) => {
  const command = process?._tag === "Present" ? (commands.get(process.pid) ?? process.comm) : undefined
  return command === undefined ? {} : { command: command.toWellFormed() }
}

const ofPart = ({ judged, subject }: Part, commands: Commands): SentinelExplanation => {
  const about = {
    entry: subject.entry,
    ...since(subject),
    size: subject.size,
    ...contentOf(subject),
    ...commandOf(subject, commands)
  }
  if (Result.isFailure(judged)) {
    const error = judged.failure
    return { ...about, verdict: "unknown", reason: reasonOf(error), evidence: {}, notAvailable: [], error }
  }
  const { decidedBy, evidence, reason, verdict } = judged.success
  return { ...about, verdict, reason, decidedBy, evidence, notAvailable: missing(evidence) }
}

const decisiveEvidence = ({ decisive, parts }: Decision): Evidence => {
  const part = parts.find(({ subject }) => subject === decisive)
  return part !== undefined && Result.isSuccess(part.judged) ? part.judged.success.evidence : {}
}

/** The evidence of a judgement that isn't evidence of the decisive sentinel. */
const ownEvidence = (decision: Decision): SentinelExplanation["evidence"] => {
  const told: { readonly [datum: string]: unknown } = decisiveEvidence(decision)
  return Object.fromEntries(Object.entries(decision.evidence).filter(([datum, compared]) => told[datum] !== compared))
}

type Where = Pick<JudgeInputs, "path" | "kind" | "foreign" | "distrust">

/** Where the directory of the path `asked` was judged. */
const placeOf = (asked: string, { kind, path }: Where): Pick<Explanation, "path" | "asked" | "stage"> =>
  asked === path
    ? { path: path.toWellFormed() }
    : {
        path: path.toWellFormed(),
        asked: asked.toWellFormed(),
        stage: kind._tag === "Remains" ? "marked" : "claimed"
      }

/**
 * Names of processes by PID, for people. A judgement doesn't read them.
 *
 * @category models
 * @since 0.1.0
 */
export type Commands = ReadonlyMap<number, string>

const noCommands: Commands = new Map()

/**
 * Explains the judgement of the directory at the path `asked`, or of a directory that a sweep has moved away from this
 * path.
 *
 * @category explaining
 * @since 0.1.0
 */
export const make = (
  asked: string,
  decision: Decision,
  inputs: Where,
  commands: Commands = noCommands
): Explanation => {
  const { distrust, foreign } = inputs
  const { decidedBy, decisive, parts, reason, verdict } = decision
  const evidence = ownEvidence(decision)
  const decided =
    decidedBy !== undefined && evidence[decidedBy] !== undefined
      ? { decidedBy }
      : decisive === undefined
        ? {}
        : { decisive: decisive.entry }
  return {
    _tag: "Explanation",
    ...placeOf(asked, inputs),
    verdict,
    reason,
    ...decided,
    evidence,
    sentinels: parts.map((part) => ofPart(part, commands)),
    foreign,
    ...(distrust === undefined ? {} : { distrust: distrust.problem })
  }
}
