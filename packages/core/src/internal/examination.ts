/** Judging a directory: the pure examination, with the inspector as its witness. */
import * as Effect from "effect/Effect"
import * as Condemned from "../Condemned.ts"
import type { Holding } from "../Holding.ts"
import type { HostIdentity } from "../ProcessIdentity.ts"
import type { ProcessInspector } from "../ProcessInspector.ts"
import type { SentinelStore } from "../SentinelStore.ts"
import { type Circumstances, scope, wanted } from "../Verdict.ts"

export interface Court {
  readonly inspector: ProcessInspector["Service"]
  readonly probeLock: SentinelStore["Service"]["probeLock"]
  readonly host: HostIdentity
  readonly legacy: "trust" | "keep"
  /** Whether a directory on this device lies on a file system of this machine alone. */
  readonly isLocal: (holding: Holding) => boolean
}

const testify = Effect.fnUntraced(function* (court: Court, holding: Holding, { file, sentinel }: Condemned.Question) {
  const hasLock = sentinel._tag === "V3" && sentinel.record.lock !== undefined
  const circumstances: Circumstances = {
    localFileSystem: court.isLocal(holding),
    writtenAt: file.writtenAt,
    legacy: court.legacy,
    ...(hasLock ? { lock: yield* court.probeLock(holding.path) } : {})
  }
  const observation =
    scope(sentinel, court.host, circumstances) === undefined
      ? yield* court.inspector.observe(sentinel.pid, wanted(sentinel))
      : undefined
  return { circumstances, observation }
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
