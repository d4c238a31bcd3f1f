/**
 * Who deletes: this thread, and in a row of many removals another, so that the next directory is judged meanwhile. A
 * thread takes longer to start than a few directories take to go.
 */
import type { FileId } from "@vm-sentinel/core/Holding"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Failure } from "./removal.ts"
import type { Answer, Job, Setup } from "./removalThread.ts"

/** Removals under way at once. What is beyond them is this thread's. */
const slots = 64

/** Milliseconds without a removal after which a row is over, and after which the thread ends. */
const pause = 1000

export interface Remover {
  /** The thread's; `undefined` when it is for this one to do. The answer `undone`: the thread has ended. */
  readonly take: (
    path: string,
    expected: FileId | undefined
  ) => Effect.Effect<Failure | undefined | "undone"> | undefined
}

const script = new URL(import.meta.url.endsWith(".ts") ? "./removalThread.ts" : "./removalThread.js", import.meta.url)

type Settle = (answer: Failure | undefined | "undone") => void

/** A thread, and what it is at. */
const start = (koffi: boolean) => {
  const stops = new Int32Array(new SharedArrayBuffer(4 * slots))
  const setup: Setup = { stops, koffi }
  const { Worker } = process.getBuiltinModule("node:worker_threads")
  const worker = new Worker(script, {
    name: "vm-sentinel removals",
    workerData: setup,
    execArgv: [],
    // It opens by libc what it closes by Node.
    trackUnmanagedFds: false
  })
  const free = Array.from({ length: slots }, (_, slot) => slot)
  const pending = new Map<number, Settle>()
  let isOver = false

  const settle = (slot: number, answer: Failure | undefined | "undone") => {
    const settled = pending.get(slot)
    pending.delete(slot)
    free.push(slot)
    Atomics.store(stops, slot, 0)
    if (pending.size === 0) worker.unref()
    settled?.(answer)
  }

  worker.on("message", ({ failure, slot }: Answer) => settle(slot, failure))
  worker.on("error", () => {
    isOver = true
  })
  // All that it had answered has come in by now.
  worker.on("exit", () => {
    isOver = true
    for (const slot of pending.keys()) settle(slot, "undone")
  })
  worker.unref()

  return {
    /** Removals that it can take. */
    free: () => (isOver ? 0 : free.length),
    isIdle: () => pending.size === 0,
    stop: () => worker.terminate(),
    remove: (path: string, expected: FileId | undefined) =>
      Effect.callback<Failure | undefined | "undone">((resume) => {
        const slot = free.pop()
        if (slot === undefined || isOver) return resume(Effect.succeed("undone"))
        if (pending.size === 0) worker.ref()
        const settled: Settle = (answer) => resume(Effect.succeed(answer))
        pending.set(slot, settled)
        const job: Job = { slot, path, expected }
        worker.postMessage(job, [])
        return Effect.callback<void>((stopped) => {
          // Answered already, and perhaps another's by now.
          if (pending.get(slot) !== settled) return stopped(Effect.void)
          pending.set(slot, () => stopped(Effect.void))
          Atomics.store(stops, slot, 1)
        })
      })
  }
}

type Thread = ReturnType<typeof start>

/** `after`: removals in a row that this thread does itself. Halfway the first of the others is started. */
export const make = (koffi: boolean, after: number): Effect.Effect<Remover, never, Scope.Scope> =>
  Effect.gen(function* () {
    let threads: Array<Thread> = []
    let timer: NodeJS.Timeout | undefined
    let row = 0
    let last = 0

    const stop = async () => {
      clearInterval(timer)
      const stopped = threads.map((thread) => thread.stop())
      threads = []
      await Promise.all(stopped)
    }

    const stopWhenIdle = () => {
      if (threads.every((thread) => thread.isIdle()) && performance.now() - last > pause) void stop()
    }

    const startThread = () => {
      if (threads.length === 0) timer = setInterval(stopWhenIdle, pause).unref()
      threads.push(start(koffi))
    }

    /** Of the threads that can take one more, the one that has least to do. */
    const choose = (): Thread | undefined =>
      threads
        .filter((thread) => thread.free() > 0)
        .reduce<Thread | undefined>((best, thread) => (thread.free() > (best?.free() ?? 0) ? thread : best), undefined)

    yield* Effect.addFinalizer(() => Effect.promise(stop))
    return {
      take: (path, expected) => {
        const now = performance.now()
        if (now - last > pause) row = 0
        last = now
        row += 1
        if (row > after / 2 && threads.length === 0) startThread()
        if (row > after * 4 && threads.length === 1) startThread()
        return row > after ? choose()?.remove(path, expected) : undefined
      }
    }
  })
