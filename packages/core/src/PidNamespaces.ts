/**
 * What a reader that sees every process of the kernel knows about another PID namespace.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Wanted } from "./Observation.ts"
import type { FirstProcess, Pid } from "./ProcessIdentity.ts"
import type { NamespaceProof } from "./Verdict.ts"

/**
 * What a record says of its process that can be searched for in the whole kernel.
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
 * Asked for a record whose PID can't be looked up: it is of another PID namespace, or nobody knows of which boot. By default
 * nobody sees the whole kernel. Layer: `LinuxPidNamespaces`.
 *
 * @category services
 * @since 0.1.0
 */
export const PidNamespaces = Context.Reference<{
  /** Total. `Gone` and `Found` are complete proofs about this kernel, in this boot. */
  readonly prove: (sought: Sought, wanted?: Wanted) => Effect.Effect<NamespaceProof>
}>("@vm-sentinel/core/PidNamespaces", {
  defaultValue: () => ({ prove: () => Effect.succeed({ _tag: "Incomplete" }) })
})
