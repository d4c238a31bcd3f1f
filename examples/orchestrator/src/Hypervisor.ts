/** Starts VMs. In this example any long-lived process can stand in for a VM. */
import type { HeldLock } from "@vm-sentinel/core/Disk"
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { spawn } from "node:child_process"

export class Hypervisor extends Context.Service<
  Hypervisor,
  {
    /** Boots a VM with its files in `directory`. The VM inherits the lock as descriptor 3 and runs until killed. */
    readonly boot: (directory: string, lock: HeldLock | undefined) => Effect.Effect<Pid>
  }
>()("example/Hypervisor") {}

/** Each VM is a real process: `sleep` stands in for the VMM. */
export const layer: Layer.Layer<Hypervisor> = Layer.succeed(
  Hypervisor,
  Hypervisor.of({
    boot: (directory, lock) =>
      Effect.sync(() => {
        const stdio = ["ignore", "ignore", "ignore", lock?.fd ?? "ignore"] as const
        const vm = spawn("sleep", ["1000"], { cwd: directory, detached: true, stdio: [...stdio] })
        vm.unref()
        return Pid.make(vm.pid ?? 0)
      })
  })
)
