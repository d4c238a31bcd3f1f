/**
 * Builds the Layers of macOS, then uses them. Prints what was asked of the kernel until either was done. Argument: a
 * library that replaces libSystem.
 */
import { Disk } from "@vm-sentinel/core/Disk"
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import { watch } from "@vm-sentinel/core/test/support/watchedCalls"
import { Effect, Layer, Scope } from "effect"
import * as DarwinDisk from "../../src/DarwinDisk.ts"
import * as DarwinProcessInspector from "../../src/DarwinProcessInspector.ts"
import * as DarwinSentinelStore from "../../src/DarwinSentinelStore.ts"

const [, , libraryPath = ""] = process.argv
const options = { libraryPath }
const layer = Layer.mergeAll(
  DarwinProcessInspector.layerPs,
  DarwinProcessInspector.layerWith(options),
  DarwinSentinelStore.layerWith(options),
  DarwinDisk.layerWith(options)
)

const use = Effect.gen(function* () {
  const [{ frame, principal }, { observe }] = [yield* Disk, yield* ProcessInspector]
  yield* principal
  yield* frame("/")
  yield* observe(Pid.make(process.pid))
})

const asked = watch()
const services = Effect.runSync(Layer.buildWithScope(layer, Scope.makeUnsafe()))
const built = asked()
await Effect.runPromise(Effect.provide(use, services))
console.log(JSON.stringify({ built, used: asked() }))
