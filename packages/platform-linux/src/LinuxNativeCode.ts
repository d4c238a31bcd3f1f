/**
 * Which native code the Layers of Linux use, and why a part of it is missing.
 *
 * @since 0.1.0
 */
import { type NativeCode, NativePart } from "@vm-sentinel/core/NativeCode"
import * as Effect from "effect/Effect"
import * as Koffi from "./internal/koffi.ts"
import * as Pool from "./internal/pool.ts"

const without = (reason: "worker" | "unsupported", detail: string): NativeCode => {
  const part = NativePart.cases.Missing.make({ reason, detail })
  return { koffi: part, library: part }
}

/**
 * Reports which native code the Layers use by default. Loads that code, which takes some milliseconds, and keeps the
 * answer. In a worker thread it doesn't load koffi, and reports koffi only if a Layer has loaded it on request.
 *
 * - Without koffi, the Disk checks that a name is free and then renames, util-linux's `flock` takes locks, and no
 *   64-bit process id is read. The library isn't used either.
 * - Without the library, one thread lists, peeks and removes. The result is the same, but takes longer.
 *
 * @category reporting
 * @since 0.1.0
 */
export const report: Effect.Effect<NativeCode> = Effect.sync(() => {
  if (process.platform !== "linux") return without("unsupported", `Linux has it, ${process.platform} hasn't`)
  return Koffi.isDefault || Koffi.isLoaded()
    ? { koffi: Koffi.find().part, library: Pool.library().part }
    : without("worker", "a worker thread loads none by default: worker.terminate() could abort the process")
})
