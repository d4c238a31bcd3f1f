import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, type Scope } from "effect"
import * as Cleanup from "../src/Cleanup.ts"
import { FakeProcessTable } from "../src/testing/FakeProcessTable.ts"
import { MemoryDisk } from "../src/testing/MemoryDisk.ts"
import * as Simulation from "../src/testing/Simulation.ts"
import * as Races from "./support/Races.ts"

const root = "/srv/vms"

const stageTest = (
  title: string,
  test: () => Effect.Effect<void, unknown, Simulation.Services | Scope.Scope>
): void => {
  it.effect(title, () => Effect.provide(test(), Layer.merge(Simulation.layer, Logger.layer([]))))
}

/** Makes directories that a sweep fails to remove, because root owns a subdirectory. Then changes that owner to us. */
const stuck = Effect.fnUntraced(function* (...names: ReadonlyArray<string>) {
  const memory = yield* MemoryDisk
  for (const name of names) {
    const vm = `${root}/${name}`
    yield* Simulation.crashed(vm)
    yield* Simulation.seed({ [`${vm}/sub/file`]: "x", [`${vm}/sub`]: { type: "directory", mode: 0o755, uid: 0 } })
  }
  yield* Cleanup.sweep(root)
  const lost = Object.entries(yield* memory.snapshot(root)).filter(([path]) => path.endsWith("/sub"))
  assert.strictEqual(lost.length, names.length)
  for (const [path] of lost) yield* memory.setAttributes(path, { uid: 1000, gid: 1000 })
  return memory
})

const namesOf = (memory: MemoryDisk["Service"]) =>
  Effect.map(memory.snapshot(root), (found) => Object.keys(found).map(Races.untagged))

describe("Cleanup.reclaim of a directory that a sweep has moved", () => {
  stageTest("finishes it by its name, and leaves the others in the workspace to the next sweep", () =>
    Effect.gen(function* () {
      const memory = yield* stuck("a", "b")
      yield* memory.clearCalls
      const foretold = yield* Cleanup.reclaim(`${root}/a`, { dryRun: true })
      assert.deepInclude(foretold, { name: "a", path: `${root}/a`, action: "would-remove", reason: "resumed" })
      assert.deepStrictEqual(yield* Races.mutations(memory), [])
      assert.deepInclude(yield* Cleanup.reclaim(`${root}/a`), { name: "a", action: "removed", reason: "resumed" })
      const left = (yield* namesOf(memory)).join(" ")
      assert.match(left, /\/dead\/b\/sub\/file/)
      assert.notMatch(left, /\/dead\/a/)
      assert.strictEqual((yield* Effect.flip(Cleanup.reclaim(`${root}/a`)))._tag, "NotFound")
      const { outcomes } = yield* Cleanup.sweep(root)
      assert.deepStrictEqual(
        outcomes.map(({ action, name }) => [name, action]),
        [["b", "removed"]]
      )
      assert.deepStrictEqual(yield* Simulation.names(root), [])
    })
  )

  stageTest("takes an operator's word about it for no word about the sweep that has it, and others", () =>
    Effect.gen(function* () {
      const [memory, table] = [yield* MemoryDisk, yield* FakeProcessTable]
      const workspace = `${root}/.vm-sentinel-reap.0`
      const sweeper = yield* Simulation.owned(`${root}/sweeper`)
      yield* table.hide(sweeper)
      yield* memory.move(`${root}/sweeper`, workspace)
      yield* memory.seed({ [`${workspace}/claimed`]: { type: "directory" } })
      for (const name of ["a", "b"]) {
        yield* Simulation.crashed(`${root}/${name}`)
        yield* memory.move(`${root}/${name}`, `${workspace}/claimed/${name}`)
      }
      const before = yield* memory.snapshot(root)
      const outcome = yield* Cleanup.reclaim(`${root}/a`, { assumeDead: "a's host is gone" })
      assert.deepInclude(outcome, { action: "kept", verdict: "unknown", reason: "permission-denied" })
      assert.deepStrictEqual(yield* memory.snapshot(root), before)
    })
  )

  stageTest("fails as long as it can't be removed, and says where it lies", () =>
    Effect.gen(function* () {
      const memory = yield* stuck("a")
      const sub = Object.keys(yield* memory.snapshot(root)).find((path) => path.endsWith("/sub")) ?? "none"
      yield* memory.setAttributes(sub, { uid: 0, gid: 0 })
      const error = yield* Effect.flip(Cleanup.reclaim(`${root}/a`))
      assert.strictEqual(error._tag, "PermissionDenied")
      assert.match(Races.untagged(error.message), /\.vm-sentinel-reap\.[0-9a-f]+\/dead\/a\/sub/)
    })
  )

  stageTest("puts one back that a killed sweep had only claimed, and whose owner lives", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      yield* Simulation.owned(`${root}/vm`)
      yield* memory.move(`${root}/vm`, `${root}/.vm-sentinel-reap.00000000.claimed=vm`)
      const outcome = yield* Cleanup.reclaim(`${root}/vm`)
      assert.deepInclude(outcome, { action: "kept", verdict: "alive", reason: "matches" })
      assert.deepStrictEqual(yield* Simulation.names(root), ["vm"])
    })
  )

  stageTest("takes none from a sweep that is at work", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      yield* Simulation.crashed(`${root}/vm`)
      let found = ""
      const other = Effect.map(Effect.flip(Cleanup.reclaim(`${root}/vm`)), ({ _tag }) => void (found = _tag))
      const context = yield* Effect.context<Simulation.Services>()
      const meanwhile = Effect.orDie(Effect.provideContext(other, context))
      yield* memory.before(({ operation, path }) => operation === "unlink" && path.includes("/dead/"), meanwhile)
      yield* Races.ticking
      const { outcomes } = yield* Cleanup.sweep(root)
      assert.deepInclude(outcomes[0], { action: "removed" })
      assert.strictEqual(found, "Taken")
    })
  )
})
