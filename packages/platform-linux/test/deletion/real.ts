/** The Layers that a program on Linux sweeps with. */
import type { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import * as SentinelStore from "@vm-sentinel/core/SentinelStore"
import { Layer, References } from "effect"
import * as LinuxDisk from "../../src/LinuxDisk.ts"
import * as LinuxPidNamespaces from "../../src/LinuxPidNamespaces.ts"
import * as LinuxProcessInspector from "../../src/LinuxProcessInspector.ts"

/** Never, unless the environment says so: a thread comes with descriptors of its own, and goes in its own time. */
const removalsBeforeThread = Number(process.env["VM_SENTINEL_REMOVALS_BEFORE_THREAD"] ?? Infinity)

export const layer: Layer.Layer<ProcessInspector | SentinelStore.SentinelStore> = Layer.mergeAll(
  LinuxPidNamespaces.layer.pipe(Layer.provideMerge(LinuxProcessInspector.layer)),
  Layer.provide(SentinelStore.layerDisk, LinuxDisk.layerWith({ removalsBeforeThread })),
  // A sweep logs what it removes, and an agent's standard output is for its answers.
  Layer.succeed(References.MinimumLogLevel, "None")
)
