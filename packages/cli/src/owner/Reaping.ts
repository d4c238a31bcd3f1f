/**
 * Reaps the orphans that `run` inherits as the first process of a PID namespace.
 *
 * @since 0.1.0
 */
import type { Pid } from "@vm-sentinel/core/ProcessIdentity"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Output from "../Output.ts"

const withoutReaping =
  "vm-sentinel: run is the first process here, and can't reap what it inherits without koffi: start it under an init\n"

/**
 * Reaps orphans. As the first process of a container, this process is the parent of all of them, and only a parent can
 * reap. Node reaps the command itself, and would miss its end if other code reaped it.
 *
 * @category running
 * @since 0.1.0
 */
export const reapOrphans: (command: Pid) => Effect.Effect<void, never, Output.Output | Scope.Scope> = Effect.fnUntraced(
  function* (command) {
    if (process.pid !== 1 || process.platform !== "linux") return
    const Orphans = yield* Effect.promise(() => import("@vm-sentinel/platform-linux/Orphans"))
    const waits = Orphans.load()
    if (waits === undefined) return yield* Output.note(withoutReaping)
    const own = new Set([command])
    const reap = () => void Orphans.reapAll(waits, own)
    yield* Effect.acquireRelease(
      Effect.sync(() => process.on("SIGCHLD", reap)),
      () => Effect.sync(() => process.off("SIGCHLD", reap))
    )
    // This call reaps the orphans that ended before the listener was added.
    reap()
  }
)
