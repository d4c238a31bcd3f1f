/** A program with the installed packages that runs on their fakes alone. */
import * as VmSentinel from "@vm-sentinel/core"
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import * as Simulation from "@vm-sentinel/core/testing/Simulation"
import { Effect, References } from "effect"
import * as assert from "node:assert"
import { createRequire } from "node:module"

const program = Effect.gen(function* () {
  yield* Simulation.owned("/srv/vms/running")
  yield* Simulation.crashed("/srv/vms/crashed")
  yield* Simulation.recycled("/srv/vms/recycled")
  const { outcomes } = yield* VmSentinel.Cleanup.sweep("/srv/vms")
  assert.deepStrictEqual(outcomes.map(({ action, name }) => `${name}: ${action}`).sort(), [
    "crashed: removed",
    "recycled: removed",
    "running: kept"
  ])
})

await program.pipe(
  Effect.provide(Simulation.layer),
  Effect.provideService(References.MinimumLogLevel, "None"),
  Effect.runPromise
)

// The index has the modules themselves, even for programs in CommonJS.
assert.strictEqual(VmSentinel.Cleanup.sweep, Cleanup.sweep)
assert.strictEqual(createRequire(import.meta.url)("@vm-sentinel/core").Cleanup.sweep, Cleanup.sweep)
