/** A sweep over the libSystem shim has the outcomes that `Prospect.foresee` predicts for macOS. */
import { assert } from "@effect/vitest"
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import * as Ground from "@vm-sentinel/core/Ground"
import * as Ownership from "@vm-sentinel/core/Ownership"
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import * as Prospect from "@vm-sentinel/core/Prospect"
import { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import { world } from "@vm-sentinel/core/test/support/NodeWorld"
import { Effect, Layer } from "effect"
import { spawn } from "node:child_process"
import * as DarwinProcessInspector from "../src/DarwinProcessInspector.ts"
import * as DarwinSentinelStore from "../src/DarwinSentinelStore.ts"
import { overShim } from "./support/overShim.ts"

/** A process that ends with the scope. */
const child = Effect.acquireRelease(
  Effect.sync(() => spawn("sleep", ["1000000"], { stdio: "ignore" })),
  (child) =>
    Effect.callback<void>((resume) => {
      child.once("exit", () => resume(Effect.void))
      child.kill("SIGKILL")
    })
)

await overShim("prospects over the shim", ({ shim, test }) => {
  const at = { libraryPath: shim.path }
  const layers = Layer.merge(DarwinProcessInspector.layerWith(at), DarwinSentinelStore.layerWith(at))

  test("foresees what a sweep says, without namespaces", () =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const scratch = yield* world.scratch
      for (const name of ["crashed", "v1"]) yield* world.file(`${scratch}/${name}/disk`, "x")
      yield* Effect.scoped(
        Effect.flatMap(child, ({ pid }) =>
          Effect.all([
            Ownership.record(`${scratch}/crashed`, { pid: Pid.make(pid ?? 0) }),
            Ownership.record(`${scratch}/v1`, { pid: Pid.make(pid ?? 0), format: "v1" })
          ])
        )
      )
      const root = yield* store.openRoot(scratch)
      const lock = yield* Effect.scoped(store.lock(scratch))
      const prospects = yield* Prospect.foresee(root, yield* Ground.of(root), lock)
      assert.deepStrictEqual(
        prospects.map(({ case: name }) => name),
        ["crashed", "crashed-held", "rebooted", "v1"]
      )
      const foretold = (name: string) => {
        const { reason, verdict } = prospects.find((each) => each.case === name) ?? {}
        return [name, verdict, reason]
      }
      const { outcomes } = yield* Cleanup.sweep(scratch)
      assert.deepStrictEqual(outcomes.map(({ name, reason, verdict }) => [name, verdict, reason]).toSorted(), [
        foretold("crashed"),
        foretold("v1")
      ])
      assert.deepStrictEqual(foretold("crashed"), ["crashed", "dead", "pid-dead"])
    }).pipe(Effect.provide(layers)))
})
