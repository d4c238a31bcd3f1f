/** Whether the kernel runs in a virtual machine. Two copies of a machine's state may run with one boot id. */
import { assert, describe, it } from "@effect/vitest"
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import { Effect, type Layer } from "effect"
import { skipped } from "@vm-sentinel/core/test/support/able"
import * as DarwinProcessInspector from "../src/DarwinProcessInspector.ts"
import * as Shim from "./support/shim.ts"
import * as Standins from "./support/standins.ts"

const hostBy = (layer: Layer.Layer<ProcessInspector>) =>
  Effect.provide(
    ProcessInspector.use(({ host }) => host),
    layer
  )

if (process.platform === "linux") {
  const shim = Shim.build()
  const standins = Standins.make()
  const title = "scenario 99: whether this is a virtual machine is read, and is unknown where it can't be"

  if (typeof shim === "string") {
    skipped("the host over the shim", shim)
  } else {
    describe("libSystem over the shim", () => {
      const host = Effect.suspend(() => hostBy(DarwinProcessInspector.layerWith({ libraryPath: shim.path })))
      const withPresent = (present: number | undefined) =>
        Effect.scoped(Effect.andThen(shim.virtualMachine(present), host))

      it.effect(title, () =>
        Effect.gen(function* () {
          const bare = yield* withPresent(0)
          const virtual = yield* withPresent(1)
          assert.strictEqual(bare.bootId, virtual.bootId)
          assert.strictEqual(bare.virtualMachine, false)
          assert.strictEqual(virtual.virtualMachine, true)
          for (const odd of [undefined, 2]) assert.notProperty(yield* withPresent(odd), "virtualMachine")
        })
      )

      it.effect("nobody can be asked who holds a lock, and an identity has no PID namespace", () =>
        Effect.gen(function* () {
          const { identify, lockHolders } = yield* ProcessInspector
          assert.deepStrictEqual(yield* lockHolders({ dev: "1", ino: "2" }), [])
          const identity = yield* identify(Pid.make(process.pid))
          for (const key of ["pidNamespace", "pidNamespaceInit", "timeOffset"]) assert.notProperty(identity, key)
        }).pipe(Effect.provide(DarwinProcessInspector.layerWith({ libraryPath: shim.path })))
      )
    })
  }

  describe("the commands over the stand-ins", () => {
    it.effect(title, () =>
      Effect.gen(function* () {
        const answers = [
          ["echo 1", true],
          ["echo 0", false],
          ["echo 2", undefined],
          ["echo", undefined],
          ["echo 1; exit 1", undefined]
        ] as const
        for (const [script, expected] of answers) {
          const sysctlPath = standins.executable(`[ "$2" = kern.hv_vmm_present ] || exit 1; ${script}`)
          const options = { psPath: standins.ps().path, sysctlPath, ioregPath: standins.ioreg }
          const { virtualMachine } = yield* hostBy(DarwinProcessInspector.layerPsWith(options))
          assert.strictEqual(virtualMachine, expected, script)
        }
      })
    )
  })
} else skipped("the host over the stand-ins", Standins.noProcfs)
