/** Uses the Layers of macOS with a library that replaces libSystem, and prints which native code they have. */
import { Disk } from "@vm-sentinel/core/Disk"
import * as NativeCode from "@vm-sentinel/core/NativeCode"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import * as DarwinDisk from "@vm-sentinel/platform-darwin/DarwinDisk"
import * as DarwinNativeCode from "@vm-sentinel/platform-darwin/DarwinNativeCode"
import * as DarwinProcessInspector from "@vm-sentinel/platform-darwin/DarwinProcessInspector"
import { Console, Effect } from "effect"

const options = { libraryPath: "libc.so.6" }
const look = Disk.use(({ lstat }) => lstat("/"))
const ask = ProcessInspector.use(({ host }) => host)

const program = Effect.gen(function* () {
  for (const layer of [DarwinDisk.layer, DarwinDisk.layerWith(options)]) yield* Effect.provide(look, layer)
  for (const layer of [DarwinProcessInspector.layer, DarwinProcessInspector.layerWith(options)]) {
    yield* Effect.provide(ask, layer)
  }
  yield* Console.log(NativeCode.describe(yield* DarwinNativeCode.reportWith(options)))
})

Effect.runPromise(program)
