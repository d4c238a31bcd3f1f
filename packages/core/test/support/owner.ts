import { Clock, Effect, Result } from "effect"
import type { Pid } from "../../src/ProcessIdentity.ts"
import { ProcessInspector } from "../../src/ProcessInspector.ts"
import * as Sentinel from "../../src/Sentinel.ts"
import { type Circumstances, judge, wanted } from "../../src/Verdict.ts"
import { record } from "./fixtures.ts"

export interface Written {
  readonly sentinel: Sentinel.Sentinel
  readonly writtenAt: number
}

/** What the process under `pid` would write now. */
export const writtenBy = Effect.fnUntraced(function* (
  pid: Pid,
  format: Sentinel.Format = "v3",
  lock?: Sentinel.LockRecord
) {
  const inspector = yield* ProcessInspector
  const identity = yield* inspector.identify(pid)
  const { createdAt, nonce, role } = record
  const acquisition = { createdAt, nonce, role, ...(lock === undefined ? {} : { lock }) }
  const sentinel = Result.getOrThrow(Sentinel.fromIdentity(identity, format, acquisition))
  return { sentinel, writtenAt: yield* Clock.currentTimeMillis } satisfies Written
})

/** What a sweep would think of it now, on a local file system that trusts v1 and v2. */
export const judged = Effect.fnUntraced(function* (
  { sentinel, writtenAt }: Written,
  circumstances: Partial<Circumstances> = {}
) {
  const inspector = yield* ProcessInspector
  const host = yield* inspector.host
  const observation = yield* inspector.observe(sentinel.pid, wanted(sentinel))
  return judge(sentinel, observation, host, { localFileSystem: true, legacy: "trust", writtenAt, ...circumstances })
})
