/** A small VM orchestrator: one directory per VM, owned by the VM's process, swept when the orchestrator starts. */
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import type { RootError } from "@vm-sentinel/core/Errors"
import * as Ownership from "@vm-sentinel/core/Ownership"
import type { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import type { Pid } from "@vm-sentinel/core/ProcessIdentity"
import type { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type BootError, Hypervisor } from "./Hypervisor.ts"

export interface Vm {
  readonly name: string
  readonly directory: string
  readonly pid: Pid
}

export class Orchestrator extends Context.Service<
  Orchestrator,
  {
    /** What the sweep at the start found. */
    readonly recovered: Cleanup.Report
    readonly start: (name: string) => Effect.Effect<Vm, BootError | Ownership.RecordError>
  }
>()("example/Orchestrator") {}

export const layer = (
  root: string
): Layer.Layer<Orchestrator, RootError, Hypervisor | ProcessInspector | SentinelStore> =>
  Layer.effect(
    Orchestrator,
    Effect.gen(function* () {
      const hypervisor = yield* Hypervisor
      const services = yield* Effect.context<ProcessInspector | SentinelStore>()
      const recovered = yield* Cleanup.sweep(root)

      const start = Effect.fn("Orchestrator.start")(
        function* (name: string) {
          const directory = `${root}/${name}`
          // The VM inherits the lock's descriptor. So the directory stays even if this process is killed before the VM
          // has a record.
          const { file, lock } = yield* Ownership.create(directory, { role: "supervisor" })
          const pid = yield* hypervisor.boot(directory, lock)
          yield* Ownership.record(directory, lock === undefined ? { pid } : { pid, lock })
          yield* Ownership.release(directory, file)
          return { name, directory, pid }
        },
        Effect.scoped,
        Effect.provideContext(services)
      )

      return Orchestrator.of({ recovered, start })
    })
  )
