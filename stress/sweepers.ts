/**
 * Eight processes sweep one root of 200 dead and 50 live directories: `node stress/sweepers.ts [ROUNDS]`, default 100.
 * In ROUNDS rounds, new owners take the names of removed directories. In as many rounds, owners also take directories
 * that still exist. In a quarter as many, a sweeper is also killed before its end.
 */
import "./prebuilt.ts"
import { Effect } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Contest from "@vm-sentinel/platform-linux/test/support/contest"
import * as Random from "@vm-sentinel/platform-linux/test/support/random"
import * as Real from "@vm-sentinel/platform-linux/test/support/realLayers"

const [rounds = 100] = process.argv.slice(2).map(Number)
const size = { sweepers: 8, dead: 200, live: 50 } as const

const scratchDirectory = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Fs.realpathSync(Os.tmpdir()), "vm-sentinel-sweepers-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

const program = Effect.gen(function* () {
  console.log(`seed ${Random.seed}`)
  const contests: ReadonlyArray<readonly [title: string, options: Contest.Options]> = [
    ["new owners take the names", { ...size, rounds, restart: false }],
    ["and take up directories", { ...size, rounds, restart: true }],
    [
      "and a sweeper is killed",
      { ...size, rounds: Math.ceil(rounds / 4), restart: true, kill: Random.make(Random.seed) }
    ]
  ]
  for (const [title, options] of contests) {
    const start = performance.now()
    const result = yield* Effect.scoped(Effect.flatMap(scratchDirectory, (scratch) => Contest.run(scratch, options)))
    console.log(title, { rounds: options.rounds, seconds: Math.round((performance.now() - start) / 1000), ...result })
    if (result.problems.length > 0) process.exitCode = 1
  }
})

await Effect.runPromise(Effect.provide(program, Real.layer))
