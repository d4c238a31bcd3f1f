/**
 * Loads the services of the platform that the command runs on: Linux or macOS.
 *
 * @since 0.1.0
 */
import type { Disk } from "@vm-sentinel/core/Disk"
import type { NativeCode } from "@vm-sentinel/core/NativeCode"
import type { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import type { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/**
 * vm-sentinel can't distinguish processes on this platform.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnsupportedPlatform extends Data.TaggedError("UnsupportedPlatform")<{ readonly platform: string }> {
  override get message(): string {
    return `${this.platform}: unsupported platform; vm-sentinel runs on Linux and macOS`
  }
}

const linux = Effect.promise(async () => {
  const [LinuxProcessInspector, LinuxSentinelStore] = await Promise.all([
    import("@vm-sentinel/platform-linux/LinuxProcessInspector"),
    import("@vm-sentinel/platform-linux/LinuxSentinelStore")
  ])
  return Layer.merge(LinuxProcessInspector.layer, LinuxSentinelStore.layer)
})

const darwin = Effect.promise(async () => {
  const [DarwinProcessInspector, DarwinSentinelStore] = await Promise.all([
    import("@vm-sentinel/platform-darwin/DarwinProcessInspector"),
    import("@vm-sentinel/platform-darwin/DarwinSentinelStore")
  ])
  return Layer.merge(DarwinProcessInspector.layer, DarwinSentinelStore.layer)
})

/**
 * The services of the platform that the command runs on. Their modules are loaded when a command needs them.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<ProcessInspector | SentinelStore, UnsupportedPlatform> = Layer.unwrap(
  Effect.suspend((): Effect.Effect<Layer.Layer<ProcessInspector | SentinelStore>, UnsupportedPlatform> => {
    switch (process.platform) {
      case "linux":
        return linux
      case "darwin":
        return darwin
      default:
        return Effect.fail(new UnsupportedPlatform({ platform: process.platform }))
    }
  })
)

/**
 * The disk that the store of {@link layer} works on.
 *
 * @category layers
 * @since 0.1.0
 */
export const disk: Layer.Layer<Disk> = Layer.unwrap(
  Effect.promise((): Promise<{ readonly layer: Layer.Layer<Disk> }> =>
    process.platform === "darwin"
      ? import("@vm-sentinel/platform-darwin/DarwinDisk")
      : import("@vm-sentinel/platform-linux/LinuxDisk")
  ).pipe(Effect.map(({ layer }) => layer))
)

/**
 * Which native code the services of {@link layer} use. The effect loads that code.
 *
 * @category getters
 * @since 0.1.0
 */
export const nativeCode: Effect.Effect<NativeCode> = Effect.promise(
  (): Promise<{ readonly report: Effect.Effect<NativeCode> }> =>
    process.platform === "darwin"
      ? import("@vm-sentinel/platform-darwin/DarwinNativeCode")
      : import("@vm-sentinel/platform-linux/LinuxNativeCode")
).pipe(Effect.flatMap(({ report }) => report))
