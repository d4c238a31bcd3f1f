/** Two real processes as owners. One lives until the scope ends, the other has exited. */
import { Pid, type ProcessIdentity } from "@vm-sentinel/core/ProcessIdentity"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import * as Sentinel from "@vm-sentinel/core/Sentinel"
import { Effect, Result } from "effect"
import { randomUUID } from "node:crypto"
import { piped } from "./processes.ts"

export interface Owners {
  readonly live: ProcessIdentity
  readonly dead: ProcessIdentity
}

export const make = Effect.gen(function* () {
  const { identify } = yield* ProcessInspector
  const one = yield* piped("sleep", ["1000000"])
  const other = yield* piped("sleep", ["1000000"])
  const [live, dead] = [yield* identify(Pid.make(one.pid)), yield* identify(Pid.make(other.pid))]
  yield* other.kill
  return { live, dead }
})

export interface InscribeOptions {
  readonly format?: Sentinel.Format
  readonly role?: string
  readonly lock?: Sentinel.LockRecord
}

/** Text of a sentinel. Each one has a nonce of its own. */
export const inscribe = (
  identity: ProcessIdentity,
  { format = "v3", lock, role = "owner" }: InscribeOptions = {}
): string => {
  const acquisition = { nonce: randomUUID(), role, createdAt: new Date().toISOString() }
  const made = Sentinel.fromIdentity(identity, format, { ...acquisition, ...(lock === undefined ? {} : { lock }) })
  return new TextDecoder().decode(Result.getOrThrow(Result.flatMap(made, Sentinel.encode)))
}
