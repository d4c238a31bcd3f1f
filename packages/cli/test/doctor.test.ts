import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as FS from "node:fs"
import * as Finding from "../src/doctor/Finding.ts"
import * as Cli from "./support/Cli.ts"
import * as Roots from "./support/Roots.ts"

const timeout = 30_000

const decode = Schema.decodeUnknownSync(Schema.Union([Finding.Machine, Finding.Root]), { onExcessProperty: "error" })
const lines = (stdout: string) =>
  stdout
    .trimEnd()
    .split("\n")
    .map((line) => decode(JSON.parse(line)))

const conclusions = (stdout: string) =>
  lines(stdout).flatMap((line) => (line._tag === "Root" ? [[line.path, line.conclusion]] : []))

describe.skipIf(process.platform !== "linux")("doctor", { timeout }, () => {
  it.live("tells the machine alone where no root is given", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* Cli.inProcess(["doctor", "--json"])
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.deepStrictEqual(
        lines(stdout).map(({ _tag }) => _tag),
        ["Machine"]
      )
      const human = yield* Cli.inProcess(["doctor"])
      assert.strictEqual(human.code, 0)
      assert.match(human.stdout, /^This machine\n {2}ok {7}processes: /)
    })
  )

  it.live("foretells what a sweep then does, and writes nothing", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      yield* Roots.dead(Roots.directory(root, "crashed"))
      Roots.file(`${Roots.directory(root, "v1")}/.vm-sentinel`, "2147483647")
      const before = Roots.snapshot(root)
      const { code, stdout } = yield* Cli.inProcess(["doctor", root, "--json"])
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(Roots.snapshot(root), before)
      const owners = lines(stdout).flatMap((line) => (line._tag === "Root" ? line.owners : []))
      const foretold = (name: string) => {
        const { action, reason, verdict } = owners.find((owner) => owner.case === name) ?? {}
        return `${action}: ${verdict}, ${reason}`
      }
      const swept = Cli.actions(Cli.report((yield* Cli.inProcess(["sweep", root, "--json"])).stdout))
      assert.deepStrictEqual(swept, { crashed: foretold("crashed"), v1: foretold("v1") })
    })
  )

  it.live("judges with the operator's assertions of a sweep", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      const { stdout } = yield* Cli.inProcess(["doctor", root, "--legacy", "keep"])
      assert.match(stdout, /known by its PID alone +unknown +legacy-kept +kept/)
    })
  )

  it.live("goes on with the other roots where one can't be swept, and ends with 1", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      const open = Roots.directory(root, "open")
      FS.chmodSync(open, 0o777)
      const roots = ["/", `${root}/missing`, open, root]
      const { code, stdout } = yield* Cli.inProcess(["doctor", "--json", ...roots])
      assert.strictEqual(code, 1)
      assert.deepStrictEqual(conclusions(stdout), [
        ["/", "refused"],
        [`${root}/missing`, "refused"],
        [open, "refused"],
        [root, "removes"]
      ])
      const human = yield* Cli.inProcess(["doctor", `${root}/missing`])
      assert.strictEqual(human.code, 1)
      assert.match(human.stdout, /not {6}root: .*\/missing: not found \(open root\); check the path/)
      assert.match(human.stdout, /A sweep removes nothing here\.\n$/)
    })
  )
})
