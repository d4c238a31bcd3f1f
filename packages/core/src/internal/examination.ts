/** Judging a directory: the pure examination, with the kernel as its witness. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Condemned from "../Condemned.ts"
import { fileToken } from "../DirectoryFrame.ts"
import type { LockState } from "../Disk.ts"
import type { Holding } from "../Holding.ts"
import type { Observation } from "../Observation.ts"
import { PidNamespaces, type Sought } from "../PidNamespaces.ts"
import type { HostIdentity, Pid } from "../ProcessIdentity.ts"
import { ProcessInspector } from "../ProcessInspector.ts"
import * as Sentinel from "../Sentinel.ts"
import { SentinelStore } from "../SentinelStore.ts"
import {
  type AliveReason,
  type Circumstances,
  type Evidence,
  hasRecordedId,
  judge,
  type Knowledge,
  needed,
  wanted,
  wantedOfLife
} from "../Verdict.ts"
import { hasOwnerPart, type OwnerPart, ownerPart } from "./canonicalRecords.ts"
import * as Memory from "./memory.ts"

/** Whom a judgement asks, and how it is to judge. */
export interface Court {
  readonly inspector: ProcessInspector["Service"]
  readonly namespaces: (typeof PidNamespaces)["Service"]
  /** `undefined`: the lock isn't evidence. */
  readonly probeLock: (path: string) => Effect.Effect<LockState | undefined>
  readonly host: HostIdentity
  readonly legacy: "trust" | "keep"
  readonly knowledge: Knowledge
}

export interface JudgeOptions {
  readonly legacy?: "trust" | "keep"
  readonly lock?: Knowledge["lock"]
  readonly shared?: Knowledge["shared"]
  readonly assumeMoved?: string
}

const knowledgeOf = ({ assumeMoved, lock = "self", shared = "keep" }: JudgeOptions): Knowledge =>
  assumeMoved === undefined || assumeMoved.trim() === "" ? { lock, shared } : { lock, shared, assumeMoved }

export const makeCourt = Effect.fnUntraced(function* (
  options: JudgeOptions
): Effect.fn.Return<Court, never, ProcessInspector | SentinelStore> {
  const inspector = yield* ProcessInspector
  const store = yield* SentinelStore
  const probeLock = (path: string) => store.probeLock(path, { byCommand: true })
  const { legacy = "trust" } = options
  const knowledge = knowledgeOf(options)
  return { inspector, namespaces: yield* PidNamespaces, probeLock, host: yield* inspector.host, legacy, knowledge }
})

const hasLock = (sentinel: Sentinel.Sentinel): boolean => sentinel._tag === "V3" && sentinel.record.lock !== undefined

const testify = (
  { host, inspector, knowledge, legacy, namespaces, probeLock }: Court,
  { frame, path }: Holding,
  { file, sentinel }: Condemned.Question
): Effect.Effect<Condemned.Testimony> => {
  const testimony = Effect.fnUntraced(function* (circumstances: Circumstances): Effect.fn.Return<Condemned.Testimony> {
    const { process, search } = needed(sentinel, host, circumstances)
    const observation = process === undefined ? undefined : yield* inspector.observe(sentinel.pid, process)
    if (!search || sentinel._tag !== "V3" || hasRecordedId(sentinel, observation)) return { circumstances, observation }
    const { pid, record } = sentinel
    const { pidNamespace, pidNamespaceInit, processId64, timeOffset } = record
    const sought: Sought = {
      pid,
      ...(processId64 === undefined ? {} : { processId64 }),
      ...(pidNamespace === undefined ? {} : { pidNamespace }),
      ...(pidNamespaceInit === undefined ? {} : { pidNamespaceInit }),
      ...(timeOffset === undefined ? {} : { timeOffset })
    }
    const proof = yield* namespaces.prove(sought, wanted(sentinel))
    return { circumstances: { ...circumstances, search: proof }, observation }
  })
  const circumstances: Circumstances = { ...knowledge, frame, file: fileToken(file), changedAt: file.changedAt, legacy }
  return hasLock(sentinel)
    ? Effect.flatMap(probeLock(path), (lockState) =>
        testimony(lockState === undefined ? circumstances : { ...circumstances, lockState })
      )
    : testimony(circumstances)
}

/** What a glance can find: that the owner lives. That is all there is to know of a directory, whatever else is in it. */
export interface Life {
  readonly reason: AliveReason
  readonly evidence: Evidence
  /** The sentinel's. */
  readonly pid: Pid
}

/** Milliseconds for which an owner that was seen alive is taken to live, in all directories that are its. */
const freshness = 100

const encoder = new TextEncoder()

/** Of each character one byte. */
const bytesOf = (content: string): Uint8Array => {
  const encoded = encoder.encode(content)
  // ASCII alone, as nearly all are.
  if (encoded.length === content.length) return encoded
  const bytes = new Uint8Array(content.length)
  for (let index = 0; index < bytes.length; index++) bytes[index] = content.charCodeAt(index)
  return bytes
}

/** Who is alive is so by these too. */
const leastTrusting: Circumstances = {
  frame: { id: { dev: "", ino: "" } },
  legacy: "keep",
  lock: "self",
  shared: "keep"
}

/**
 * Finds the owners that live. Who owns many directories is asked about once for all that come within a moment, and its
 * record is read once. `undefined`: this sentinel doesn't settle it, {@link examine} must.
 */
export const makeGlance = ({ host, inspector, probeLock }: Court) => {
  const known = Memory.make<number, { readonly part: OwnerPart; readonly life: Life }>(freshness)

  const judged = (
    sentinel: Sentinel.Sentinel,
    observation: Observation | undefined,
    circumstances: Circumstances
  ): Life | undefined => {
    const verdict = judge(sentinel, observation, host, circumstances)
    return verdict._tag === "Alive"
      ? { reason: verdict.reason, evidence: verdict.evidence, pid: sentinel.pid }
      : undefined
  }

  const observed = (sentinel: Sentinel.Sentinel, circumstances: Circumstances) =>
    Effect.map(inspector.observe(sentinel.pid, wantedOfLife(sentinel)), (seen) => judged(sentinel, seen, circumstances))

  const ask = (path: string, content: string): Effect.Effect<Life | undefined> => {
    const parsed = Sentinel.parse(bytesOf(content))
    if (Result.isFailure(parsed)) return Effect.undefined
    const sentinel = parsed.success
    if (!hasLock(sentinel)) {
      const since = known.now()
      return Effect.map(observed(sentinel, leastTrusting), (life) => {
        if (life !== undefined) known.set(life.pid, { part: ownerPart(content), life }, since)
        return life
      })
    }
    return Effect.flatMap(probeLock(path), (lockState) => {
      const circumstances = lockState === undefined ? leastTrusting : { ...leastTrusting, lockState }
      return lockState === "shared" || lockState === "exclusive"
        ? Effect.succeed(judged(sentinel, undefined, circumstances))
        : observed(sentinel, circumstances)
    })
  }

  /** Without an Effect: of an owner that was asked about lately. */
  const recall = (content: string): Life | undefined => {
    const owner = known.get(Number.parseInt(content, 10))
    return owner !== undefined && hasOwnerPart(content, owner.part) ? owner.life : undefined
  }

  return { recall, ask }
}

export const examine = (court: Court, holding: Holding, kind?: Condemned.Kind): Effect.Effect<Condemned.Judgement> =>
  Effect.suspend(() => {
    const examination = Condemned.examine(holding, court.host, kind)
    const proceed = (
      step: IteratorResult<Condemned.Question, Condemned.Judgement>
    ): Effect.Effect<Condemned.Judgement> =>
      step.done === true
        ? Effect.succeed(step.value)
        : Effect.flatMap(testify(court, holding, step.value), (testimony) => proceed(examination.next(testimony)))
    return proceed(examination.next())
  })
