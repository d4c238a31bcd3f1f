/**
 * The judgement of a whole directory, and the only thing that a delete takes: a `Condemned`.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import type { PermissionDenied, SentinelError, StoreFailure } from "./Errors.ts"
import { difference, type Holding, type Judged, type Known, type SentinelFile } from "./Holding.ts"
import type { Observation } from "./Observation.ts"
import type { HostIdentity } from "./ProcessIdentity.ts"
import type { Sentinel } from "./Sentinel.ts"
import * as SentinelName from "./SentinelName.ts"
import { type Circumstances, type DeadReason, type Evidence, judge, type Verdict } from "./Verdict.ts"

/**
 * Reasons for keeping a directory that no process was judged for.
 *
 * @category models
 * @since 0.1.0
 */
export type FileReason =
  | "no-sentinel"
  | "oversized-sentinel"
  | "malformed-sentinel"
  | "untrusted-sentinel"
  | "unsupported-version"
  | "unreadable"
  | "other-owner"

/**
 * @category models
 * @since 0.1.0
 */
export type JudgementReason = Verdict["reason"] | FileReason

/**
 * What was found out about the process that one sentinel names.
 *
 * @category models
 * @since 0.1.0
 */
export interface Testimony {
  /** `undefined`: not looked at, because the record and the host decided before. */
  readonly observation: Observation | undefined
  readonly circumstances: Circumstances
}

/**
 * A sentinel that was read and must be testified about.
 *
 * @category models
 * @since 0.1.0
 */
export interface Question {
  readonly file: SentinelFile
  readonly sentinel: Sentinel
}

/**
 * One sentinel, and what was judged of it; an error where its content couldn't be.
 *
 * @category models
 * @since 0.1.0
 */
export interface Part {
  readonly file: SentinelFile
  readonly judged: Result.Result<Verdict, SentinelError | PermissionDenied | StoreFailure>
}

/**
 * The judgement of a directory. Only a `dead` one carries a {@link Condemned}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Judgement {
  /** What was judged. */
  readonly holding: Holding
  readonly verdict: "alive" | "dead" | "unknown" | "none"
  readonly reason: JudgementReason
  readonly evidence: Evidence
  /** The sentinel that decided. */
  readonly decisive: SentinelFile | undefined
  readonly error: SentinelError | PermissionDenied | StoreFailure | undefined
  readonly parts: ReadonlyArray<Part>
  readonly condemned: Condemned | undefined
}

/** What a file is known by. */
const copy = ({ bytes, entry, id, size, writtenAt }: SentinelFile): Known => ({
  entry,
  id: { ...id },
  size,
  writtenAt,
  bytes: bytes?.slice()
})

const seal = Symbol("Condemned")
let mint: (holding: Holding, reason: DeadReason) => Condemned

/**
 * The right to delete one directory: bound to its device and inode and to the exact sentinels that were judged. Only
 * {@link examine} and {@link assumeDead} make one; there is no schema of it, and it can't be forged or copied.
 *
 * @category models
 * @since 0.1.0
 */
export class Condemned {
  readonly #judged: Judged
  readonly reason: DeadReason

  private constructor(key: symbol, holding: Holding, reason: DeadReason) {
    if (key !== seal) throw new TypeError("a Condemned is made by a judgement alone")
    // What was judged can't be changed by whoever looked.
    const { foreign, id, path, sentinels } = holding
    this.#judged = { path, id: { ...id }, sentinels: sentinels.map(copy), foreign: [...foreign] }
    this.reason = reason
    Object.freeze(this)
  }

  static {
    mint = (holding, reason) => new Condemned(seal, holding, reason)
  }

  /** Whether a value was really made by a judgement. */
  static is(value: unknown): value is Condemned {
    return typeof value === "object" && value !== null && #judged in value
  }

  /** Where the directory was judged. */
  get path(): string {
    return this.#judged.path
  }

  /** What of `now` isn't what was judged; `undefined` where all of it is. Throws for a value that is no `Condemned`. */
  difference(now: Holding): string | undefined {
    return difference(this.#judged, now)
  }
}

const fileReason = (error: SentinelError | PermissionDenied | StoreFailure): FileReason => {
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

type Finding = Pick<Judgement, "verdict" | "reason" | "evidence" | "decisive" | "error">

const findingOf = ({ file, judged }: Part): Finding => {
  if (Result.isFailure(judged)) {
    const error = judged.failure
    return { verdict: "unknown", reason: fileReason(error), evidence: {}, decisive: file, error }
  }
  const { _tag, evidence, reason } = judged.success
  const verdict = _tag === "Alive" ? "alive" : _tag === "Dead" ? "dead" : "unknown"
  return { verdict, reason, evidence, decisive: file, error: undefined }
}

const byNoPart = (verdict: "unknown" | "none", reason: FileReason): Finding => ({
  verdict,
  reason,
  evidence: {},
  decisive: undefined,
  error: undefined
})

const sentence = (holding: Holding, parts: ReadonlyArray<Part>): Judgement => {
  // Spelled out: to copy an object takes V8 many times as long.
  const judgement = (
    { decisive, error, evidence, reason, verdict }: Finding,
    condemned: Condemned | undefined
  ): Judgement => ({ holding, verdict, reason, evidence, decisive, error, parts, condemned })
  const findings = parts.map(findingOf)
  const kept = findings.find(({ verdict }) => verdict === "alive") ?? findings.find(({ verdict }) => verdict !== "dead")
  if (kept !== undefined) return judgement(kept, undefined)
  if (holding.foreign.length > 0) return judgement(byNoPart("unknown", "other-owner"), undefined)
  const [first] = findings
  if (first === undefined) return judgement(byNoPart("none", "no-sentinel"), undefined)
  const verdicts = parts.flatMap(({ judged }) => (Result.isSuccess(judged) ? [judged.success] : []))
  const [cause] = verdicts
  const isDead =
    cause?._tag === "Dead" && verdicts.length === parts.length && verdicts.every(({ _tag }) => _tag === "Dead")
  return judgement(first, isDead ? mint(holding, cause.reason) : undefined)
}

/**
 * What a sweep left. A workspace is born with its sentinel and loses it when its sweep gives it up; what is named as
 * remains was judged before it was named so.
 */
const leftover = (holding: Holding, reason: "abandoned" | "resumed"): Judgement => ({
  holding,
  verdict: "dead",
  reason,
  evidence: {},
  decisive: undefined,
  error: undefined,
  parts: [],
  condemned: mint(holding, reason)
})

/** What {@link assumeDead} may decide. Of others nothing is kept: a map holds what is in it until a full collection. */
const undecided = new WeakMap<Judgement, Holding>()

/**
 * Judges a directory: alive when any of its owners is, dead only when every one is provably gone and nobody else's
 * sentinel lies in it. Asks about one readable sentinel at a time, in order, until one is alive:
 *
 * ```ts
 * const examination = Condemned.examine(holding, host)
 * let step = examination.next()
 * while (!step.done) step = examination.next(testimonyOf(step.value))
 * step.value // the Judgement
 * ```
 *
 * `workspace`: the directory is a sweep's own, where no sentinel at all means that the sweep gave it up. `remains`: it
 * carries the name of a deletion that was begun. Both count only for a path of that shape.
 *
 * @category judging
 * @since 0.1.0
 */
export function* examine(
  holding: Holding,
  host: HostIdentity,
  kind: "directory" | "workspace" | "remains" = "directory"
): Generator<Question, Judgement, Testimony> {
  const place = SentinelName.parseReap(holding.path.slice(holding.path.lastIndexOf("/") + 1))?.kind
  if (kind === "remains" && place === "dead") return leftover(holding, "resumed")
  const parts: Array<Part> = []
  for (const file of holding.sentinels) {
    if (Result.isFailure(file.content)) {
      parts.push({ file, judged: Result.fail(file.content.failure) })
      continue
    }
    const sentinel = file.content.success
    const { circumstances, observation } = yield { file, sentinel }
    const verdict = judge(sentinel, observation, host, circumstances)
    parts.push({ file, judged: Result.succeed(verdict) })
    if (verdict._tag === "Alive") break
  }
  const judgement =
    kind === "workspace" && place === "workspace" && parts.length === 0 && holding.foreign.length === 0
      ? leftover(holding, "abandoned")
      : sentence(holding, parts)
  if (judgement.verdict === "unknown") undecided.set(judgement, holding)
  return judgement
}

/**
 * An operator's word that the owners of a directory are gone, where the judgement can't know. Overrides `unknown`,
 * never `alive` and never `none`: a directory without a sentinel isn't ours. Needs a reason, and a judgement that
 * {@link examine} made; any other comes back as it is.
 *
 * @category judging
 * @since 0.1.0
 */
export const assumeDead = (judgement: Judgement, reason: string): Judgement => {
  const holding = undecided.get(judgement)
  if (holding === undefined || judgement.verdict !== "unknown" || reason.trim() === "") return judgement
  return {
    ...judgement,
    verdict: "dead",
    reason: "assumed-dead",
    error: undefined,
    evidence: {
      ...judgement.evidence,
      assumption: { recorded: judgement.reason, observed: reason, result: "not-applicable" }
    },
    condemned: mint(holding, "assumed-dead")
  }
}
