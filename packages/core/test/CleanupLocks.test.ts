import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Logger, type Scope } from "effect"
import * as Cleanup from "../src/Cleanup.ts"
import { Disk } from "../src/Disk.ts"
import { FakeProcessTable } from "../src/testing/FakeProcessTable.ts"
import { MemoryDisk } from "../src/testing/MemoryDisk.ts"
import * as Simulation from "../src/testing/Simulation.ts"
import { workspaceName } from "./support/reaping.ts"
import * as Races from "./support/Races.ts"

const root = "/srv/vms"
const vm = `${root}/vm`

const stageTest = (
  title: string,
  test: () => Effect.Effect<void, unknown, Simulation.Services | Scope.Scope>
): void => {
  it.effect(title, () => Effect.provide(test(), Layer.merge(Simulation.layer, Logger.layer([]))))
}

describe("Cleanup.sweep: a lock that somebody else holds", () => {
  type Mode = "shared" | "exclusive"

  const stranger = Effect.gen(function* () {
    const [memory, table] = [yield* MemoryDisk, yield* FakeProcessTable]
    const other = yield* memory.fork
    const pid = yield* table.spawn({ comm: "fl\nock", uid: 1234 })
    const hold = Effect.fnUntraced(function* (path: string, mode: Mode = "shared") {
      const lock = Disk.use((disk) => disk.lock(path, { mode, test: false }))
      const { id } = yield* Effect.provideContext(lock, Context.merge(other, yield* Effect.context<Scope.Scope>()))
      yield* table.holdLock(pid, id)
    })
    return { hold, text: `process ${pid} (fl?ock), uid 1234` }
  })

  for (const mode of ["shared", "exclusive"] as const) {
    for (const format of ["v1", "v3"] as const) {
      stageTest(`scenario 88: is told with its process, command and user, ${mode}, over a ${format} record`, () =>
        Effect.gen(function* () {
          yield* Simulation.crashed(vm, { format })
          const { hold, text } = yield* stranger
          yield* hold(vm, mode)
          yield* Races.ticking
          for (const dryRun of [true, false]) {
            const [outcome] = (yield* Cleanup.sweep(root, { dryRun })).outcomes
            assert.deepInclude(outcome, { action: "kept", verdict: "alive", reason: "lock-held" })
            assert.notProperty(outcome, "pid")
            assert.strictEqual(outcome?.evidence["lock"]?.observed, mode)
            assert.deepStrictEqual(outcome?.evidence["holder"], { observed: text, result: "not-applicable" })
          }
          const reclaimed = yield* Cleanup.reclaim(vm)
          assert.deepInclude(reclaimed, { action: "kept", verdict: "alive", reason: "lock-held" })
          assert.strictEqual((yield* Cleanup.judge(vm)).evidence.holder?.observed, text)
        })
      )
    }

    stageTest(`scenario 88: is told of what a killed sweep left, ${mode}, and the next sweep finishes it`, () =>
      Effect.gen(function* () {
        const memory = yield* MemoryDisk
        const { hold, text } = yield* stranger
        const left = `${root}/${workspaceName}/dead/vm`
        yield* memory.seed({ [`${left}/disk`]: "half", [`${root}/${workspaceName}/claimed`]: { type: "directory" } })
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* hold(left, mode)
            yield* Races.ticking
            const { outcomes } = yield* Cleanup.sweep(root)
            assert.strictEqual(outcomes.length, 1)
            assert.deepInclude(outcomes[0], { name: "vm", action: "kept", verdict: "alive", reason: "lock-held" })
            assert.strictEqual(outcomes[0]?.evidence["holder"]?.observed, text)
          })
        )
        assert.deepInclude((yield* Cleanup.sweep(root)).outcomes[0], { action: "removed", reason: "resumed" })
        assert.deepStrictEqual(yield* Simulation.names(root), [])
      })
    )
  }

  stageTest("names the holders of 64 locks in one sweep, and keeps the others without", () =>
    Effect.gen(function* () {
      const { hold, text } = yield* stranger
      for (let index = 0; index < 70; index += 1) {
        yield* Simulation.crashed(`${root}/vm-${index}`)
        yield* hold(`${root}/vm-${index}`)
      }
      const { outcomes } = yield* Cleanup.sweep(root, { dryRun: true })
      assert.isTrue(outcomes.every(({ reason }) => reason === "lock-held"))
      assert.strictEqual(outcomes.filter(({ evidence }) => evidence["holder"]?.observed === text).length, 64)
    })
  )
})
