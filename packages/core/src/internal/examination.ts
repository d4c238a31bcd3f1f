/** Judging a directory: the pure examination, with the kernel as its witness. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Condemned from "../Condemned.ts"
import type { FileId, Glimpse, Holding, SentinelFile } from "../Holding.ts"
import { PidNamespaces } from "../PidNamespaces.ts"
import type { HostIdentity } from "../ProcessIdentity.ts"
import { ProcessInspector } from "../ProcessInspector.ts"
import type { Sentinel } from "../Sentinel.ts"
import { SentinelStore } from "../SentinelStore.ts"
import { type Circumstances, judge, scope, wanted, wantedOfLife } from "../Verdict.ts"

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

const hasLock = (sentinel: Sentinel): boolean => sentinel._tag === "V3" && sentinel.record.lock !== undefined

const circumstancesOf = (
  { isLocal, legacy }: Court,
  directory: FileId,
  { writtenAt }: SentinelFile,
  lock: Circumstances["lock"]
): Circumstances => {
  const localFileSystem = isLocal(directory)
  return lock === undefined ? { localFileSystem, writtenAt, legacy } : { localFileSystem, writtenAt, legacy, lock }
}

const testify = Effect.fnUntraced(function* (
  court: Court,
  { id, path }: Holding,
  { file, sentinel }: Condemned.Question
): Effect.fn.Return<Condemned.Testimony> {
  const lock = hasLock(sentinel) ? yield* court.probeLock(path) : undefined
  const circumstances = circumstancesOf(court, id, file, lock)
  const byScope = scope(sentinel, court.host, circumstances)
  if (byScope === undefined) {
    return { circumstances, observation: yield* court.inspector.observe(sentinel.pid, wanted(sentinel)) }
  }
  const pidNamespace = sentinel._tag === "V3" ? sentinel.record.pidNamespace : undefined
  if (byScope.reason !== "other-pid-namespace" || pidNamespace === undefined) {
    return { circumstances, observation: undefined }
  }
  const namespace = yield* court.namespaces.prove(pidNamespace, sentinel.pid, wanted(sentinel))
  return { circumstances: { ...circumstances, namespace }, observation: undefined }
})

/** What a glance can find: that the owner lives. That is all there is to know of a directory, whatever else is in it. */
export type Life = Pick<Condemned.Judgement, "verdict" | "reason" | "evidence" | "decisive" | "error">

/** `undefined`: this sentinel doesn't settle it, {@link examine} must. */
export const glance = Effect.fnUntraced(function* (
  court: Court,
  { id, path, sentinel: file }: Glimpse
): Effect.fn.Return<Life | undefined> {
  if (Result.isFailure(file.content)) return undefined
  const sentinel = file.content.success
  const lock = hasLock(sentinel) ? yield* court.probeLock(path) : undefined
  const observation = lock === "busy" ? undefined : yield* court.inspector.observe(sentinel.pid, wantedOfLife(sentinel))
  const verdict = judge(sentinel, observation, court.host, circumstancesOf(court, id, file, lock))
  if (verdict._tag !== "Alive") return undefined
  return { verdict: "alive", reason: verdict.reason, evidence: verdict.evidence, decisive: file, error: undefined }
})

export const examine = Effect.fnUntraced(function* (
  court: Court,
  holding: Holding,
  kind: "directory" | "workspace" | "remains" = "directory"
) {
  const examination = Condemned.examine(holding, court.host, kind)
  let step = examination.next()
  while (step.done !== true) step = examination.next(yield* testify(court, holding, step.value))
  return step.value
})
