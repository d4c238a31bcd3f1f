import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, type Scope } from "effect"
import * as Cleanup from "../src/Cleanup.ts"
import * as Outcome from "../src/Outcome.ts"
import { SentinelStore } from "../src/SentinelStore.ts"
import { MemoryDisk } from "../src/testing/MemoryDisk.ts"
import * as Simulation from "../src/testing/Simulation.ts"
import { TestClock } from "effect/testing"

const root = "/srv/vms"
const names = Simulation.names(root)
const claimedVm = `${root}/.vm-sentinel-reap.00000000.claimed=vm`

const stageTest = (
  title: string,
  test: () => Effect.Effect<void, unknown, Simulation.Services | Scope.Scope>
): void => {
  it.effect(title, () => Effect.provide(test(), Layer.merge(Simulation.layer, Logger.layer([]))))
}

const said = ({ outcomes }: Cleanup.Report) =>
  Object.fromEntries(outcomes.map(({ action, name, reason, verdict }) => [name, `${action} ${verdict} ${reason}`]))

const listed = Effect.map(
  Cleanup.sweep(root, { dryRun: true }),
  ({ outcomes }) => new Set(outcomes.filter(({ action }) => action === "would-remove").map(Outcome.key))
)

const moveAway = MemoryDisk.use(({ move }) => move(`${root}/vm`, claimedVm))

describe("a sweep that may remove only what was listed", () => {
  stageTest("keeps and tells what has died since", () =>
    Effect.gen(function* () {
      yield* Simulation.crashed(`${root}/a`)
      yield* Simulation.owned(`${root}/alive`)
      const only = yield* listed
      yield* Simulation.crashed(`${root}/b`)
      const report = yield* Cleanup.sweep(root, { only })
      assert.deepStrictEqual(said(report), {
        a: "removed dead pid-dead",
        alive: "kept alive matches",
        b: "would-remove dead pid-dead"
      })
      assert.deepInclude(report.summary, { scanned: 3, removed: 1, kept: 2, failed: 0 })
      assert.deepStrictEqual(yield* names, ["alive", "b"])
    })
  )

  stageTest("judges again what was listed", () =>
    Effect.gen(function* () {
      yield* Simulation.crashed(`${root}/vm`)
      const only = yield* listed
      yield* MemoryDisk.use(({ remove }) => remove(`${root}/vm`))
      yield* Simulation.owned(`${root}/vm`)
      assert.deepStrictEqual(said(yield* Cleanup.sweep(root, { only })), { vm: "kept alive matches" })
    })
  )

  stageTest("an operator's word about a directory without a deciding sentinel is about no later one of its name", () =>
    Effect.gen(function* () {
      const foreign = Simulation.seed({
        [`${root}/vm/.bbox-sentinel`]: "4000000\n/usr/bin/bbox",
        [`${root}/vm/disk`]: ""
      })
      const assumeDead = "the host was scrapped"
      const look = Cleanup.reclaim(`${root}/vm`, { assumeDead, dryRun: true })
      yield* foreign
      const shown = yield* look
      assert.deepInclude(shown, { action: "would-remove", reason: "assumed-dead" })
      assert.isUndefined(shown.since)
      const only = new Set([Outcome.key(shown)])
      yield* MemoryDisk.use(({ remove }) => remove(`${root}/vm`))
      yield* foreign
      assert.strictEqual((yield* Cleanup.reclaim(`${root}/vm`, { assumeDead, only })).action, "would-remove")
      assert.deepStrictEqual(yield* names, ["vm"])
      const again = new Set([Outcome.key(yield* look)])
      assert.strictEqual((yield* Cleanup.reclaim(`${root}/vm`, { assumeDead, only: again })).action, "removed")
    })
  )

  stageTest("keeps a directory that has taken the name of a listed one, and has died since", () =>
    Effect.gen(function* () {
      yield* Simulation.crashed(`${root}/vm`)
      const only = yield* listed
      yield* MemoryDisk.use(({ remove }) => remove(`${root}/vm`))
      yield* TestClock.adjust("1 second")
      yield* Simulation.crashed(`${root}/vm`)
      assert.deepStrictEqual(said(yield* Cleanup.sweep(root, { only })), { vm: "would-remove dead pid-dead" })
      const outcome = yield* Cleanup.reclaim(`${root}/vm`, { only })
      assert.strictEqual(outcome.action, "would-remove")
      assert.deepStrictEqual(yield* names, ["vm"])
    })
  )

  stageTest("keeps a directory of the root where a claimed one of the same name was listed", () =>
    Effect.gen(function* () {
      yield* Simulation.crashed(`${root}/vm`)
      yield* moveAway
      const only = yield* listed
      yield* MemoryDisk.use(({ remove }) => remove(claimedVm))
      yield* TestClock.adjust("1 second")
      yield* Simulation.crashed(`${root}/vm`)
      assert.deepStrictEqual(said(yield* Cleanup.sweep(root, { only })), { vm: "would-remove dead pid-dead" })
    })
  )

  stageTest("tells no directory dead whose lock is held", () =>
    Effect.gen(function* () {
      yield* Simulation.crashed(`${root}/vm`)
      const holder = yield* Simulation.actor()
      yield* holder.run(SentinelStore.use(({ lock }) => lock(`${root}/vm`)))
      assert.deepStrictEqual(said(yield* Cleanup.sweep(root, { only: new Set() })), { vm: "kept alive lock-held" })
    })
  )

  stageTest("puts a claimed directory back that wasn't listed", () =>
    Effect.gen(function* () {
      yield* Simulation.crashed(`${root}/vm`)
      yield* moveAway
      assert.deepStrictEqual(said(yield* Cleanup.sweep(root, { only: new Set() })), {
        vm: "would-remove dead pid-dead"
      })
      assert.deepStrictEqual(yield* names, ["vm"])
    })
  )

  stageTest("leaves a marked directory that wasn't listed as it is", () =>
    Effect.gen(function* () {
      yield* Simulation.crashed(`${root}/vm`)
      const marked = `${root}/.vm-sentinel-reap.00000000.dead=vm`
      yield* MemoryDisk.use(({ move }) => move(`${root}/vm`, marked))
      const before = yield* MemoryDisk.use(({ snapshot }) => snapshot(root))
      const report = yield* Cleanup.sweep(root, { only: new Set(["other"]) })
      assert.match(said(report)["vm"] ?? "", /^would-remove dead /)
      assert.deepStrictEqual(yield* MemoryDisk.use(({ snapshot }) => snapshot(root)), before)
      assert.match(said(yield* Cleanup.sweep(root, { only: new Set(["vm"]) }))["vm"] ?? "", /^removed dead /)
      assert.deepStrictEqual(yield* names, [])
    })
  )

  stageTest("removes one of two directories of the same name, where one name was listed", () =>
    Effect.gen(function* () {
      yield* Simulation.crashed(`${root}/vm`)
      const only = yield* listed
      yield* moveAway
      yield* Simulation.crashed(`${root}/vm`)
      const { outcomes, summary } = yield* Cleanup.sweep(root, { only })
      assert.deepStrictEqual(outcomes.map(({ action }) => action).sort(), ["removed", "would-remove"])
      assert.deepInclude(summary, { removed: 1, kept: 1 })
    })
  )
})

describe("Outcome.key", () => {
  it("tells a name that isn't UTF-8 from the name that it is shown as", () => {
    const shown = { name: "a\ufffd", evidence: {} }
    assert.notStrictEqual(Outcome.key({ ...shown, nameBytes: "Yf8=" }), Outcome.key(shown))
  })
})
