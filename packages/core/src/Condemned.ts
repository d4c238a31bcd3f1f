/**
 * `Condemned`, the right to remove one directory. Every removal of a VM directory requires one. Only a judgement creates
 * a `Condemned`.
 *
 * @since 0.1.0
 */
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

/** Copies the data that identify a file. */
const copy = ({ bytes, entry, id, size, writtenAt }: SentinelFile): FileFingerprint => ({
  entry,
  id: { ...id },
  size,
  writtenAt,
  // `slice` of a Node Buffer would share its memory.
  bytes: bytes === undefined ? undefined : new Uint8Array(bytes)
})

const seal = Symbol("Condemned")
let mint: (state: DirectoryState, reason: DeadReason) => Condemned

/**
 * The right to delete one directory. Bound to the directory's device and inode, and to the exact sentinels that were
 * judged. Only {@link judge} creates a `Condemned`, and a copy is none. The class has no schema, and recorded inputs that
 * are judged again yield none. {@link judge} can't tell whether a state and its observations were really read. A removal
 * therefore compares the directory with the state again, under its lock.
 *
 * @category models
 * @since 0.1.0
 */
export class Condemned {
  readonly #fingerprint: Fingerprint
  /** Why the directory is dead. */
  readonly reason: DeadReason

  private constructor(key: symbol, state: DirectoryState, reason: DeadReason) {
    if (key !== seal) throw new TypeError("a Condemned is made by a judgement alone")
    // The copy keeps the caller from changing what was judged.
    const { foreign, id, path, sentinels } = state
    this.#fingerprint = { path, id: { ...id }, sentinels: sentinels.map(copy), foreign: [...foreign] }
    this.reason = reason
    Object.freeze(this)
  }

  static {
    mint = (state, reason) => new Condemned(seal, state, reason)
  }

  /** Whether {@link judge} created a value. */
  static is(value: unknown): value is Condemned {
    return typeof value === "object" && value !== null && #fingerprint in value
  }

  /** Path at which the directory was judged. */
  get path(): string {
    return this.#fingerprint.path
  }

  /**
   * Describes the first difference between the judged directory and `now`. `undefined`: there is none. Throws a
   * `TypeError` if `this` isn't a `Condemned`.
   */
  difference(now: DirectoryState): string | undefined {
    return difference(this.#fingerprint, now)
  }
}

/**
 * The judgement of a directory that was just read. Only a `dead` judgement has a {@link Condemned}.
 *
 * @category models
 * @since 0.1.0
 */
export type Judgement = Decision & {
  /** The directory as it was read. */
  readonly state: DirectoryState
  /** Everything that the decision depends on. */
  readonly inputs: JudgeInputs
  /** The right to delete the directory. `undefined`: something keeps the directory. */
  readonly condemned: Condemned | undefined
}

/**
 * A directory that was just read, and the observations of its owners.
 *
 * @category models
 * @since 0.1.0
 */
export interface Live {
  readonly state: DirectoryState
  readonly kind: Kind
  readonly host: HostIdentity
  readonly knowledge: Knowledge
  /** One for each sentinel, in the order of `state.sentinels`. May end at the first living owner. */
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
  const { crowded, distrust, foreign, frame, path, sentinels } = state
  const subjects = sentinels.map((file, index) => subjectOf(file, observed[index]))
  const inputs = { host, frame, knowledge, path, kind, subjects, foreign }
  return {
    ...inputs,
    ...(distrust === undefined ? {} : { distrust }),
    ...(crowded === undefined ? {} : { crowded })
  }
}

/**
 * Judges a directory that was just read, and condemns the directory if all its owners are provably gone.
 *
 * **Example** (Condemning a directory whose owner is gone)
 *
 * ```ts
 * import * as Condemned from "@vm-sentinel/core/Condemned"
 * import { defaultKnowledge } from "@vm-sentinel/core/JudgeInputs"
 * import * as Layout from "@vm-sentinel/core/Layout"
 * import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
 * import { SentinelStore } from "@vm-sentinel/core/SentinelStore"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   const inspector = yield* ProcessInspector
 *   const store = yield* SentinelStore
 *   const owner = yield* Simulation.crashed("/srv/vms/vm")
 *   const { condemned, reason, state } = Condemned.judge({
 *     state: yield* store.look("/srv/vms/vm", Layout.standard),
 *     kind: { _tag: "Directory" },
 *     host: yield* inspector.host,
 *     knowledge: defaultKnowledge,
 *     observed: [{ process: yield* inspector.observe(owner) }]
 *   })
 *   assert.strictEqual(reason, "pid-dead")
 *   // Nothing differs from what was judged.
 *   assert.ok(condemned !== undefined && condemned.difference(state) === undefined)
 *   // A copy gives no right to delete.
 *   assert.ok(!Condemned.Condemned.is({ ...condemned }))
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layer))
 * ```
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
 * Adds the holder of a held lock, in words, to the evidence. Returns a judgement with another reason than `lock-held`
 * unchanged.
 *
 * @category judging
 * @since 0.1.0
 */
export const withHolder = (judgement: Judgement, holder: string): Judgement => {
  if (judgement.reason !== "lock-held") return judgement
  const inputs = { ...judgement.inputs, holder }
  return { ...decide(inputs), state: judgement.state, inputs, condemned: undefined }
}

/**
 * Judges a condemned directory again with later findings. The directory stays condemned or is kept. A judgement that
 * condemns nothing is returned unchanged.
 *
 * **Example** (Keeping a condemned directory whose lock is held)
 *
 * ```ts
 * import * as Cleanup from "@vm-sentinel/core/Cleanup"
 * import * as Condemned from "@vm-sentinel/core/Condemned"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   yield* Simulation.crashed("/srv/vms/vm")
 *   const judgement = yield* Cleanup.judge("/srv/vms/vm")
 *   const free = Condemned.reconsider(judgement, { lock: "free" })
 *   assert.ok(free.condemned !== undefined && free.condemned === judgement.condemned)
 *   const held = Condemned.reconsider(judgement, { lock: "shared" })
 *   assert.deepStrictEqual([held.verdict, held.reason, held.condemned], ["alive", "lock-held", undefined])
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layer))
 * ```
 *
 * @category judging
 * @since 0.1.0
 */
export const reconsider = (judgement: Judgement, found: Pick<JudgeInputs, "lock" | "below" | "mount">): Judgement => {
  const { condemned, state } = judgement
  if (condemned === undefined) return judgement
  const inputs = { ...judgement.inputs, ...found }
  const decision = decide(inputs)
  return { ...decision, state, inputs, condemned: isCondemned(decision) ? condemned : undefined }
}
