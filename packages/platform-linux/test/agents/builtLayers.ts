/** Builds the Layers of Linux, then uses them. Prints what was asked of the kernel until either was done. */
import { Disk } from "@vm-sentinel/core/Disk"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import { watch } from "@vm-sentinel/core/test/support/watchedCalls"
import { Effect, Layer, Scope } from "effect"
import * as LinuxDisk from "../../src/LinuxDisk.ts"
import * as LinuxProcessInspector from "../../src/LinuxProcessInspector.ts"
import * as LinuxSentinelStore from "../../src/LinuxSentinelStore.ts"

const layer = Layer.mergeAll(LinuxProcessInspector.layer, LinuxSentinelStore.layer, LinuxDisk.layer)

const use = Effect.gen(function* () {
  const [{ frame, principal }, { self }] = [yield* Disk, yield* ProcessInspector]
  yield* principal
  yield* frame("/")
  yield* self
})

const asked = watch()
const services = Effect.runSync(Layer.buildWithScope(layer, Scope.makeUnsafe()))
const built = asked()
Effect.runSync(Effect.provide(use, services))
console.log(JSON.stringify({ built, used: asked() }))
