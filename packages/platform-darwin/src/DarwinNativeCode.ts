/**
 * Which native code the Layers of macOS use, and why a part of it is missing.
 *
 * @since 0.1.0
 */
import { type NativeCode, NativePart } from "@vm-sentinel/core/NativeCode"
import * as Effect from "effect/Effect"
import * as Koffi from "./internal/koffi.ts"
import * as LibSystem from "./internal/libSystem.ts"

/**
 * Path of the library that is called.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Path of libSystem. */
  readonly libraryPath: string
}

/**
 * {@link report} of another library.
 *
 * @category reporting
 * @since 0.1.0
 */
export const reportWith = ({ libraryPath }: Options): Effect.Effect<NativeCode> =>
  Effect.suspend(() => {
    const { part } = Koffi.find()
    return LibSystem.load(libraryPath).pipe(
      Effect.match({
        onSuccess: () => NativePart.cases.Loaded.make({ path: libraryPath }),
        onFailure: ({ detail }) => NativePart.cases.Missing.make({ reason: "unloadable", detail })
      }),
      Effect.map((library) => ({ koffi: part, library }))
    )
  })

const without = (reason: "worker" | "unsupported", detail: string): Effect.Effect<NativeCode> => {
  const part = NativePart.cases.Missing.make({ reason, detail })
  return Effect.succeed({ koffi: part, library: part })
}

/**
 * Reports which native code the Layers use by default. Loads that code, which takes some milliseconds. Loads nothing in
 * a worker thread.
 *
 * Without koffi or libSystem, `ps` reports the processes, with starts in seconds. There are no locks, and no data of
 * file systems and of access control lists.
 *
 * @category reporting
 * @since 0.1.0
 */
export const report: Effect.Effect<NativeCode> =
  process.platform !== "darwin"
    ? without("unsupported", `macOS has it, ${process.platform} hasn't`)
    : Koffi.isDefault
      ? reportWith({ libraryPath: LibSystem.defaultPath })
      : without("worker", "a worker thread loads none by default: worker.terminate() could abort the process")
