import * as Simulation from "@vm-sentinel/core/testing/Simulation"
import { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import { MemoryDisk } from "@vm-sentinel/core/testing/MemoryDisk"
import { FakeProcessTable } from "@vm-sentinel/core/testing/FakeProcessTable"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Option, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { stripVTControlCharacters } from "node:util"
import * as Reclaim from "../src/sweep/Reclaim.ts"
import * as Streams from "./support/Streams.ts"
import { defaults } from "./support/Sweeping.ts"

const vm = "/srv/vms/vm"
const names = Simulation.names("/srv/vms")

const stageTest = (
  title: string,
  test: () => Effect.Effect<void, unknown, Simulation.Services | Scope.Scope>
): void => {
  it.effect(title, () => Effect.provide(test(), Layer.merge(Simulation.layer, Logger.layer([]))))
}

/** `typed` is what somebody at a terminal types once asked. */
const reclaim = (options: Partial<Reclaim.Options>, typed?: Effect.Effect<string>) =>
  Effect.suspend(() => {
    let [stdout, stderr] = ["", ""]
    const streams = Streams.layer({
      stdout: (text) => Effect.sync(() => (stdout += text)),
      stderr: (text) => Effect.sync(() => (stderr += text)),
      ...(typed === undefined ? {} : { typed })
    })
    const assumed = { ...defaults, directory: vm, assumeDead: Option.some("scrapped\u001b") }
    return Reclaim.reclaim({ ...assumed, ...options }).pipe(
      Effect.provide(streams),
      Effect.match({ onSuccess: () => 0, onFailure: (error) => (error._tag === "Quit" ? error.code : error._tag) }),
      Effect.map((code) => ({ code, stdout, stderr: stripVTControlCharacters(stderr) }))
    )
  })

const unknown = Simulation.seed({ [`${vm}/.vm-sentinel`]: "not a record" })
const unread = Effect.die("nobody is asked")

describe("reclaim --assume-dead at a terminal", () => {
  stageTest("shows what would go, asks, and removes it after a yes", () =>
    Effect.gen(function* () {
      yield* unknown
      const { code, stderr, stdout } = yield* reclaim({}, Effect.succeed("yes\n"))
      assert.strictEqual(code, 0)
      assert.match(
        stderr,
        /^NAME .*\nvm +dead +assumed-dead .*would-remove\n\nRemove it on your word \(scrapped\\e\)\? /
      )
      assert.match(stdout, /\nvm +dead +assumed-dead .*removed\n$/)
      assert.deepStrictEqual(yield* names, [])
    })
  )

  stageTest("removes nothing after a no, and ends with 6", () =>
    Effect.gen(function* () {
      yield* unknown
      const human = yield* reclaim({}, Effect.succeed("\n"))
      assert.deepStrictEqual([human.code, human.stdout], [6, ""])
      const json = yield* reclaim({ json: true }, Effect.succeed(""))
      assert.strictEqual(json.code, 6)
      assert.deepInclude(JSON.parse(json.stdout), { action: "would-remove", reason: "assumed-dead" })
      assert.deepStrictEqual(yield* names, ["vm"])
    })
  )

  stageTest("asks nothing of what is provably dead or alive, and with --yes", () =>
    Effect.gen(function* () {
      const pid = yield* Simulation.owned(vm)
      assert.strictEqual((yield* reclaim({}, unread)).code, 4)
      yield* FakeProcessTable.use((table) => table.exit(pid))
      const proved = yield* reclaim({}, unread)
      assert.deepStrictEqual([proved.code, proved.stderr], [0, ""])
      yield* unknown
      const agreed = yield* reclaim({ yes: true }, unread)
      assert.deepStrictEqual([agreed.code, agreed.stderr], [0, ""])
      assert.deepStrictEqual(yield* names, [])
    })
  )

  stageTest("a word that decides nothing at the first look decides nothing at the second one", () =>
    Effect.gen(function* () {
      yield* Simulation.owned(vm)
      const store = yield* SentinelStore
      const memory = yield* MemoryDisk
      let looks = 0
      const openDirectory = (path: string) =>
        Effect.andThen(
          Effect.suspend(() => ((looks += 1) === 2 ? memory.seed({ [`${vm}/.vm-sentinel`]: "torn" }) : Effect.void)),
          store.openDirectory(path)
        )
      const { code, stderr } = yield* Effect.provideService(reclaim({}, unread), SentinelStore, {
        ...store,
        openDirectory
      })
      assert.deepStrictEqual([looks, code], [2, 4])
      assert.include(stderr, "malformed sentinel")
      assert.deepStrictEqual(yield* names, ["vm"])
    })
  )

  stageTest("judges again after a yes: an owner that lives by then keeps its directory", () =>
    Effect.gen(function* () {
      yield* unknown
      const context = yield* Effect.context<Simulation.Services | Scope.Scope>()
      const meanwhile = Effect.andThen(Simulation.seed({ [`${vm}/.vm-sentinel`]: "1" }), Effect.succeed("y\n"))
      const { code } = yield* reclaim({}, Effect.provideContext(meanwhile, context))
      assert.strictEqual(code, 4)
      assert.deepStrictEqual(yield* names, ["vm"])
    })
  )

  stageTest("a yes counts for the directory that was shown: a later one of its name stays", () =>
    Effect.gen(function* () {
      yield* unknown
      const context = yield* Effect.context<Simulation.Services | Scope.Scope>()
      const swapped = Effect.andThen(
        MemoryDisk.use(({ remove }) => remove(vm)),
        Effect.andThen(TestClock.adjust("1 second"), unknown)
      )
      const { code, stdout } = yield* reclaim({}, Effect.provideContext(Effect.as(swapped, "y\n"), context))
      assert.strictEqual(code, 4)
      assert.match(stdout, /\nvm +dead +assumed-dead .*would-remove\n$/)
      assert.deepStrictEqual(yield* names, ["vm"])
    })
  )
})

describe("reclaim --assume-dead without a terminal", () => {
  stageTest("asks nothing", () =>
    Effect.gen(function* () {
      yield* unknown
      const { code, stderr } = yield* reclaim({})
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.deepStrictEqual(yield* names, [])
    })
  )
})
