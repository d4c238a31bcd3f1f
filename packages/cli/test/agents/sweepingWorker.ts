/**
 * Sweeps a root in a worker thread. While the worker lives, the main thread holds directories with their locks. Then
 * the worker ends. `sweepingWorker.ts ROOT DIRECTORY...` prints how many directories the sweep kept, and which of the
 * directories are locked before and after the worker's end.
 */
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import * as Ownership from "@vm-sentinel/core/Ownership"
import { Effect, Schema, Scope } from "effect"
import { execFileSync } from "node:child_process"
import { isMainThread, Worker, workerData } from "node:worker_threads"
import * as Platform from "../../src/Platform.ts"

/**
 * `memory` has two 32-bit words: the number of directories that the sweep kept (0 until the sweep ends), and whether
 * the worker may end.
 */
const Shared = Schema.Struct({ root: Schema.String, memory: Schema.instanceOf(SharedArrayBuffer) })
const kept = 0
const over = 1

const isLocked = (directory: string): boolean => {
  try {
    execFileSync("flock", ["-xn", directory, "true"])
    return false
  } catch {
    return true
  }
}

const inWorker = Effect.gen(function* () {
  const { memory, root } = yield* Schema.decodeUnknownEffect(Shared)(workerData)
  const shared = new Int32Array(memory)
  const { summary } = yield* Cleanup.sweep(root)
  Atomics.store(shared, kept, summary.kept)
  Atomics.notify(shared, kept)
  Atomics.wait(shared, over, 0)
})

const inMain = Effect.gen(function* () {
  const [root, ...directories] = process.argv.slice(2)
  const memory = new SharedArrayBuffer(8)
  const shared = new Int32Array(memory)
  const worker = new Worker(new URL(import.meta.url), { workerData: { root, memory } })
  const swept = Atomics.waitAsync(shared, kept, 0)
  yield* Effect.promise(async () => swept.value)
  const scope = yield* Scope.make()
  yield* Effect.forEach(directories, (directory) => Scope.provide(Ownership.hold(directory), scope))
  const before = directories.map(isLocked)
  const ended = new Promise((resolve) => worker.once("exit", resolve))
  Atomics.store(shared, over, 1)
  Atomics.notify(shared, over)
  yield* Effect.promise(() => ended)
  console.log(JSON.stringify({ kept: Atomics.load(shared, kept), before, after: directories.map(isLocked) }))
})

if (!isMainThread) await Effect.runPromise(Effect.provide(inWorker, Platform.layer))
else {
  await Effect.runPromise(Effect.provide(inMain, Platform.layer))
  // The locks must still be held when the line above is printed, so only the exit of the process frees them.
  process.exit(0)
}
