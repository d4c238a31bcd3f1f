import { Clock, Effect, Result } from "effect"
import * as PidNamespaces from "../../src/PidNamespaces.ts"
import type { Pid } from "../../src/ProcessIdentity.ts"
import { ProcessInspector } from "../../src/ProcessInspector.ts"
import * as Sentinel from "../../src/Sentinel.ts"
import { circumstances as inDirectory, made, record } from "./fixtures.ts"
import { type Circumstances, judge, needed } from "./judging.ts"

export interface Written {
  readonly sentinel: Sentinel.Sentinel
  readonly writtenAt: number
}

/** The record that the process with this PID would write now. */
export const writtenBy = Effect.fnUntraced(function* (
  pid: Pid,
  format: Sentinel.Format = "v3",
  claims: Pick<Sentinel.Acquisition, "lock" | "directory"> = { directory: made }
) {
  const inspector = yield* ProcessInspector
  const identity = yield* inspector.identify(pid)
  const { createdAt, nonce, role } = record
  const acquisition = { createdAt, nonce, role, ...claims }
  const sentinel = Result.getOrThrow(Sentinel.fromIdentity(identity, format, acquisition))
  return { sentinel, writtenAt: yield* Clock.currentTimeMillis } satisfies Written
})

/**
 * The verdict of a sweep that judges the record now, in the recorded directory, and trusts v1 and v2. The sweep
 * observes the process only as deeply as the judgement needs.
 */
export const judged = Effect.fnUntraced(function* (
  { sentinel, writtenAt }: Written,
  changes: Partial<Circumstances> = {}
) {
  const inspector = yield* ProcessInspector
  const host = yield* inspector.host
  const circumstances = inDirectory({ changedAt: writtenAt, ...changes })
  const { process } = needed(sentinel, host, circumstances)
  const observation = process === undefined ? undefined : yield* inspector.observe(sentinel.pid, process)
  return judge(sentinel, observation, host, circumstances)
})

/** The data of the record that a search through all PID namespaces looks for. */
export const soughtOf = ({ sentinel }: Written): PidNamespaces.Sought =>
  sentinel._tag === "V3" ? PidNamespaces.soughtOf(sentinel) : { pid: sentinel.pid }
