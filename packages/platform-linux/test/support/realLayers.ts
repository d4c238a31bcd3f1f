/** The Layers that a program on Linux sweeps with. */
import type { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import * as SentinelStore from "@vm-sentinel/core/SentinelStore"
import { Layer, References } from "effect"
import * as LinuxDisk from "../../src/LinuxDisk.ts"
import * as LinuxPidNamespaces from "../../src/LinuxPidNamespaces.ts"
import * as LinuxProcessInspector from "../../src/LinuxProcessInspector.ts"

/** `pool`: whether threads of Node's pool remove. */
export const layerWith = (pool: boolean): Layer.Layer<ProcessInspector | SentinelStore.SentinelStore> =>
  Layer.mergeAll(
    LinuxPidNamespaces.layer.pipe(Layer.provideMerge(LinuxProcessInspector.layer)),
    Layer.provide(SentinelStore.layer, LinuxDisk.layerWith({ pool })),
    // A sweep logs what it removes, and an agent's standard output is for its answers.
    Layer.succeed(References.MinimumLogLevel, "None")
  )

/** Without, unless the environment says so: each change to the disk is one that a test can stop at. */
export const layer = layerWith(process.env["VM_SENTINEL_POOL"] === "1")
