/** The Layers that a program on Linux sweeps with. */
import type { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import type { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import { Layer, References } from "effect"
import * as LinuxPidNamespaces from "../../src/LinuxPidNamespaces.ts"
import * as LinuxProcessInspector from "../../src/LinuxProcessInspector.ts"
import * as LinuxSentinelStore from "../../src/LinuxSentinelStore.ts"

export const layer: Layer.Layer<ProcessInspector | SentinelStore> = Layer.mergeAll(
  LinuxPidNamespaces.layer.pipe(Layer.provideMerge(LinuxProcessInspector.layer)),
  LinuxSentinelStore.layer,
  // A sweep logs what it removes, and an agent's standard output is for its answers.
  Layer.succeed(References.MinimumLogLevel, "None")
)
