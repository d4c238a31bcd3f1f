import { MemoryDisk } from "@vm-sentinel/core/testing/MemoryDisk"
import * as Simulation from "@vm-sentinel/core/testing/Simulation"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Option, type Scope } from "effect"
import * as Cli from "./support/Cli.ts"
import { sweep } from "./support/Sweeping.ts"

const root = "/srv/vms"
const other = "/srv/others"
const names = Simulation.names(root)

const stageTest = (
  title: string,
  test: () => Effect.Effect<void, unknown, Simulation.Services | Scope.Scope>
): void => {
  it.effect(title, () => Effect.provide(test(), Layer.merge(Simulation.layer, Logger.layer([]))))
}

const dead = (count: number, under = root) =>
  Effect.forEach(
    Array.from({ length: count }, (_, index) => `${under}/dead-${index}`),
    (path) => Simulation.crashed(path)
  )

const unread = Effect.die("nobody is asked")

describe("sweep at a terminal", () => {
  stageTest("asks once before more than ten removals in all roots, shows them, and removes them after a yes", () =>
    Effect.gen(function* () {
      yield* dead(6)
      yield* dead(5, other)
      yield* Simulation.owned(`${root}/alive`)
      const { code, stderr, stdout } = yield* sweep({ roots: [root, other] }, Effect.succeed("y\n"))
      assert.strictEqual(code, 0)
      assert.match(stderr, /^\/srv\/vms: 6 of 7 would be removed:\n\nNAME +VERDICT [^]*\ndead-5 /)
      assert.match(stderr, /\n\/srv\/others: 5 of 5 would be removed:\n[^]*\nRemove these 11 directories\? \[y\/N\] $/)
      assert.match(stdout, /^\/srv\/vms:\nNAME [^]*\n7 scanned: 6 removed, 1 kept\n\n\/srv\/others:\nNAME [^]*\n$/)
      assert.deepStrictEqual(yield* names, ["alive"])
      assert.deepStrictEqual(yield* Simulation.names(other), [])
    })
  )

  stageTest("a yes covers no more than was shown: what dies meanwhile stays, and what lives again too", () =>
    Effect.gen(function* () {
      yield* dead(11)
      const meanwhile = Effect.gen(function* () {
        yield* Simulation.crashed(`${root}/late`)
        yield* Simulation.owned(`${root}/dead-3`)
        return "y\n"
      })
      const context = yield* Effect.context<Simulation.Services | Scope.Scope>()
      const typed = Effect.orDie(Effect.provideContext(meanwhile, context))
      const { code, stdout } = yield* sweep({ roots: [root], json: true }, typed)
      const report = Cli.report(stdout)
      assert.strictEqual(code, 0)
      assert.include(Cli.actions(report), {
        "dead-2": "removed: dead, pid-dead",
        "dead-3": "kept: alive, matches",
        late: "would-remove: dead, pid-dead"
      })
      assert.include(report.summary, { scanned: 12, removed: 10, kept: 2 })
      assert.deepStrictEqual(yield* names, ["dead-3", "late"])
    })
  )

  stageTest("with --strict the last look counts: what was unknown at the first one may be gone", () =>
    Effect.gen(function* () {
      yield* dead(11)
      yield* Simulation.seed({ [`${root}/torn/.vm-sentinel`]: "" })
      const memory = yield* MemoryDisk
      const typed = Effect.as(memory.remove(`${root}/torn`), "y\n")
      assert.strictEqual((yield* sweep({ roots: [root], strict: true }, typed)).code, 0)
      assert.deepStrictEqual(yield* names, [])
    })
  )

  for (const [what, typed] of [
    ["a no", "n\n"],
    ["an empty line", "\n"],
    ["the end of the input", ""]
  ] as const) {
    stageTest(`removes nothing after ${what}, and ends with 6`, () =>
      Effect.gen(function* () {
        yield* dead(11)
        const before = yield* names
        const { code, stdout } = yield* sweep({ roots: [root] }, Effect.succeed(typed))
        assert.strictEqual(code, 6)
        assert.strictEqual(stdout, "11 scanned: 11 would be removed, 0 kept; nothing was removed\n")
        const json = yield* sweep({ roots: [root], json: true }, Effect.succeed(typed))
        assert.include(Cli.report(json.stdout).summary, { dryRun: true, removed: 11, refused: "declined" })
        assert.deepStrictEqual(yield* names, before)
      })
    )
  }

  stageTest("shows twelve rows of each root, and the number of the others", () =>
    Effect.gen(function* () {
      yield* dead(15)
      const { stderr } = yield* sweep({ roots: [root], sizes: true }, Effect.succeed(""))
      assert.strictEqual(stderr.match(/^dead-/gm)?.length, 12)
      assert.match(stderr, /\nand 3 more\n\nRemove these 15 directories \(\S+ \S+\)\?/)
    })
  )

  stageTest("asks nothing before ten removals, and removes no eleventh one", () =>
    Effect.gen(function* () {
      yield* dead(10)
      yield* Simulation.owned(`${root}/alive`)
      const { code, stderr } = yield* sweep({ roots: [root] }, unread)
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.deepStrictEqual(yield* names, ["alive"])
    })
  )

  stageTest("asks nothing with --yes and of a dry run", () =>
    Effect.gen(function* () {
      yield* dead(11)
      const dry = yield* sweep({ roots: [root], dryRun: true }, unread)
      assert.strictEqual(dry.code, 0)
      assert.lengthOf(yield* names, 11)
      const { code, stderr } = yield* sweep({ roots: [root], yes: true }, unread)
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.deepStrictEqual(yield* names, [])
    })
  )
})

describe("sweep without a terminal", () => {
  stageTest("asks nothing", () =>
    Effect.gen(function* () {
      yield* dead(11)
      const { code, stderr } = yield* sweep({ roots: [root] })
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.deepStrictEqual(yield* names, [])
    })
  )
})

describe("sweep --max-removals", () => {
  const limited = (count: number) => ({ roots: [root, other], maxRemovals: Option.some(count) })

  stageTest("removes nothing where more would go in all roots, tells what, and ends with 5", () =>
    Effect.gen(function* () {
      yield* dead(2)
      yield* dead(2, other)
      yield* Simulation.owned(`${root}/alive`)
      const human = yield* sweep(limited(3))
      assert.strictEqual(human.code, 5)
      const says = "vm-sentinel: 4 would be removed, more than --max-removals 3 allows; nothing was removed\n"
      assert.strictEqual(human.stderr, says)
      assert.match(
        human.stdout,
        /\ndead-1 .*would-remove\n\n3 scanned: 2 would be removed, 1 kept; nothing was removed\n/
      )
      const json = yield* sweep({ ...limited(3), json: true })
      const lines = json.stdout.trimEnd().split("\n")
      assert.deepInclude(JSON.parse(lines[2] ?? ""), { _tag: "Summary", root, dryRun: true, refused: "max-removals" })
      assert.deepInclude(JSON.parse(lines[3] ?? ""), { _tag: "Outcome", root: other, action: "would-remove" })
      assert.strictEqual(json.code, 5)
      assert.lengthOf(yield* names, 3)
      assert.lengthOf(yield* Simulation.names(other), 2)
    })
  )

  stageTest("removes as many as it allows", () =>
    Effect.gen(function* () {
      yield* dead(2)
      yield* dead(2, other)
      const { code, stderr } = yield* sweep(limited(4))
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.deepStrictEqual([...(yield* names), ...(yield* Simulation.names(other))], [])
    })
  )

  stageTest("is answered before anybody is asked, and by a dry run too", () =>
    Effect.gen(function* () {
      yield* dead(11)
      const asked = yield* sweep({ roots: [root], maxRemovals: Option.some(0) }, unread)
      const dry = yield* sweep({ roots: [root], maxRemovals: Option.some(0), dryRun: true })
      assert.deepStrictEqual([asked.code, dry.code], [5, 5])
      assert.lengthOf(yield* names, 11)
    })
  )
})
