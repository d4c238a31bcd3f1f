/**
 * Searches all processes of the kernel for a recorded process whose PID the reader can't look up.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Observation, type ObserveDepth } from "./Observation.ts"
import type { FirstProcess, Pid } from "./ProcessIdentity.ts"
import type { SentinelV3 } from "./Sentinel.ts"

/**
 * Result of a search of all processes of the kernel for a process that can't be looked up by its PID.
 *
 * - `Gone`: no process of the recorded PID namespace is left (`namespace`), or no process has the recorded 64-bit id
 *   (`processId64`).
 * - `Found`: what the kernel has under the recorded PID of that namespace, or under the recorded 64-bit id.
 * - `Incomplete`: no proof, for example because the reader doesn't see every process. `why`: the cause in words, for
 *   people.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NamespaceProof = Schema.TaggedUnion({
  Gone: { by: Schema.Literals(["namespace", "processId64"]) },
  Found: { observation: Observation },
  Incomplete: { why: Schema.optionalKey(Schema.String) }
})
export type NamespaceProof = typeof NamespaceProof.Type

/**
 * The data of a record by which a search of the whole kernel recognises its process. The fields are those of the
 * record.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sought {
  readonly pid: Pid
  readonly processId64?: string
  readonly pidNamespace?: string
  readonly pidNamespaceInit?: FirstProcess
  /** Nanoseconds by which a time namespace shifted the start of `pidNamespaceInit`. */
  readonly timeOffset?: string
}

/**
 * Takes from a v3 sentinel the data by which a search recognises the owner.
 *
 * @category constructors
 * @since 0.1.0
 */
export const soughtOf = ({ pid, record }: SentinelV3): Sought => {
  const { pidNamespace, pidNamespaceInit, processId64, timeOffset } = record
  return {
    pid,
    ...(processId64 === undefined ? {} : { processId64 }),
    ...(pidNamespace === undefined ? {} : { pidNamespace }),
    ...(pidNamespaceInit === undefined ? {} : { pidNamespaceInit }),
    ...(timeOffset === undefined ? {} : { timeOffset })
  }
}

/**
 * Searches for the process of a record whose PID can't be looked up, because its PID namespace isn't known to be the
 * reader's own. The default answers `Incomplete`. The Layers of `LinuxProcessInspector` provide a search.
 *
 * @category services
 * @since 0.1.0
 */
export const PidNamespaces = Context.Reference<{
  /** Never fails. `Gone` and `Found` are proofs about the running kernel in its present boot. */
  readonly prove: (sought: Sought, wanted?: ObserveDepth) => Effect.Effect<NamespaceProof>
}>("@vm-sentinel/core/PidNamespaces", {
  defaultValue: () => ({
    prove: () => Effect.succeed({ _tag: "Incomplete", why: "no Layer provides a search" })
  })
})
