/**
 * A `SentinelStore` over `MemoryDisk`, for tests.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Disk } from "../Disk.ts"
import { layer as layerOverDisk, SentinelStore } from "../SentinelStore.ts"
import * as MemoryDisk from "./MemoryDisk.ts"

/** Effect memoizes layers by reference. Without `fresh`, all volumes would share the store of the first. */
const freshDisk = Layer.fresh(layerOverDisk)

/**
 * The store of the first process on a new volume, with the controls of the volume and of that process.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = (options: MemoryDisk.Options): Layer.Layer<SentinelStore | Disk | MemoryDisk.MemoryDisk> =>
  Layer.provideMerge(freshDisk, MemoryDisk.layerWith(options))

/**
 * {@link layerWith} with default options.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<SentinelStore | Disk | MemoryDisk.MemoryDisk> = layerWith({})

const storeOf = Effect.fnUntraced(function* (process: Context.Context<Disk | MemoryDisk.MemoryDisk>) {
  const store = yield* Effect.provide(SentinelStore, Layer.provide(freshDisk, Layer.succeedContext(process)))
  return Context.add(process, SentinelStore, store)
})

type Process = Context.Context<SentinelStore | Disk | MemoryDisk.MemoryDisk>

/**
 * The store of another process on the same volume, with the controls of that process.
 *
 * **Example** (Seeing the lock of another process)
 *
 * ```ts
 * import * as Ownership from "@vm-sentinel/core/Ownership"
 * import { SentinelStore } from "@vm-sentinel/core/SentinelStore"
 * import * as FakeProcessTable from "@vm-sentinel/core/testing/FakeProcessTable"
 * import * as MemoryDisk from "@vm-sentinel/core/testing/MemoryDisk"
 * import * as MemorySentinelStore from "@vm-sentinel/core/testing/MemorySentinelStore"
 * import { Effect, Layer } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   const disk = yield* MemoryDisk.MemoryDisk
 *   yield* disk.seed({ "/vms/a/disk": "" })
 *   const other = yield* MemorySentinelStore.fork
 *   const seen = Effect.provide(
 *     SentinelStore.use(({ probeLock }) => probeLock("/vms/a")),
 *     other
 *   )
 *   const held = yield* Effect.scoped(Effect.andThen(Ownership.hold("/vms/a"), seen))
 *   return [held, yield* seen]
 * })
 *
 * const services = Layer.merge(FakeProcessTable.layer, MemorySentinelStore.layer)
 * const states = await Effect.runPromise(Effect.provide(program, services))
 * assert.deepStrictEqual(states, ["shared", "free"])
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fork: Effect.Effect<Process, never, MemoryDisk.MemoryDisk> = Effect.flatMap(
  MemoryDisk.MemoryDisk.use((memory) => memory.fork),
  storeOf
)

/**
 * The store of another process on the same volume, with the controls of that process. The other process inherits the
 * open descriptors of the first.
 *
 * @category constructors
 * @since 0.1.0
 */
export const inherit: Effect.Effect<Process, never, MemoryDisk.MemoryDisk> = Effect.flatMap(
  MemoryDisk.MemoryDisk.use((memory) => memory.inherit),
  storeOf
)
