/**
 * Holds a directory, prints `held`, starts a command beside itself if one is given, and waits to be killed:
 * `supervisor.ts DIRECTORY [COMMAND [ARGUMENTS...]]`.
 */
import * as Ownership from "@vm-sentinel/core/Ownership"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import * as Platform from "../../src/Platform.ts"

const [directory = "", file, ...args] = process.argv.slice(2)

const program = Effect.gen(function* () {
  yield* Ownership.hold(directory)
  console.log("held")
  if (file !== undefined) spawn(file, args, { stdio: "ignore" })
  // The timer keeps Node's event loop alive.
  return yield* Effect.callback<never>(() => {
    setInterval(() => undefined, 1_000_000)
  })
})

await Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(Platform.layer)))
