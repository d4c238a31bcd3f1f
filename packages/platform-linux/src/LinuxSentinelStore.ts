/**
 * The sentinel store of Linux: every promise of the store, and a delete that follows no link and crosses no mount.
 *
 * @since 0.1.0
 */
import * as SentinelStore from "@vm-sentinel/core/SentinelStore"
import * as Layer from "effect/Layer"
import * as LinuxDisk from "./LinuxDisk.ts"

/**
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<SentinelStore.SentinelStore> = Layer.provide(SentinelStore.layer, LinuxDisk.layer)
