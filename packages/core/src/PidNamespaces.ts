/**
 * The search of the whole kernel for a process of another PID namespace.
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
 * The answer of a reader that sees every process of the kernel, about a process that it can't look up by its PID. `Gone`: its
 * PID namespace has no process (`namespace`), or no process of the kernel has its 64-bit id (`processId64`).
 *
 * @category schemas
 * @since 0.1.0
 */
export const NamespaceProof = Schema.TaggedUnion({
  Gone: { by: Schema.Literals(["namespace", "processId64"]) },
  Found: { observation: Observation },
  Incomplete: {}
})
export type NamespaceProof = typeof NamespaceProof.Type

/**
 * The data of a record that name its process to a search of the whole kernel.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sought {
  readonly pid: Pid
  readonly processId64?: string
  readonly pidNamespace?: string
  readonly pidNamespaceInit?: FirstProcess
  /** Its start ticks, and those of `pidNamespaceInit`, are shifted by it. */
  readonly timeOffset?: string
}

/**
 * The {@link Sought} of a record.
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
 * Searches for the process of a record whose PID can't be looked up: it is of another PID namespace, or of an unknown boot.
 * The default finds nothing. Layer: `LinuxPidNamespaces`.
 *
 * @category services
 * @since 0.1.0
 */
export const PidNamespaces = Context.Reference<{
  /** Total. `Gone` and `Found` are complete proofs about this kernel, in this boot. */
  readonly prove: (sought: Sought, wanted?: ObserveDepth) => Effect.Effect<NamespaceProof>
}>("@vm-sentinel/core/PidNamespaces", {
  defaultValue: () => ({ prove: () => Effect.succeed({ _tag: "Incomplete" }) })
})
