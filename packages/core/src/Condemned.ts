/**
 * The judgement of a whole directory, and the only thing that a delete takes: a `Condemned`.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import type { LockState } from "./Disk.ts"
import { type PermissionDenied, type SentinelError, type StoreFailure, UntrustedSentinel } from "./Errors.ts"
import { difference, type Holding, type Judged, type Known, type SentinelFile, tagOf } from "./Holding.ts"
import type { Observation } from "./Observation.ts"
import type { HostIdentity } from "./ProcessIdentity.ts"
import type { Sentinel } from "./Sentinel.ts"
import * as SentinelName from "./SentinelName.ts"
import {
  type Circumstances,
  type Compared,
  type DeadReason,
  doom,
  type Evidence,
  judge,
  type Verdict
} from "./Verdict.ts"

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
export type JudgementReason = Verdict["reason"] | FileReason | "owner-inside"

/**
 * What was found out about the process that one sentinel names.
 *
 * @category models
 * @since 0.1.0
 */
export interface Testimony {
  /** `undefined`: not looked at, because nothing that it could say would count. */
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

const claimsLock = ({ content }: SentinelFile): boolean =>
  Result.isSuccess(content) && content.success._tag === "V3" && content.success.record.lock !== undefined

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
  /** One of the sentinels says that a lock is held: it isn't removed where the lock can't be taken. */
  readonly claimsLock: boolean

  private constructor(key: symbol, holding: Holding, reason: DeadReason) {
    if (key !== seal) throw new TypeError("a Condemned is made by a judgement alone")
    // What was judged can't be changed by whoever looked.
    const { foreign, id, path, sentinels } = holding
    this.#judged = { path, id: { ...id }, sentinels: sentinels.map(copy), foreign: [...foreign] }
    this.reason = reason
    this.claimsLock = sentinels.some(claimsLock)
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

/** What a sweep left. It was judged before: what is known of it now is that nobody has come since. */
const leftover = (holding: Holding, parts: ReadonlyArray<Part>, reason: "abandoned" | "resumed"): Judgement => ({
  holding,
  verdict: "dead",
  reason,
  evidence: {},
  decisive: undefined,
  error: undefined,
  parts,
  condemned: mint(holding, reason)
})

const isDead = ({ judged }: Part): boolean => Result.isSuccess(judged) && judged.success._tag === "Dead"

/** A directory that somebody else could have made, or have put something into. */
const distrusted = (holding: Holding, problem: string): Judgement => ({
  ...sentence(holding, []),
  ...byNoPart("unknown", "untrusted-sentinel"),
  error: new UntrustedSentinel({ operation: "read sentinel", path: holding.path, problem })
})

/** A workspace is born with its sentinel, and loses it when its sweep gives it up. */
const workspaceSentence = (holding: Holding, parts: ReadonlyArray<Part>): Judgement => {
  if (parts.length > 0 || holding.foreign.length > 0) return sentence(holding, parts)
  return holding.distrust === undefined ? leftover(holding, parts, "abandoned") : distrusted(holding, holding.distrust)
}

/** A sentinel that wasn't there when the directory was marked, or is alive, keeps it. */
const remainsSentence = (holding: Holding, parts: ReadonlyArray<Part>, tags: ReadonlyArray<string>): Judgement => {
  if (holding.distrust !== undefined) return distrusted(holding, holding.distrust)
  const isKnown = (part: Part) => isDead(part) || (!isAlive(part) && tags.includes(tagOf(part.file)))
  return holding.foreign.length === 0 && parts.every(isKnown)
    ? leftover(holding, parts, "resumed")
    : sentence(holding, parts)
}

const isAlive = ({ judged }: Part): boolean => Result.isSuccess(judged) && judged.success._tag === "Alive"

/**
 * What a directory is to the sweep. `workspace`: a sweep's own, where no sentinel at all means that the sweep gave it up.
 * `remains`: its deletion was begun, and `tags` name the sentinels that were judged. Both count only for a path of that shape.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind =
  | { readonly _tag: "Directory" }
  | { readonly _tag: "Workspace" }
  | { readonly _tag: "Remains"; readonly tags: ReadonlyArray<string> }

const directory: Kind = { _tag: "Directory" }

const isWorkspacePath = (name: string | undefined): boolean =>
  name !== undefined && SentinelName.parseReap(name)?.kind === "workspace"

const isMarkedPath = (path: string): boolean => {
  const [name = "", above, workspace] = path.split("/").toReversed()
  return SentinelName.parseReap(name)?.kind === "dead" || (above === "dead" && isWorkspacePath(workspace))
}

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
 * @category judging
 * @since 0.1.0
 */
export function* examine(
  holding: Holding,
  host: HostIdentity,
  kind: Kind = directory
): Generator<Question, Judgement, Testimony> {
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
  const judgement = sentenceOf(holding, withDoomed(parts), kind)
  if (judgement.verdict === "unknown") undecided.set(judgement, holding)
  return judgement
}

const sentenceOf = (holding: Holding, parts: ReadonlyArray<Part>, kind: Kind): Judgement => {
  const { path } = holding
  if (kind._tag === "Workspace" && isWorkspacePath(path.slice(path.lastIndexOf("/") + 1))) {
    return workspaceSentence(holding, parts)
  }
  return kind._tag === "Remains" && isMarkedPath(path)
    ? remainsSentence(holding, parts, kind.tags)
    : sentence(holding, parts)
}

const sentinelOf = ({ file, judged }: Part, tag: Verdict["_tag"]): ReadonlyArray<Sentinel> =>
  Result.isSuccess(judged) && judged.success._tag === tag && Result.isSuccess(file.content)
    ? [file.content.success]
    : []

/** The first process of a PID namespace takes all others with it: what is unknown of them is known by it. */
const withDoomed = (parts: ReadonlyArray<Part>): ReadonlyArray<Part> => {
  const gone = parts.flatMap((part) => sentinelOf(part, "Dead"))
  if (gone.length === 0 || gone.length === parts.length) return parts
  return parts.map((part) => {
    const [sentinel] = sentinelOf(part, "Unknown")
    return sentinel === undefined || Result.isFailure(part.judged)
      ? part
      : { ...part, judged: Result.succeed(doom(sentinel, part.judged.success, gone)) }
  })
}

/**
 * A dead directory whose lock was asked for: alive where somebody holds it, whatever its sentinels say. Any other judgement
 * comes back as it is.
 *
 * @category judging
 * @since 0.1.0
 */
export const withLock = (judgement: Judgement, lockState: LockState): Judgement => {
  if (judgement.condemned === undefined) return judgement
  const lock: Compared = { ...judgement.evidence.lock, observed: lockState, result: "not-applicable" }
  const evidence: Evidence = { ...judgement.evidence, lock }
  if (lockState === "shared" || lockState === "exclusive") {
    return { ...judgement, verdict: "alive", reason: "lock-held", evidence, condemned: undefined }
  }
  return lockState === "unknown" && judgement.holding.sentinels.some((file) => mayHoldLock(judgement, file))
    ? { ...judgement, verdict: "unknown", reason: "lock-unknown", evidence, condemned: undefined }
    : judgement
}

/** Whether a sentinel claims a lock, and isn't of an earlier boot, whose locks are all gone. */
const mayHoldLock = ({ parts }: Judgement, file: SentinelFile): boolean => {
  const judged = parts.find((part) => part.file === file)?.judged
  const isRebooted = judged !== undefined && Result.isSuccess(judged) && judged.success.reason === "rebooted"
  return claimsLock(file) && !isRebooted
}

/**
 * A dead directory with an owner below its first level that isn't provably gone: kept, `owner-inside`. `path`: where that
 * owner's sentinel lies. Any other judgement comes back as it is.
 *
 * @category judging
 * @since 0.1.0
 */
export const withOwnerBelow = (
  judgement: Judgement,
  path: string,
  below: Pick<Judgement, "verdict" | "reason">
): Judgement =>
  judgement.condemned === undefined
    ? judgement
    : {
        ...judgement,
        reason: "owner-inside",
        evidence: {
          ...judgement.evidence,
          below: { recorded: path, observed: `${below.verdict}, ${below.reason}`, result: "not-applicable" }
        },
        condemned: undefined
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
