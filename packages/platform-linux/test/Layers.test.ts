/** Building a Layer only makes the service. Its first call asks the kernel. */
import { assert, describe, it } from "@effect/vitest"
import { Built } from "@vm-sentinel/core/test/support/watchedCalls"
import { Effect, Schema } from "effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"

const agent = fileURLToPath(new URL("agents/builtLayers.ts", import.meta.url))

describe("the Layers of Linux", () => {
  it.effect("are built without a system call and without native code", () =>
    Effect.gen(function* () {
      const said = yield* Effect.callback<string, Error>((resume) => {
        const child = execFile(process.execPath, ["--no-warnings", agent], (error, stdout) =>
          resume(error === null ? Effect.succeed(stdout) : Effect.fail(error))
        )
        return Effect.sync(() => child.kill())
      })
      const { built, used } = yield* Schema.decodeEffect(Built)(said)
      assert.deepStrictEqual(built, { calls: [], koffi: false })
      assert.isTrue(used.koffi)
      for (const call of ["homedir", "openSync", "readlinkSync"]) assert.include(used.calls, call)
    })
  )
})
