/**
 * The sentinel store of macOS.
 *
 * @since 0.1.0
 */
import * as SentinelStore from "@vm-sentinel/core/SentinelStore"
import * as Layer from "effect/Layer"
import * as DarwinDisk from "./DarwinDisk.ts"

/**
 * {@link layer} with another library.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerAt = (options: DarwinDisk.Options): Layer.Layer<SentinelStore.SentinelStore> =>
  Layer.provide(SentinelStore.layer, DarwinDisk.layerAt(options))

/**
 * Deletes by descriptor, follows no link and crosses no mount, where `DarwinDisk.layer` finds koffi; else it is as safe
 * as the portable store.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<SentinelStore.SentinelStore> = layerAt({})
