/** Judging a directory: the pure examination, with the kernel as its witness. */
import * as Effect from "effect/Effect"
import * as Condemned from "../Condemned.ts"
import type { Holding } from "../Holding.ts"
import { PidNamespaces } from "../PidNamespaces.ts"
import type { HostIdentity } from "../ProcessIdentity.ts"
import { ProcessInspector } from "../ProcessInspector.ts"
import { SentinelStore } from "../SentinelStore.ts"
import { type Circumstances, scope, wanted } from "../Verdict.ts"

/** Whom a judgement asks, and how it is to judge. */
export interface Court {
  readonly inspector: ProcessInspector["Service"]
  readonly namespaces: (typeof PidNamespaces)["Service"]
  readonly probeLock: SentinelStore["Service"]["probeLock"]
  readonly host: HostIdentity
  readonly legacy: "trust" | "keep"
  /** Whether a directory lies on a file system of this machine alone. */
  readonly isLocal: (holding: Holding) => boolean
}

export const makeCourt = Effect.fnUntraced(function* (
  options: Pick<Court, "legacy" | "isLocal">
): Effect.fn.Return<Court, never, ProcessInspector | SentinelStore> {
  const inspector = yield* ProcessInspector
  const { probeLock } = yield* SentinelStore
  return { inspector, namespaces: yield* PidNamespaces, probeLock, host: yield* inspector.host, ...options }
})

const testify = Effect.fnUntraced(function* (
  court: Court,
  holding: Holding,
  { file, sentinel }: Condemned.Question
): Effect.fn.Return<Condemned.Testimony> {
  const record = sentinel._tag === "V3" ? sentinel.record : undefined
  const circumstances: Circumstances = {
    localFileSystem: court.isLocal(holding),
    writtenAt: file.writtenAt,
    legacy: court.legacy,
    ...(record?.lock === undefined ? {} : { lock: yield* court.probeLock(holding.path) })
  }
  const byScope = scope(sentinel, court.host, circumstances)
  if (byScope === undefined) {
    return { circumstances, observation: yield* court.inspector.observe(sentinel.pid, wanted(sentinel)) }
  }
  if (byScope.reason !== "other-pid-namespace" || record?.pidNamespace === undefined) {
    return { circumstances, observation: undefined }
  }
  const namespace = yield* court.namespaces.prove(record.pidNamespace, sentinel.pid, wanted(sentinel))
  return { circumstances: { ...circumstances, namespace }, observation: undefined }
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
