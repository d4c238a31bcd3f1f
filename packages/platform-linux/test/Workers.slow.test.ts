/** Sweeps in worker threads that are terminated. */
import { assert, describe, it } from "@effect/vitest"
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import { Effect, Schema } from "effect"
import { execFile } from "node:child_process"
import * as Fs from "node:fs"
import { join } from "node:path"
import * as Scratch from "./support/scratch.ts"
import * as Owners from "./support/owners.ts"
import * as Real from "./support/realLayers.ts"

const Said = Schema.fromJsonString(
  Schema.Struct({ workers: Schema.Int, libraries: Schema.Array(Schema.String), left: Schema.Array(Schema.String) })
)

const sourceOf = (name: string): string => JSON.stringify(join(import.meta.dirname, "../src", name))

const imports = `
  import * as Cleanup from "@vm-sentinel/core/Cleanup"
  import * as Effect from "effect/Effect"
  import * as Layer from "effect/Layer"
  import * as References from "effect/References"
  import * as Stream from "effect/Stream"
  import * as LinuxProcessInspector from ${sourceOf("LinuxProcessInspector.ts")}
  import * as LinuxSentinelStore from ${sourceOf("LinuxSentinelStore.ts")}
  import { parentPort, Worker, workerData } from "node:worker_threads"
  import * as Fs from "node:fs"
  const layer = Layer.mergeAll(
    LinuxProcessInspector.layer,
    LinuxSentinelStore.layer,
    Layer.succeed(References.MinimumLogLevel, "None")
  )
  const sweep = (root, each) =>
    Effect.runPromise(Effect.provide(Stream.runForEach(Cleanup.outcomes(root), (outcome) => Effect.sync(() => each(outcome))), layer))`

/**
 * Posts, at once and after each removal, the number of removals and the loaded native code. Node unloads a worker's
 * native code with the worker.
 */
const inWorker = `${imports}
  let removed = 0
  const say = () => {
    const maps = Fs.readFileSync("/proc/self/maps", "latin1").split("\\n")
    const libraries = maps.flatMap((line) => /[^/]*koffi[^/]*$|pool-[^/]*$/.exec(line)?.[0] ?? [])
    parentPort.postMessage({ removed, libraries })
  }
  say()
  await sweep(workerData, ({ action }) => {
    if (action !== "removed") return
    removed += 1
    say()
  })
  parentPort.once("message", () => {})`

/** Terminates two workers before their first removal, and two after 1 and 20 removals. Then sweeps itself. */
const program = `${imports}
  const [root] = process.argv.slice(1)
  const options = { eval: true, workerData: root, execArgv: ["--input-type=module"] }
  const loaded = new Set()
  let workers = 0
  for (const points of [[0, 0], [1, 20]]) {
    await Promise.all(points.map(async (point) => {
      const worker = new Worker(${JSON.stringify(inWorker)}, options)
      await new Promise((resolve, reject) => {
        worker.on("message", ({ libraries, removed }) => {
          for (const library of libraries) loaded.add(library)
          if (removed >= point) resolve()
        })
        worker.once("error", reject)
      })
      await worker.terminate()
      workers += 1
    }))
  }
  await sweep(root, () => {})
  console.log(JSON.stringify({ workers, libraries: [...loaded], left: Fs.readdirSync(root) }))`

describe("a sweep in a worker thread", () => {
  it.live(
    "scenario 90: loads no native code, so that worker.terminate() ends the sweep and not the process",
    () =>
      Effect.gen(function* () {
        const scratch = yield* Scratch.scratch
        const { dead, live } = yield* Owners.make
        const root = `${scratch}/root`
        for (let index = 0; index < 120; index++) {
          Fs.mkdirSync(`${root}/vm${index}/a/b`, { recursive: true, mode: 0o700 })
          const sentinel = Owners.inscribe(index === 7 ? live : dead)
          Fs.writeFileSync(`${root}/vm${index}/.vm-sentinel`, sentinel, { mode: 0o600 })
        }
        const args = ["--input-type=module", "-e", program, root]
        const said = yield* Effect.callback<string, Error>((resume) => {
          const child = execFile(process.execPath, args, { cwd: import.meta.dirname }, (error, stdout, stderr) =>
            resume(error === null ? Effect.succeed(stdout) : Effect.fail(new Error(stderr || error.message)))
          )
          return Effect.sync(() => child.kill())
        })
        const { left, libraries, workers } = yield* Schema.decodeEffect(Said)(said)
        assert.strictEqual(workers, 4)
        assert.deepStrictEqual(libraries, [])
        const isVisible = (name: string) => !name.startsWith(".")
        assert.deepStrictEqual(left.filter(isVisible), ["vm7"])
        // What a terminated worker left belongs to its process, which has ended by now.
        yield* Cleanup.sweep(root)
        assert.deepStrictEqual(Fs.readdirSync(root), ["vm7"])
      }).pipe(Effect.provide(Real.layer)),
    120_000
  )
})
