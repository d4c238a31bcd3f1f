/**
 * Asks the kernel about processes.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { IdentityUnavailable, NotFound, PermissionDenied } from "./Errors.ts"
import type { FileId } from "./Holding.ts"
import type { Observation, Wanted } from "./Observation.ts"
import type { HostIdentity, Pid, ProcessIdentity } from "./ProcessIdentity.ts"

/**
 * Asks the kernel about processes. Layers: `LinuxProcessInspector`, `DarwinProcessInspector`, and for tests
 * `testing/FakeProcessTable`.
 *
 * @category services
 * @since 0.1.0
 */
export class ProcessInspector extends Context.Service<
  ProcessInspector,
  {
    /** This kernel, and the caller's place in it. What can't be read is missing, not an error. */
    readonly host: Effect.Effect<HostIdentity>
    /** The calling process. */
    readonly self: Effect.Effect<ProcessIdentity, IdentityUnavailable>
    /**
     * The process under `pid`, to be recorded. A thread id and a zombie are `NotFound`: neither can own anything.
     */
    readonly identify: (pid: Pid) => Effect.Effect<ProcessIdentity, NotFound | PermissionDenied | IdentityUnavailable>
    /**
     * What the kernel says about `pid` now. Total: every refusal is an answer. All data of one observation come from
     * one process. `wanted` (default `all`) bounds what is read.
     */
    readonly observe: (pid: Pid, wanted?: Wanted) => Effect.Effect<Observation>
    /**
     * Processes that hold the `flock(2)` of a directory, those that can be seen from here: for people, never evidence.
     * Linux: the `lock:` lines of `/proc/<pid>/fdinfo`.
     */
    readonly lockHolders: (directory: FileId) => Effect.Effect<ReadonlyArray<Pid>>
  }
>()("@vm-sentinel/core/ProcessInspector") {}
