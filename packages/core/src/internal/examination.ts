/** Judging a directory: the pure examination, with the kernel as its witness. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Condemned from "../Condemned.ts"
import type { FileId, Holding } from "../Holding.ts"
import type { Observation } from "../Observation.ts"
import { PidNamespaces } from "../PidNamespaces.ts"
import type { HostIdentity, Pid } from "../ProcessIdentity.ts"
import { ProcessInspector } from "../ProcessInspector.ts"
import * as Sentinel from "../Sentinel.ts"
import { SentinelStore } from "../SentinelStore.ts"
import { type AliveReason, type Circumstances, type Evidence, judge, scope, wanted, wantedOfLife } from "../Verdict.ts"
import { hasOwnerPart, type OwnerPart, ownerPart } from "./canonicalRecords.ts"
import * as Memory from "./memory.ts"

/** Whom a judgement asks, and how it is to judge. */
export interface Court {
  readonly inspector: ProcessInspector["Service"]
  readonly namespaces: (typeof PidNamespaces)["Service"]
  readonly probeLock: SentinelStore["Service"]["probeLock"]
  readonly host: HostIdentity
  readonly legacy: "trust" | "keep"
  /** Whether a directory lies on a file system of this machine alone. */
  readonly isLocal: (directory: FileId) => boolean
}

export const makeCourt = Effect.fnUntraced(function* (
  options: Pick<Court, "legacy" | "isLocal">
): Effect.fn.Return<Court, never, ProcessInspector | SentinelStore> {
  const inspector = yield* ProcessInspector
  const { probeLock } = yield* SentinelStore
  return { inspector, namespaces: yield* PidNamespaces, probeLock, host: yield* inspector.host, ...options }
})

const hasLock = (sentinel: Sentinel.Sentinel): boolean => sentinel._tag === "V3" && sentinel.record.lock !== undefined

const testify = (
  { host, inspector, isLocal, legacy, namespaces, probeLock }: Court,
  { id, path }: Holding,
  { file: { writtenAt }, sentinel }: Condemned.Question
): Effect.Effect<Condemned.Testimony> => {
  const { pid } = sentinel
  const testimony = (circumstances: Circumstances): Effect.Effect<Condemned.Testimony> => {
    const byScope = scope(sentinel, host, circumstances)
    if (byScope === undefined) {
      return Effect.map(inspector.observe(pid, wanted(sentinel)), (observation) => ({ circumstances, observation }))
    }
    const pidNamespace = sentinel._tag === "V3" ? sentinel.record.pidNamespace : undefined
    return byScope.reason !== "other-pid-namespace" || pidNamespace === undefined
      ? Effect.succeed({ circumstances, observation: undefined })
      : Effect.map(namespaces.prove(pidNamespace, pid, wanted(sentinel)), (namespace) => ({
          circumstances: { ...circumstances, namespace },
          observation: undefined
        }))
  }
  const circumstances: Circumstances = { localFileSystem: isLocal(id), writtenAt, legacy }
  return hasLock(sentinel)
    ? Effect.flatMap(probeLock(path), (lock) => testimony({ ...circumstances, lock }))
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
const leastTrusting: Circumstances = { localFileSystem: false, legacy: "keep" }

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
    return Effect.flatMap(probeLock(path), (lock) => {
      const circumstances = { ...leastTrusting, lock }
      return lock === "busy"
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

export const examine = (
  court: Court,
  holding: Holding,
  kind: "directory" | "workspace" | "remains" = "directory"
): Effect.Effect<Condemned.Judgement> =>
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
