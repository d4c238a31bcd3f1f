/**
 * A thread that deletes: one tree after the other, each answered when it is gone. Loads nothing but what that takes. Ends
 * when it is told to, and is never terminated: see {@link Setup.isLoaded}.
 */
import * as Os from "node:os"
import { parentPort, workerData } from "node:worker_threads"
import * as At from "./at.ts"
import { libc } from "./libc.ts"
import { type Failure, removal, type Task } from "./removal.ts"

export interface Setup {
  /** By slot: not 0 when the removal there is to stop. */
  readonly stops: Int32Array<SharedArrayBuffer>
  readonly koffi: boolean
  /** Not 0 once native code is loaded. A process that ends, or a thread that is ended, while it is being loaded aborts. */
  readonly isLoaded: Int32Array<SharedArrayBuffer>
}

export interface Job {
  readonly slot: number
  readonly task: Task
}

export interface Answer {
  readonly slot: number
  readonly failure: Omit<Failure, "cause"> | undefined
}

/** By so much it is nicer than the thread whose event loop its removals must not hold up. */
const niceness = 10

/** `setpriority(2)`: of the calling thread alone, on Linux. */
const giveWay = (): void => {
  try {
    Os.setPriority(Math.min(Os.getPriority() + niceness, Os.constants.priority.PRIORITY_LOW))
  } catch {
    // A seccomp filter may not know it; it is no more than courtesy.
  }
}

const serve = (port: NonNullable<typeof parentPort>, { isLoaded, koffi, stops }: Setup): void => {
  const at = At.make(koffi ? libc()?.at : undefined)
  Atomics.store(isLoaded, 0, 1)
  Atomics.notify(isLoaded, 0)
  giveWay()
  const remove = ({ slot, task }: Job): Failure | undefined => {
    const isStopped = () => Atomics.load(stops, slot) !== 0
    if (isStopped()) return undefined
    const work = removal(at, task, isStopped)
    const step = work.next()
    if (step.done === true) return step.value
    work.return(undefined)
    return undefined
  }
  port.on("message", (job: Job | "end") => {
    if (job === "end") return port.close()
    const failed = remove(job)
    // An error of Node's own may hold what can't be sent.
    const failure = failed && { errno: failed.errno, operation: failed.operation, path: failed.path }
    const answer: Answer = { slot: job.slot, failure }
    port.postMessage(answer)
  })
}

if (parentPort !== null) serve(parentPort, workerData)
