/**
 * What a reader that sees every process of the kernel knows about another PID namespace.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Wanted } from "./Observation.ts"
import type { Pid } from "./ProcessIdentity.ts"
import type { NamespaceProof } from "./Verdict.ts"

/**
 * Asked for a record of another PID namespace, which is `unknown` otherwise. By default nobody knows. Layer:
 * `LinuxPidNamespaces`.
 *
 * @category services
 * @since 0.1.0
 */
export const PidNamespaces = Context.Reference<{
  /** Total. `Gone` and `Found` are complete proofs. `pidNamespace` is as the recorder read it, `pid` its number there. */
  readonly prove: (pidNamespace: string, pid: Pid, wanted?: Wanted) => Effect.Effect<NamespaceProof>
}>("@vm-sentinel/core/PidNamespaces", {
  defaultValue: () => ({ prove: () => Effect.succeed({ _tag: "Incomplete" }) })
})
