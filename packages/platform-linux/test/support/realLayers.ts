/** The Layers with which a program on Linux sweeps. */
import type { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import * as SentinelStore from "@vm-sentinel/core/SentinelStore"
import { Layer, References } from "effect"
import * as LinuxDisk from "../../src/LinuxDisk.ts"
import * as LinuxProcessInspector from "../../src/LinuxProcessInspector.ts"

/** With `pool`, threads of Node's pool remove, by native code. */
export const layerWith = (pool: boolean): Layer.Layer<ProcessInspector | SentinelStore.SentinelStore> =>
  Layer.mergeAll(
    LinuxProcessInspector.layer,
    Layer.provide(SentinelStore.layer, LinuxDisk.layerWith({ pool })),
    // A sweep logs its removals, but an agent's standard output is reserved for answers.
    Layer.succeed(References.MinimumLogLevel, "None")
  )

/** Layers without the pool, unless `SENTINEL_TEST_POOL=1`, so that a test can stop at every change to the disk. */
export const layer = layerWith(process.env["SENTINEL_TEST_POOL"] === "1")
