/**
 * Who deletes: this thread, and in a row of many removals two others, so that the next directory is judged meanwhile. A
 * thread takes longer to start than a few directories take to go.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Failure, Task } from "./removal.ts"
import type { Answer, Job, Setup } from "./removalThread.ts"

/** Removals under way at once. What is beyond them is this thread's. */
const slots = 64

/** Milliseconds, at most, that a process which ends waits for a thread to have loaded its native code. */
const longestLoading = 2000

/** Milliseconds without a removal after which a row is over, and after which the thread ends. */
const pause = 1000

export interface Remover {
  /** A directory with so many names in it was listed. */
  readonly listed: (names: number) => void
  /** The thread's; `undefined` when it is for this one to do. The answer `undone`: the thread has ended. */
  readonly take: (task: Task) => Effect.Effect<Failure | undefined | "undone"> | undefined
}

/** Beside this, whether these are the sources, what was made of them, or the command's bundle. */
const script = new URL(`./removalThread${/\.\w+$/.exec(import.meta.url)?.[0] ?? ""}`, import.meta.url)

type Settle = (answer: Failure | undefined | "undone") => void

/** A thread, and what it is at. */
const start = (koffi: boolean) => {
  const stops = new Int32Array(new SharedArrayBuffer(4 * slots))
  const isLoaded = new Int32Array(new SharedArrayBuffer(4))
  const setup: Setup = { stops, koffi, isLoaded }
  const { Worker } = process.getBuiltinModule("node:worker_threads")
  const worker = new Worker(script, {
    name: "vm-sentinel removals",
    workerData: setup,
    execArgv: [],
    // It opens by libc what it closes by Node.
    trackUnmanagedFds: false
  })
  const ended = new Promise((resolve) => worker.once("exit", resolve))
  const untilLoaded = () => void Atomics.wait(isLoaded, 0, 0, longestLoading)
  process.once("exit", untilLoaded)

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
    process.off("exit", untilLoaded)
    for (const slot of pending.keys()) settle(slot, "undone")
  })
  worker.unref()

  return {
    isReady: () => Atomics.load(isLoaded, 0) !== 0,
    /** Removals that it can take. */
    free: () => (isOver ? 0 : free.length),
    isIdle: () => pending.size === 0,
    stop: () => {
      worker.ref()
      worker.postMessage("end", [])
      return ended
    },
    remove: (task: Task) =>
      Effect.callback<Failure | undefined | "undone">((resume) => {
        const slot = free.pop()
        if (slot === undefined || isOver) return resume(Effect.succeed("undone"))
        if (pending.size === 0) worker.ref()
        const settled: Settle = (answer) => resume(Effect.succeed(answer))
        pending.set(slot, settled)
        const job: Job = { slot, task }
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

/** More wait for the disk than for a processor. */
const threadCount = 2

/** Of a directory with so many names, many removals in a row are likely to be enough more to be worth a thread. */
const manyNames = 384
const manyInARow = 16

/**
 * After a row of `after` removals threads are started, one after the other, which take what comes. What comes before the
 * first is ready waits for it: to go on meanwhile would only keep it from that, where there are few processors.
 */
export const make = (koffi: boolean, after: number): Effect.Effect<Remover, never, Scope.Scope> =>
  Effect.gen(function* () {
    let threads: Array<Thread> = []
    let timer: NodeJS.Timeout | undefined
    let row = 0
    let last = 0
    let enough = after

    const stop = async () => {
      clearInterval(timer)
      timer = undefined
      const stopped = threads.map((thread) => thread.stop())
      threads = []
      await Promise.all(stopped)
    }

    const stopWhenIdle = () => {
      if (threads.every((thread) => thread.isIdle()) && performance.now() - last > pause) void stop()
    }

    /** One at a time: two that start at once leave no processor, of few, to the event loop. */
    const startThread = () => {
      // A thread's own threads end with it, whatever they are at.
      if (!process.getBuiltinModule("node:worker_threads").isMainThread) return
      if (threads.length === threadCount || !threads.every((thread) => thread.isReady())) return
      timer ??= setInterval(stopWhenIdle, pause).unref()
      threads.push(start(koffi))
    }

    /** The one that has least to do. */
    const choose = (): Thread | undefined => {
      let chosen: Thread | undefined
      for (const thread of threads) if (thread.free() > (chosen?.free() ?? 0)) chosen = thread
      return chosen
    }

    yield* Effect.addFinalizer(() => Effect.promise(stop))
    return {
      listed: (names) => {
        if (names >= manyNames) enough = Math.min(after, manyInARow)
      },
      take: (task) => {
        const now = performance.now()
        if (now - last > pause) row = 0
        last = now
        row += 1
        if (row > enough) startThread()
        return choose()?.remove(task)
      }
    }
  })
