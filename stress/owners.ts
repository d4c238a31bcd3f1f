/**
 * Owners take directories by path, working directory, bind mount and descriptor, with `hold`, `record` and `create`,
 * while four sweeps remove directories. The script checks that no sweep removes a directory after `Ownership` gave the
 * directory to an owner, that no role has two owners, and that no file of a living owner is lost. Usage, as root:
 * `node stress/owners.ts [ROUNDS]`, default 500, drawn at random by `SENTINEL_TEST_SEED`.
 */
import "./prebuilt.ts"
import { Effect } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Random from "@vm-sentinel/platform-linux/test/support/random"
import * as Real from "@vm-sentinel/platform-linux/test/support/realLayers"
import * as Takeovers from "@vm-sentinel/platform-linux/test/support/takeovers"

const [rounds = 500] = process.argv.slice(2).map(Number)

const scratchDirectory = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Fs.realpathSync(Os.tmpdir()), "vm-sentinel-owners-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

const program = Effect.gen(function* () {
  console.log(`seed ${Random.seed}`)
  const start = performance.now()
  const options = { rounds, sweepers: 4, takers: 8, directories: 6, random: Random.make(Random.seed) }
  const result = yield* Takeovers.run(yield* scratchDirectory, options)
  console.log({ rounds, seconds: Math.round((performance.now() - start) / 1000), ...result })
  if (result.problems.length > 0) process.exitCode = 1
})

await Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(Real.layer)))
