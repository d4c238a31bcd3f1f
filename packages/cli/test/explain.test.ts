import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as Path from "node:path"
import { Explanation } from "../src/explain/Explanation.ts"
import * as Cli from "./support/Cli.ts"
import * as Roots from "./support/Roots.ts"

const decode = Schema.decodeUnknownSync(Explanation)

describe("explain", () => {
  it.live("names the process behind a PID, and fits 80 columns in a pipe, too", () =>
    Effect.gen(function* () {
      const vm = Roots.directory(yield* Roots.scratch, "vm")
      const { pid } = yield* Roots.alive(vm)
      const [json, piped, wide] = yield* Effect.all([
        Cli.inProcess(["explain", vm, "--json"]),
        Cli.inProcess(["explain", vm]),
        Cli.inProcess(["explain", vm], { columns: 200 })
      ])
      const { command } = decode(JSON.parse(json.stdout)).sentinels[0] ?? {}
      // While the process lives, its name is that of its program or of its first thread.
      assert.isNotEmpty(command)
      assert.include(piped.stdout, `process ${pid} (${command}), `)
      for (const line of piped.stdout.split("\n")) {
        if (!line.includes(Path.dirname(vm))) assert.isAtMost(line.length, 80, line)
      }
      assert.notInclude(wide.stdout, "…")
    })
  )
})
