import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Cli from "./support/Cli.ts"

const commands = ["", "sweep", "list", "explain", "write", "run", "reclaim", "doctor", "demo"]

const help = (command: string, columns?: number) =>
  Effect.map(
    Cli.inProcess([...(command === "" ? [] : [command]), "--help"], columns === undefined ? {} : { columns }),
    ({ stdout }) => stdout.replaceAll(/\p{Cc}\[[0-9;]*m/gu, "")
  )

const widest = (text: string) => Math.max(...text.split("\n").map((line) => line.length))

describe("help", () => {
  it.effect.each(commands)("of %j fits 80 columns and 200, and breaks no word", (command) =>
    Effect.gen(function* () {
      const [narrow, wide, piped] = yield* Effect.all([help(command, 80), help(command, 200), help(command)])
      assert.isAtMost(widest(narrow), 80)
      // Lines of more than 100 columns are hard to read.
      assert.isAtMost(widest(wide), 100)
      assert.deepStrictEqual(narrow.split(/\s+/), wide.split(/\s+/))
      assert.strictEqual(piped, narrow)
    })
  )

  it.effect.each(commands)("of %j has examples, each on a line of its own", (command) =>
    Effect.gen(function* () {
      const examples = (yield* help(command, 80)).split("\n\nEXAMPLES\n")[1] ?? ""
      assert.match(examples, /^(  # .+\n  vm-sentinel .+\n\n?)+$/)
    })
  )

  it.effect("shows the default and the variable of a flag, and choices once", () =>
    Effect.gen(function* () {
      const text = (yield* help("sweep")).replaceAll(/\s+/g, " ")
      assert.include(
        text,
        "--legacy trust|keep keep: a v1 or v2 sentinel never condemns (default: trust) [$VM_SENTINEL_LEGACY]"
      )
      for (const flag of ["SENTINEL_NAME", "LOCK", "SHARED", "JSON", "SKIP", "IF_EXISTS", "STRICT", "SIZES"]) {
        assert.include(text, `[$VM_SENTINEL_${flag}]`)
      }
      assert.notMatch(text, /choices|VM_SENTINEL_(ASSUME|DRY|YES)/)
      assert.match((yield* help("")).replaceAll(/\s+/g, " "), / --log-level LEVEL [^(]+ \(choices: all, [^)]+\)/)
    })
  )

  it.effect("fits on stderr after an invalid command line", () =>
    Effect.gen(function* () {
      const { stderr } = yield* Cli.inProcess(["sweep", "--nope"])
      assert.isAtMost(widest(stderr), 80)
    })
  )
})
