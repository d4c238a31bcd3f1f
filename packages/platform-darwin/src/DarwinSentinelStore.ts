/**
 * The sentinel store of macOS.
 *
 * @since 0.1.0
 */
import * as SentinelStore from "@vm-sentinel/core/SentinelStore"
import * as Layer from "effect/Layer"
import * as DarwinDisk from "./DarwinDisk.ts"

/**
 * {@link layer} with another path of libSystem.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = (options: DarwinDisk.Options = {}): Layer.Layer<SentinelStore.SentinelStore> =>
  Layer.provide(SentinelStore.layer, DarwinDisk.layerWith(options))

/**
 * The sentinel store over `DarwinDisk.layer`. With koffi a delete works by descriptor, follows no link and crosses no
 * mount. Without koffi the store is as safe as the portable one.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<SentinelStore.SentinelStore> = Layer.provide(SentinelStore.layer, DarwinDisk.layer)
