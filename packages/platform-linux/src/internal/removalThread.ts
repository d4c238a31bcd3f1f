/**
 * A thread that deletes: one tree after the other, each answered when it is gone. Loads nothing but what that takes.
 */
import type { FileId } from "@vm-sentinel/core/Holding"
import { parentPort, workerData } from "node:worker_threads"
import * as At from "./at.ts"
import { libc } from "./libc.ts"
import { type Failure, removal } from "./removal.ts"

export interface Setup {
  /** By slot: not 0 when the removal there is to stop. */
  readonly stops: Int32Array<SharedArrayBuffer>
  readonly koffi: boolean
}

export interface Job {
  readonly slot: number
  readonly path: string
  readonly expected: FileId | undefined
}

export interface Answer {
  readonly slot: number
  readonly failure: Omit<Failure, "cause"> | undefined
}

const serve = (port: NonNullable<typeof parentPort>, { koffi, stops }: Setup): void => {
  const at = At.make(koffi ? libc()?.at : undefined)
  const remove = ({ expected, path, slot }: Job): Failure | undefined => {
    const isStopped = () => Atomics.load(stops, slot) !== 0
    if (isStopped()) return undefined
    const work = removal(at, path, expected, isStopped)
    const step = work.next()
    if (step.done === true) return step.value
    work.return(undefined)
    return undefined
  }
  port.on("message", (job: Job) => {
    const failed = remove(job)
    // An error of Node's own may hold what can't be sent.
    const failure = failed && { errno: failed.errno, operation: failed.operation, path: failed.path }
    const answer: Answer = { slot: job.slot, failure }
    port.postMessage(answer)
  })
}

if (parentPort !== null) serve(parentPort, workerData)
