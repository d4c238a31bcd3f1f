/**
 * All that the judgement of a directory depends on, as one value that can be recorded and judged again.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { DirectoryFrame, fileToken } from "./DirectoryFrame.ts"
import { PermissionDenied, SentinelError, StoreFailure } from "./Errors.ts"
import type { SentinelFile } from "./DirectoryState.ts"
import { LockState } from "./LockState.ts"
import { Observation } from "./Observation.ts"
import { NamespaceProof } from "./PidNamespaces.ts"
import { HostIdentity } from "./ProcessIdentity.ts"
import { Answer, Reason } from "./Reason.ts"
import { Sentinel } from "./Sentinel.ts"

/**
 * Knowledge of an operator that the judgement lacks. A blank reason is none.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Knowledge = Schema.Struct({
  /** `keep`: a v1 or v2 record, which names no boot and no namespace, never condemns. */
  legacy: Schema.Literals(["trust", "keep"]),
  /** `inherited`: commands keep the lock that they were started with. */
  lock: Schema.Literals(["self", "inherited"]),
  /** `trust`: no other kernel has this one's ids, though it runs in a virtual machine. */
  shared: Schema.Literals(["trust", "keep"]),
  /** Why records of another directory are of this one. */
  assumeMoved: Schema.optionalKey(Schema.String),
  /** Why the owners are gone, where the judgement can't know. */
  assumeDead: Schema.optionalKey(Schema.String)
})
export type Knowledge = typeof Knowledge.Type

/**
 * The reader: its host, the directory that holds the sentinels, and the operator's knowledge.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Reader = Schema.Struct({ host: HostIdentity, frame: DirectoryFrame, knowledge: Knowledge })
export type Reader = typeof Reader.Type

/**
 * Observations of one owner. A missing key was not asked for: no answer would count.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Observed = Schema.Struct({
  /** State of the directory's lock, as it is for this owner. */
  lockState: Schema.optionalKey(LockState),
  /** What the kernel has under the owner's PID. */
  process: Schema.optionalKey(Observation),
  /** What a search of the whole kernel found. */
  search: Schema.optionalKey(NamespaceProof)
})
export type Observed = typeof Observed.Type

/**
 * Inputs of one owner beside its record. A missing key is unknown.
 *
 * @category models
 * @since 0.1.0
 */
export interface OwnerInputs {
  /** `DirectoryFrame.fileToken` of the sentinel. */
  readonly file?: string
  /** The later of mtime and ctime of the sentinel, milliseconds since the epoch. */
  readonly changedAt?: number
  readonly observed: Observed
}

/**
 * The {@link OwnerInputs} of a sentinel that was read.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ownerInputs = (file: SentinelFile, observed: Observed): Required<OwnerInputs> => ({
  file: fileToken(file),
  changedAt: file.changedAt,
  observed
})

/**
 * Why a sentinel has no record to judge.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SubjectError = Schema.Union([SentinelError, PermissionDenied, StoreFailure])
export type SubjectError = typeof SubjectError.Type

/**
 * One sentinel file, as far as it is judged and explained, and what was observed of the owner that it names.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Subject = Schema.Struct({
  /** File name inside the directory. */
  entry: Schema.String,
  /** Bytes. */
  size: Schema.Number,
  /** Modification time, milliseconds since the epoch. */
  writtenAt: Schema.Number,
  /** The later of mtime and ctime, milliseconds since the epoch. */
  changedAt: Schema.Number,
  /** `DirectoryFrame.fileToken` of it. */
  file: Schema.String,
  /** `DirectoryState.tagOf` of it. */
  tag: Schema.String,
  content: Schema.Result(Sentinel, SubjectError),
  /** Nothing is observed after the first owner that lives. */
  observed: Observed
})
export type Subject = typeof Subject.Type

/**
 * A directory's part in the sweep. `Workspace`: a sweep's own; without a sentinel its sweep gave it up. `Remains`: its deletion
 * was begun, and `tags` name the sentinels that were judged. Both count only for a path of that shape.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Kind = Schema.TaggedUnion({
  Directory: {},
  Workspace: {},
  Remains: { tags: Schema.Array(Schema.String) }
})
export type Kind = typeof Kind.Type

/**
 * An owner below the first level that isn't provably gone. `path`: where its sentinel lies.
 *
 * @category schemas
 * @since 0.1.0
 */
export const OwnerBelow = Schema.Struct({ path: Schema.String, verdict: Answer, reason: Reason })
export type OwnerBelow = typeof OwnerBelow.Type

/**
 * All inputs of a directory's judgement. The same inputs give the same decision.
 *
 * @category schemas
 * @since 0.1.0
 */
export const JudgeInputs = Schema.Struct({
  ...Reader.fields,
  path: Schema.String,
  kind: Kind,
  /** Why nothing in the directory is believed. */
  distrust: Schema.optionalKey(Schema.String),
  subjects: Schema.Array(Subject),
  /** Names of sentinels of owners that the caller doesn't read. */
  foreign: Schema.Array(Schema.String),
  /** State of the directory's lock, asked for where the directory would be condemned. */
  lock: Schema.optionalKey(LockState),
  /** Looked for where the directory would be condemned. */
  below: Schema.optionalKey(OwnerBelow)
})
export type JudgeInputs = typeof JudgeInputs.Type

/**
 * {@link JudgeInputs} as a text of JSON, for a log.
 *
 * @category schemas
 * @since 0.1.0
 */
export const JudgeInputsJson = Schema.fromJsonString(Schema.toCodecJson(JudgeInputs))
