/**
 * Everything that the judgement of a directory depends on, as one value that can be recorded and judged again.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { DirectoryFrame, fileToken } from "./DirectoryFrame.ts"
import { Distrust, PermissionDenied, SentinelError, StoreFailure } from "./Errors.ts"
import type { SentinelFile } from "./DirectoryState.ts"
import { LockState } from "./LockState.ts"
import { Observation } from "./Observation.ts"
import { NamespaceProof } from "./PidNamespaces.ts"
import { HostIdentity } from "./ProcessIdentity.ts"
import { Answer, Reason } from "./Reason.ts"
import { Sentinel } from "./Sentinel.ts"

/**
 * Facts that an operator knows and that the judgement can't find out.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Knowledge = Schema.Struct({
  /** `keep`: a v1 or v2 record never condemns, because it names no boot and no PID namespace. Default: `trust`. */
  legacy: Schema.Literals(["trust", "keep"]),
  /**
   * `inherited`: the operator vouches that a recorded process keeps the lock that it was started with until it ends. A
   * free lock that was tested then proves its end. Default: `self`, which counts only a lock that the recorded process
   * took itself.
   */
  lock: Schema.Literals(["self", "inherited"]),
  /**
   * `trust`: the operator vouches that no other running kernel has this kernel's machine id and host name. Equal ids
   * alone don't prove that in a virtual machine, or in a container, which may have the machine id of its image.
   * Default: `keep`.
   */
  shared: Schema.Literals(["trust", "keep"]),
  /**
   * The operator's reason to accept records that were made in another directory, for a root that was moved. A blank
   * text counts as none.
   */
  assumeMoved: Schema.optionalKey(Schema.String),
  /**
   * The operator's reason to remove a directory whose verdict is `unknown`. A blank text counts as none. The reason
   * doesn't override `alive`, `none`, more than 64 sentinels, an owner or a mount below, or a recorded lock that can't
   * be probed.
   */
  assumeDead: Schema.optionalKey(Schema.String)
})
export type Knowledge = typeof Knowledge.Type

/**
 * What counts for known if the operator says nothing.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultKnowledge: Knowledge = { legacy: "trust", lock: "self", shared: "keep" }

/**
 * The reader of a sentinel: its host, the frame of the directory that holds the sentinel, and the operator's knowledge.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Reader = Schema.Struct({ host: HostIdentity, frame: DirectoryFrame, knowledge: Knowledge })
export type Reader = typeof Reader.Type

/**
 * Observations of one owner. A missing key wasn't asked for, because no answer would count.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Observed = Schema.Struct({
  /** State of the directory's lock, if the owner's record claims the lock. */
  lockState: Schema.optionalKey(LockState),
  /** The kernel's answer about the owner's PID. */
  process: Schema.optionalKey(Observation),
  /** Result of a search of all processes of the kernel, if the owner can't be looked up by its PID. */
  search: Schema.optionalKey(NamespaceProof)
})
export type Observed = typeof Observed.Type

/**
 * Inputs of one owner's judgement, in addition to the owner's record. A missing key means unknown.
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
 * The {@link OwnerInputs} of a sentinel that was read: the identity of its file, when it changed, and what was
 * observed.
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
 * Why a sentinel has no record that can be judged.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SubjectError = Schema.Union([SentinelError, PermissionDenied, StoreFailure])
export type SubjectError = typeof SubjectError.Type

/**
 * One sentinel file: the data that its judgement and its explanation need, and the observations of the owner that the
 * file names.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Subject = Schema.Struct({
  /** File name inside the directory. */
  entry: Schema.String,
  /** Size in bytes. */
  size: Schema.Number,
  /** Modification time, milliseconds since the epoch. */
  writtenAt: Schema.Number,
  /** The later of mtime and ctime, milliseconds since the epoch. */
  changedAt: Schema.Number,
  /** `DirectoryFrame.fileToken` of the file. */
  file: Schema.String,
  /** `DirectoryState.tagOf` of the file. */
  tag: Schema.String,
  /** The parsed record, or the reason why there is none. */
  content: Schema.Result(Sentinel, SubjectError),
  /**
   * Empty if the file has no record, or no observation could change the verdict. May be empty after the first living
   * owner.
   */
  observed: Observed
})
export type Subject = typeof Subject.Type

/**
 * The kind of directory that a sweep judges. `Directory`: a VM directory. `Workspace`: a sweep's own directory. If it
 * has no sentinel, its sweep gave it up. `Remains`: a directory whose deletion has begun. `tags` name the sentinels
 * that were judged. `Workspace` and `Remains` count only if the path has the form that a sweep gives to such a
 * directory.
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
 * An owner below the first level that isn't provably gone, or an inner directory that can't be searched. `path`: the
 * directory that holds the owner's sentinel or can't be searched, relative to the judged directory. `shortage`: the
 * error that ended the search, if the same search may succeed later.
 *
 * @category schemas
 * @since 0.1.0
 */
export const OwnerBelow = Schema.Struct({
  path: Schema.String,
  verdict: Answer,
  reason: Reason,
  shortage: Schema.optionalKey(StoreFailure)
})
export type OwnerBelow = typeof OwnerBelow.Type

/**
 * All inputs of a directory's judgement. Equal inputs give equal decisions.
 *
 * @category schemas
 * @since 0.1.0
 */
export const JudgeInputs = Schema.Struct({
  ...Reader.fields,
  path: Schema.String,
  kind: Kind,
  /** Why nothing in the directory is trusted. Missing if the directory is trusted. */
  distrust: Schema.optionalKey(Distrust),
  /** The sentinels that were read, in the order in which they are judged. */
  subjects: Schema.Array(Subject),
  /**
   * Names of sentinels that the library knows and the caller's `Layout` lacks. Also go-microvm's state file, if the
   * directory has a sentinel.
   */
  foreign: Schema.Array(Schema.String),
  /**
   * Maximum number of sentinels, present if the directory has more, or if it is distrusted and has a sentinel among at
   * least 10 000 names. `subjects` is then empty.
   */
  crowded: Schema.optionalKey(Schema.Number),
  /** State of the directory's lock. Asked for only if the directory would otherwise be condemned. */
  lock: Schema.optionalKey(LockState),
  /** The lock's holder in words. No judgement depends on it. */
  holder: Schema.optionalKey(Schema.String),
  /** The first owner found below. Searched for only if the directory would otherwise be condemned. */
  below: Schema.optionalKey(OwnerBelow),
  /** The mount point of a mount below. Counts only if the directory would otherwise be condemned. */
  mount: Schema.optionalKey(Schema.String)
})
export type JudgeInputs = typeof JudgeInputs.Type

/**
 * {@link JudgeInputs} as JSON text, for a log.
 *
 * **Example** (Judging once more from a log)
 *
 * ```ts
 * import * as Cleanup from "@vm-sentinel/core/Cleanup"
 * import { JudgeInputsJson } from "@vm-sentinel/core/JudgeInputs"
 * import { decide } from "@vm-sentinel/core/Judgement"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect, Schema } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   yield* Simulation.owned("/srv/vms/vm")
 *   const judgement = yield* Cleanup.judge("/srv/vms/vm")
 *   const line = yield* Schema.encodeEffect(JudgeInputsJson)(judgement.inputs)
 *   // Later, without the directory and its owner:
 *   const again = decide(yield* Schema.decodeEffect(JudgeInputsJson)(line))
 *   assert.deepStrictEqual([again.verdict, again.reason], ["alive", "matches"])
 *   assert.deepStrictEqual(again.evidence, judgement.evidence)
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layer))
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const JudgeInputsJson = Schema.fromJsonString(Schema.toCodecJson(JudgeInputs))
