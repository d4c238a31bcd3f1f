/**
 * The sentinel store of Linux.
 *
 * @since 0.1.0
 */
import * as SentinelStore from "@vm-sentinel/core/SentinelStore"
import * as Layer from "effect/Layer"
import * as LinuxDisk from "./LinuxDisk.ts"

/**
 * The sentinel store over `LinuxDisk.layer`. A delete follows no symbolic link and crosses no mount.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<SentinelStore.SentinelStore> = Layer.provide(SentinelStore.layer, LinuxDisk.layer)
