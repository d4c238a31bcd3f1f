import { MemoryDisk } from "@vm-sentinel/core/testing/MemoryDisk"
import * as Simulation from "@vm-sentinel/core/testing/Simulation"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Schema, type Scope } from "effect"
import { Line } from "@vm-sentinel/core/Outcome"
import { Failure } from "../src/Failure.ts"
import * as Cli from "./support/Cli.ts"
import { sweep } from "./support/Sweeping.ts"

const [a, b] = ["/srv/a", "/srv/b"] as const

const stageTest = (
  title: string,
  test: () => Effect.Effect<void, unknown, Simulation.Services | Scope.Scope>
): void => {
  it.effect(title, () => Effect.provide(test(), Layer.merge(Simulation.layer, Logger.layer([]))))
}

const decode = Schema.decodeUnknownSync(Schema.Union([Line, Failure]), { onExcessProperty: "error" })
const linesOf = (stdout: string) =>
  stdout
    .trimEnd()
    .split("\n")
    .map((line) => decode(JSON.parse(line)))

describe("sweep of several roots", () => {
  stageTest("tells of each line the root, and ends each root with its summary", () =>
    Effect.gen(function* () {
      yield* Simulation.crashed(`${a}/vm`)
      yield* Simulation.owned(`${b}/vm`)
      const { code, stdout } = yield* sweep({ roots: [a, b], json: true })
      const said = linesOf(stdout).map((line) => (line._tag === "Failure" ? line._tag : `${line._tag} ${line.root}`))
      assert.deepStrictEqual(said, [`Outcome ${a}`, `Summary ${a}`, `Outcome ${b}`, `Summary ${b}`])
      assert.strictEqual(code, 0)
    })
  )

  stageTest("one that can't be swept stops no other, and the worst code is the command's", () =>
    Effect.gen(function* () {
      yield* Simulation.crashed(`${a}/vm`)
      yield* Simulation.seed({ [`${b}/vm/.vm-sentinel`]: "not a record" })
      const { code, stderr, stdout } = yield* sweep({ roots: ["/srv/none", a, b], strict: true })
      assert.strictEqual(code, 1)
      assert.match(stderr, /^vm-sentinel: \/srv\/none: not found .*\n$/)
      assert.match(stdout, /^\/srv\/a:\n[^]*1 removed[^]*\n\/srv\/b:\n/)
      assert.deepStrictEqual(yield* Simulation.names(a), [])
      const without = yield* sweep({ roots: [a, b, "/srv/none"], strict: true, ifExists: true })
      assert.deepStrictEqual([without.code, without.stderr], [3, ""])
    })
  )

  stageTest("one that can't be judged forbids no removal in another", () =>
    Effect.gen(function* () {
      for (let index = 0; index < 11; index++) yield* Simulation.crashed(`${a}/vm-${index}`)
      const { code, stderr } = yield* sweep({ roots: ["/srv/none", a] }, Effect.succeed("y\n"))
      assert.strictEqual(code, 1)
      assert.strictEqual(stderr.match(/not found/g)?.length, 1)
      assert.deepStrictEqual(yield* Simulation.names(a), [])
    })
  )

  stageTest("takes a directory once that is given twice, and says so", () =>
    Effect.gen(function* () {
      yield* Simulation.crashed(`${a}/vm`)
      yield* Simulation.seed({ "/srv/x": { type: "directory" } })
      const { code, stderr, stdout } = yield* sweep({ roots: [a, `${a}/`, "/srv/x/../a"] })
      assert.strictEqual(code, 0)
      assert.strictEqual(
        stderr,
        [`${a}/`, "/srv/x/../a"]
          .map((root) => `vm-sentinel: ${root}: the same directory as ${a}, and taken once\n`)
          .join("")
      )
      assert.match(stdout, /^\/srv\/a:\n[^]*\n1 scanned: 1 removed, 0 kept\n$/)
    })
  )

  stageTest("a link to a root, which is refused, is no reason to leave the root out", () =>
    Effect.gen(function* () {
      yield* Simulation.crashed(`${a}/vm`)
      yield* Simulation.seed({ "/srv/link": { type: "symlink", target: a } })
      const { code, stderr } = yield* sweep({ roots: ["/srv/link", a] })
      assert.strictEqual(code, 1)
      assert.match(stderr, /^vm-sentinel: \/srv\/link: refused as a root: [^\n]*\n$/)
      assert.deepStrictEqual(yield* Simulation.names(a), [])
    })
  )
})

describe("sweep --quiet", () => {
  stageTest("prints what failed and the summary of each root, as a table and in JSON", () =>
    Effect.gen(function* () {
      yield* Simulation.seed({ [`${a}/notes/today`]: "" })
      yield* Simulation.crashed(`${a}/stuck`)
      yield* Simulation.owned(`${a}/alive`)
      yield* Simulation.seed({
        [`${a}/stuck/sub/file`]: "",
        [`${a}/stuck/sub`]: { type: "directory", mode: 0o755, uid: 0 }
      })
      const { stdout } = yield* sweep({ roots: [a], quiet: true, json: true })
      assert.deepStrictEqual(
        linesOf(stdout).map((line) => (line._tag === "Outcome" ? `${line.name} ${line.action}` : line._tag)),
        ["stuck failed", "Summary"]
      )
      const human = yield* sweep({ roots: [a], quiet: true, dryRun: true })
      assert.match(human.stdout, /^\d scanned: [^\n]*\n$/)
    })
  )

  stageTest("prints errors", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* sweep({ roots: ["/srv/none"], quiet: true })
      assert.strictEqual(code, 1)
      assert.match(stderr, /not found/)
    })
  )
})

describe("sweep --skip", () => {
  stageTest("passes over what a pattern matches, and tells on stderr which pattern matches nothing in any root", () =>
    Effect.gen(function* () {
      for (const path of [`${a}/keep-1`, `${a}/vm`, `${b}/keep-2`]) yield* Simulation.crashed(path)
      const { code, stderr } = yield* sweep({ roots: [a, b], skip: ["keep-*", "*-2", "kep-1", "x\u001b"] })
      assert.strictEqual(code, 0)
      assert.strictEqual(
        stderr,
        "vm-sentinel: --skip kep-1: no directory matches\nvm-sentinel: --skip x\\e: no directory matches\n"
      )
      assert.deepStrictEqual(yield* Simulation.names(a), ["keep-1"])
      assert.deepStrictEqual(yield* Simulation.names(b), ["keep-2"])
    })
  )

  stageTest("with --strict removes nothing where a pattern matches nothing, and ends with 3", () =>
    Effect.gen(function* () {
      yield* Simulation.crashed(`${a}/vm`)
      const { code, stdout } = yield* sweep({ roots: [a], skip: ["vn"], strict: true, json: true })
      assert.strictEqual(code, 3)
      const { outcomes, summary } = Cli.report(stdout)
      assert.deepStrictEqual(
        outcomes.map(({ action }) => action),
        ["would-remove"]
      )
      assert.include(summary, { dryRun: true, removed: 1, refused: "unmatched-skip" })
      assert.deepStrictEqual(yield* Simulation.names(a), ["vm"])
      const list = yield* sweep({ roots: [a], skip: ["vn"], strict: true, dryRun: true })
      assert.strictEqual(list.code, 3)
      const matching = yield* sweep({ roots: [a], skip: ["v?"], strict: true })
      assert.deepStrictEqual([matching.code, matching.stderr], [0, ""])
      assert.deepStrictEqual(yield* Simulation.names(a), ["vm"])
    })
  )

  stageTest("counts a directory that a killed sweep had claimed", () =>
    Effect.gen(function* () {
      yield* Simulation.crashed(`${a}/vm`)
      yield* MemoryDisk.use(({ move }) => move(`${a}/vm`, `${a}/.vm-sentinel-reap.00000000.claimed=vm`))
      const { code, stderr } = yield* sweep({ roots: [a], skip: ["vm"], strict: true })
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.deepStrictEqual(yield* Simulation.names(a), ["vm"])
    })
  )
})
