/** What runs a VM: here any long-lived process will do. */
import type { HeldLock } from "@vm-sentinel/core/Disk"
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { spawn } from "node:child_process"

export class Hypervisor extends Context.Service<
  Hypervisor,
  {
    /** Boots a VM with its files in a directory, and hands it the lock, at descriptor 3. It runs until it is killed. */
    readonly boot: (directory: string, lock: HeldLock | undefined) => Effect.Effect<Pid>
  }
>()("example/Hypervisor") {}

/** VMs as real processes, `sleep` standing in for the VMM. */
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
