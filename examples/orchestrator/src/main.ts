/**
 * Sweeps ROOT, then starts VMs: `node src/main.ts ROOT a b`. Once one of the VMs has been killed, `node src/main.ts
 * ROOT` keeps the directory of the other one and removes that of the killed one. The program also prints which native
 * code it uses.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NativeCode from "@vm-sentinel/core/NativeCode"
import * as LinuxNativeCode from "@vm-sentinel/platform-linux/LinuxNativeCode"
import * as LinuxProcessInspector from "@vm-sentinel/platform-linux/LinuxProcessInspector"
import * as LinuxSentinelStore from "@vm-sentinel/platform-linux/LinuxSentinelStore"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Hypervisor from "./Hypervisor.ts"
import * as Orchestrator from "./Orchestrator.ts"

const [root = "", ...names] = process.argv.slice(2)

const program = Effect.gen(function* () {
  yield* Console.log(NativeCode.describe(yield* LinuxNativeCode.report))
  const orchestrator = yield* Orchestrator.Orchestrator
  for (const { action, name, reason } of orchestrator.recovered.outcomes) yield* Console.log(action, name, reason)
  for (const name of names) {
    const vm = yield* orchestrator.start(name)
    yield* Console.log("started", vm.name, vm.pid)
  }
})

program.pipe(
  Effect.provide(
    Orchestrator.layer(root).pipe(
      Layer.provide(Hypervisor.layer),
      Layer.provide(LinuxProcessInspector.layer),
      Layer.provide(LinuxSentinelStore.layer)
    )
  ),
  NodeRuntime.runMain
)
