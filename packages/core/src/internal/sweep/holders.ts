/** Names the processes that hold a directory's lock, for people. */
import * as Effect from "effect/Effect"
import type { FileId } from "../../FileId.ts"
import type { Observation } from "../../Observation.ts"
import type { ProcessInspector } from "../../ProcessInspector.ts"

export interface Holders {
  /**
   * At most 3 holders of a directory's lock, in words. `undefined`: none is visible, or the sweep has asked about 64
   * locks.
   */
  readonly name: (directory: FileId) => Effect.Effect<string | undefined>
  /** Whether `name` still names the holders of another lock. */
  readonly hasRoom: () => boolean
}

/**
 * Maximum number of locks of one sweep whose holders are named. The time that it takes to find the holders grows with
 * the number of processes.
 */
const mostNamed = 64

/** Maximum number of holders that are named for one lock. */
const mostHolders = 3

const control = /\p{Cc}/gu

const describe = (observation: Observation): string => {
  const { pid } = observation
  if (observation._tag !== "Present") return `process ${pid}`
  const { comm, uid } = observation
  const command = comm === undefined ? "" : ` (${comm.replace(control, "?").toWellFormed()})`
  return `process ${pid}${command}${uid === undefined ? "" : `, uid ${uid}`}`
}

export const make = (inspector: ProcessInspector["Service"]): Holders => {
  let left = mostNamed
  return {
    hasRoom: () => left > 0,
    name: Effect.fnUntraced(function* (directory) {
      if (left === 0) return undefined
      left -= 1
      const pids = yield* inspector.lockHolders(directory)
      const [first, ...others] = yield* Effect.forEach(pids.slice(0, mostHolders), (pid) => inspector.observe(pid))
      if (first === undefined) return undefined
      const more = pids.length > mostHolders ? [`${pids.length - mostHolders} more`] : []
      return [first, ...others].map(describe).concat(more).join("; ")
    })
  }
}
