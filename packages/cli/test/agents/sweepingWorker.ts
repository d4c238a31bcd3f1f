/**
 * Sweeps a root in a worker thread, becomes the owner of directories with their locks while the worker lives, and ends the
 * worker then. `sweepingWorker.ts ROOT DIRECTORY...`: says what the worker kept, and which of the directories are locked
 * before its end, and after.
 */
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import * as Ownership from "@vm-sentinel/core/Ownership"
import { Effect, Schema, Scope } from "effect"
import { execFileSync } from "node:child_process"
import { isMainThread, Worker, workerData } from "node:worker_threads"
import * as Platform from "../../src/Platform.ts"

/** What both threads see: how many directories the worker has kept, from 1 on, and whether it may end. */
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
  // Its locks are free with it, and not before: what has been said is all that counts.
  process.exit(0)
}
