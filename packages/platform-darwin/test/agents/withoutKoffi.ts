/**
 * Observes this process through the Layers while koffi is missing or can't be loaded. `picking.test.ts` runs it.
 * Arguments: `missing` or `broken`, the library, `ps`, `sysctl`, `ioreg`. Prints JSON.
 */
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import { Effect } from "effect"
import { registerHooks } from "node:module"

const [how, libraryPath = "", psPath = "", sysctlPath = "", ioregPath = ""] = process.argv.slice(2)

const broken = "koffi:broken"

registerHooks({
  resolve: (specifier, context, next) => {
    if (specifier !== "koffi") return next(specifier, context)
    if (how === "broken") return { url: broken, format: "commonjs", shortCircuit: true }
    throw Object.assign(new Error("Cannot find package 'koffi'"), { code: "MODULE_NOT_FOUND" })
  },
  load: (url, context, next) =>
    url === broken
      ? { format: "commonjs", source: "throw new Error('no native module')", shortCircuit: true }
      : next(url, context)
})

const { layer, layerWith, layerPs } = await import("../../src/DarwinProcessInspector.ts")

const ask = ProcessInspector.use(({ host, observe, self }) =>
  Effect.gen(function* () {
    const { _tag } = yield* Effect.result(self)
    return { observation: yield* observe(Pid.make(process.pid)), self: _tag, host: yield* host }
  })
)

const answers = await Effect.runPromise(
  Effect.all({
    default: Effect.provide(ask, layer),
    ps: Effect.provide(ask, layerPs),
    libraryAlone: Effect.provide(ask, layerWith({ libraryPath })),
    both: Effect.provide(ask, layerWith({ libraryPath, psPath, sysctlPath, ioregPath }))
  })
)
process.stdout.write(JSON.stringify({ pid: process.pid, answers }))
