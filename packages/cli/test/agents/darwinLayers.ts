/** Builds the Layers of macOS with a library that replaces libSystem, and prints which native code they have. */
import * as NativeCode from "@vm-sentinel/core/NativeCode"
import * as DarwinDisk from "@vm-sentinel/platform-darwin/DarwinDisk"
import * as DarwinNativeCode from "@vm-sentinel/platform-darwin/DarwinNativeCode"
import * as DarwinProcessInspector from "@vm-sentinel/platform-darwin/DarwinProcessInspector"
import { Console, Effect, Layer } from "effect"

const options = { libraryPath: "libc.so.6" }
const layers = Layer.mergeAll(
  DarwinDisk.layer,
  DarwinDisk.layerAt(options),
  DarwinProcessInspector.layer,
  DarwinProcessInspector.layerAt(options)
)

const program = Effect.flatMap(DarwinNativeCode.reportAt(options), (code) => Console.log(NativeCode.describe(code)))

Effect.runPromise(Effect.provide(program, layers))
