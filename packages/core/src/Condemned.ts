/**
 * The only thing that a delete takes: the right to remove one directory. The judgement of a live directory alone gives it.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import {
  difference,
  type DirectoryState,
  type Fingerprint,
  type FileFingerprint,
  type SentinelFile,
  tagOf
} from "./DirectoryState.ts"
import { type JudgeInputs, type Kind, type Knowledge, type Observed, ownerInputs, type Subject } from "./JudgeInputs.ts"
import { decide, type Decision, isCondemned } from "./Judgement.ts"
import type { HostIdentity } from "./ProcessIdentity.ts"
import type { DeadReason } from "./Reason.ts"
import * as Sentinel from "./Sentinel.ts"

/** The data that identify a file. */
const copy = ({ bytes, entry, id, size, writtenAt }: SentinelFile): FileFingerprint => ({
  entry,
  id: { ...id },
  size,
  writtenAt,
  bytes: bytes?.slice()
})

const claimsLock = ({ content }: SentinelFile): boolean =>
  Result.isSuccess(content) && Sentinel.claimsLock(content.success)

const seal = Symbol("Condemned")
let mint: (state: DirectoryState, reason: DeadReason) => Condemned

/**
 * The right to delete one directory: bound to its device and inode and to the exact sentinels that were judged. Only
 * {@link judge} makes one. There is no schema of it, and recorded inputs that are judged again give none; it can't be forged or
 * copied.
 *
 * @category models
 * @since 0.1.0
 */
export class Condemned {
  readonly #fingerprint: Fingerprint
  readonly reason: DeadReason
  /** One of the sentinels says that a lock is held: it isn't removed where the lock can't be taken. */
  readonly claimsLock: boolean

  private constructor(key: symbol, state: DirectoryState, reason: DeadReason) {
    if (key !== seal) throw new TypeError("a Condemned is made by a judgement alone")
    // A copy: the caller can't change what was judged.
    const { foreign, id, path, sentinels } = state
    this.#fingerprint = { path, id: { ...id }, sentinels: sentinels.map(copy), foreign: [...foreign] }
    this.reason = reason
    this.claimsLock = sentinels.some(claimsLock)
    Object.freeze(this)
  }

  static {
    mint = (state, reason) => new Condemned(seal, state, reason)
  }

  /** Whether a value was really made by a judgement. */
  static is(value: unknown): value is Condemned {
    return typeof value === "object" && value !== null && #fingerprint in value
  }

  /** Where the directory was judged. */
  get path(): string {
    return this.#fingerprint.path
  }

  /** The first difference between `now` and what was judged; `undefined` where there is none. Throws for a value that is no `Condemned`. */
  difference(now: DirectoryState): string | undefined {
    return difference(this.#fingerprint, now)
  }
}

/**
 * The judgement of a directory that was just read. Only a `dead` one carries a {@link Condemned}.
 *
 * @category models
 * @since 0.1.0
 */
export type Judgement = Decision & {
  /** The directory as it was read. */
  readonly state: DirectoryState
  /** All that the decision follows from. */
  readonly inputs: JudgeInputs
  readonly condemned: Condemned | undefined
}

/**
 * A directory that was just read, and what was observed of its owners.
 *
 * @category models
 * @since 0.1.0
 */
export interface Live {
  readonly state: DirectoryState
  readonly kind: Kind
  readonly host: HostIdentity
  readonly knowledge: Knowledge
  /** One for each sentinel, in order, up to the first owner that is alive. */
  readonly observed: ReadonlyArray<Observed>
}

const subjectOf = (file: SentinelFile, observed: Observed = {}): Subject => ({
  entry: file.entry,
  size: file.size,
  writtenAt: file.writtenAt,
  tag: tagOf(file),
  content: file.content,
  ...ownerInputs(file, observed)
})

const inputsOf = ({ state, host, kind, knowledge, observed }: Live): JudgeInputs => {
  const { distrust, foreign, frame, path, sentinels } = state
  const subjects = sentinels.map((file, index) => subjectOf(file, observed[index]))
  const inputs = { host, frame, knowledge, path, kind, subjects, foreign }
  return distrust === undefined ? inputs : { ...inputs, distrust }
}

/**
 * Judges a live directory, and condemns it where all its owners are provably gone.
 *
 * @category judging
 * @since 0.1.0
 */
export const judge = (live: Live): Judgement => {
  const { state } = live
  const inputs = inputsOf(live)
  const decision = decide(inputs)
  const condemned = isCondemned(decision) ? mint(state, decision.reason) : undefined
  return { ...decision, state, inputs, condemned }
}

/**
 * Judges a condemned directory again with what was found out since: it stays condemned, or is kept. Changes no other.
 *
 * @category judging
 * @since 0.1.0
 */
export const reconsider = (judgement: Judgement, found: Pick<JudgeInputs, "lock" | "below">): Judgement => {
  const { condemned, state } = judgement
  if (condemned === undefined) return judgement
  const inputs = { ...judgement.inputs, ...found }
  const decision = decide(inputs)
  return { ...decision, state, inputs, condemned: isCondemned(decision) ? condemned : undefined }
}
