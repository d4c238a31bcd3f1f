/** Starts VMs. In this example any long-lived process can stand in for a VM. */
import type { HeldLock } from "@vm-sentinel/core/Disk"
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { spawn } from "node:child_process"

/** The process of a VM couldn't be started. */
export class BootError extends Schema.TaggedError<BootError>()("BootError", {
  directory: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `${this.directory}: the VM can't be started: ${String(this.cause)}`
  }
}

export class Hypervisor extends Context.Service<
  Hypervisor,
  {
    /** Boots a VM with its files in `directory`. The VM inherits the lock as descriptor 3 and runs until killed. */
    readonly boot: (directory: string, lock: HeldLock | undefined) => Effect.Effect<Pid, BootError>
  }
>()("example/Hypervisor") {}

/** Each VM is a real process of `vmm`. */
export const layerOf = (vmm: string, args: ReadonlyArray<string>): Layer.Layer<Hypervisor> =>
  Layer.succeed(
    Hypervisor,
    Hypervisor.of({
      boot: (directory, lock) =>
        Effect.callback<number | undefined, unknown>((resume) => {
          // Node throws some errors of the kernel, and emits the others.
          try {
            const stdio = ["ignore", "ignore", "ignore", lock?.fd ?? "ignore"] as const
            const vm = spawn(vmm, args, { cwd: directory, detached: true, stdio: [...stdio] })
            vm.once("spawn", () => resume(Effect.succeed(vm.pid)))
            vm.once("error", (error) => resume(Effect.fail(error)))
            vm.unref()
          } catch (error) {
            resume(Effect.fail(error))
          }
        }).pipe(
          Effect.flatMap(Schema.decodeUnknownEffect(Pid)),
          Effect.mapError((cause) => new BootError({ directory, cause }))
        )
    })
  )

/** `sleep` stands in for the VMM. */
export const layer: Layer.Layer<Hypervisor> = layerOf("sleep", ["1000"])
