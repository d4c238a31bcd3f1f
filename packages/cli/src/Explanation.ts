/**
 * Why a directory is judged as it is: every comparison of every sentinel. Pure.
 *
 * @since 0.1.0
 */
import type { Judgement, JudgementReason, Part } from "@vm-sentinel/core/Condemned"
import { DirectoryError } from "@vm-sentinel/core/Errors"
import { Compared, Reason } from "@vm-sentinel/core/Outcome"
import type { Datum, Evidence } from "@vm-sentinel/core/Verdict"
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/**
 * One sentinel file, and what its judgement compared.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SentinelExplanation = Schema.Struct({
  /** File name inside the directory. */
  entry: Schema.String,
  format: Schema.optionalKey(Schema.Literals(["v1", "v2", "v3"])),
  pid: Schema.optionalKey(Schema.Number),
  role: Schema.optionalKey(Schema.String),
  /** Modification time, ISO 8601, where it is one. */
  since: Schema.optionalKey(Schema.String),
  /** Bytes. */
  size: Schema.Number,
  verdict: Schema.Literals(["alive", "dead", "unknown"]),
  reason: Reason,
  /** The datum that decided this sentinel, one of `evidence`. */
  decidedBy: Schema.optionalKey(Schema.String),
  evidence: Schema.Record(Schema.String, Compared),
  /** What was asked for and could not be had, on one side or both. */
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
  verdict: Schema.Literals(["alive", "dead", "unknown", "none"]),
  reason: Reason,
  /** The sentinel that decided. */
  decisive: Schema.optionalKey(Schema.String),
  sentinels: Schema.Array(SentinelExplanation),
  /** Sentinels of owners that weren't read. */
  foreign: Schema.Array(Schema.String)
})
export type Explanation = typeof Explanation.Type

/** The data that each reason can rest on, the likeliest first. What isn't here rests on the last datum compared. */
const grounds: { readonly [K in JudgementReason]?: ReadonlyArray<Datum> } = {
  "lock-held": ["lock"],
  "lock-free": ["lock"],
  "namespace-gone": ["pidNamespace"],
  "other-pid-namespace": ["pidNamespace"],
  "boot-unknown": ["bootId"],
  "not-a-process": ["tgid"],
  zombie: ["state"],
  "pid-dead": ["process"],
  "pid-alive": ["process"],
  "legacy-kept": ["legacy"],
  "not-local": ["fileSystem"],
  "exe-mismatch": ["executable"],
  "exe-changed": ["startedAt"],
  "assumed-dead": ["assumption"]
}

/**
 * The datum that a verdict rests on; `undefined` where nothing was compared.
 *
 * @category explaining
 * @since 0.1.0
 */
export const decidedBy = (reason: JudgementReason, evidence: Evidence): string | undefined =>
  grounds[reason]?.find((datum) => evidence[datum] !== undefined) ?? Object.keys(evidence).at(-1)

const missing = (evidence: Evidence): ReadonlyArray<string> =>
  Object.entries(evidence).flatMap(([datum, compared]) => (compared?.result === "unknown" ? [datum] : []))

const reasonOf = ({ _tag }: { readonly _tag: string }): SentinelExplanation["reason"] => {
  switch (_tag) {
    case "OversizedSentinel":
      return "oversized-sentinel"
    case "MalformedSentinel":
      return "malformed-sentinel"
    case "UntrustedSentinel":
      return "untrusted-sentinel"
    case "UnsupportedVersion":
      return "unsupported-version"
    default:
      return "unreadable"
  }
}

const formats = { V1: "v1", V2: "v2", V3: "v3" } as const
const verdicts = { Alive: "alive", Dead: "dead", Unknown: "unknown" } as const

const content = ({ file }: Part) => {
  if (Result.isFailure(file.content)) return {}
  const sentinel = file.content.success
  const role = sentinel._tag === "V3" ? { role: sentinel.record.role } : {}
  return { format: formats[sentinel._tag], pid: sentinel.pid, ...role }
}

const since = ({ writtenAt }: Part["file"]) =>
  Option.match(DateTime.make(writtenAt), {
    onNone: () => ({}),
    onSome: (time) => ({ since: DateTime.formatIso(time) })
  })

const ofPart = (part: Part): SentinelExplanation => {
  const { file, judged } = part
  const about = { entry: file.entry, ...since(file), size: file.size, ...content(part) }
  if (Result.isFailure(judged)) {
    const error = judged.failure
    return { ...about, verdict: "unknown", reason: reasonOf(error), evidence: {}, notAvailable: [], error }
  }
  const { _tag, evidence, reason } = judged.success
  const datum = decidedBy(reason, evidence)
  return {
    ...about,
    verdict: verdicts[_tag],
    reason,
    ...(datum === undefined ? {} : { decidedBy: datum }),
    evidence,
    notAvailable: missing(evidence)
  }
}

/**
 * @category explaining
 * @since 0.1.0
 */
export const make = (path: string, judgement: Judgement, foreign: ReadonlyArray<string>): Explanation => ({
  _tag: "Explanation",
  path: path.toWellFormed(),
  verdict: judgement.verdict,
  reason: judgement.reason,
  ...(judgement.decisive === undefined ? {} : { decisive: judgement.decisive.entry }),
  sentinels: judgement.parts.map(ofPart),
  foreign
})
