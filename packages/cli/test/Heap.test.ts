import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as FS from "node:fs"
import * as Cli from "./support/Cli.ts"

/** Bytes of the two semi-spaces. */
const small = 2 * 1024 * 1024

const heap = new URL("../src/sweep/Heap.ts", import.meta.url)

/** Bytes of the young generation of a program that allocates 1 000 000 objects, 2 000 of them alive at any time. */
const youngGeneration = (first: string) =>
  Effect.map(
    Cli.execute(process.execPath, [
      "--input-type=module",
      "--eval",
      `import { keepSmall } from "${heap.href}"
       import * as V8 from "node:v8"
       ${first}
       const objects = new Array(2000)
       for (let i = 0; i < 1_000_000; i++) objects[i % objects.length] = { i, text: "text " + i }
       console.log(V8.getHeapSpaceStatistics().find((space) => space.space_name === "new_space").space_size)`
    ]),
    ({ stderr, stdout }) => {
      assert.strictEqual(stderr, "")
      return Number(stdout)
    }
  )

describe("the heap of the command", () => {
  it.live("has a young generation that doesn't grow", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* youngGeneration("keepSmall()"), small)
      assert.isAbove(yield* youngGeneration(""), small)
    })
  )

  it("needs no arguments of Node in the first line, which not every `env` can split", () => {
    for (const path of new Set([Cli.bin, Cli.source])) {
      assert.strictEqual(FS.readFileSync(path, "utf8").split("\n", 1)[0], "#!/usr/bin/env node")
    }
  })
})
