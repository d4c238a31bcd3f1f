/** What tests of races need beside a `Simulation`. */
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { isMutation, type MemoryDisk } from "../../src/testing/MemoryDisk.ts"

/** A path with the tags left out that name what was judged of a directory in `dead/`. */
export const untagged = (path: string): string => path.replace(/(?<=\/dead\/)(?:[0-9a-f]{8})+=/, "")

/** Lets the others go on, so many times. `Effect.repeat` takes four times as long over it. */
export const giveWay = Effect.fnUntraced(function* (times: number) {
  for (let time = 0; time < times; time += 1) yield* Effect.yieldNow
})

/** Lets time pass as long as the scope is open: who waits for a lock that somebody holds gives up in the end. */
export const ticking = Effect.forkScoped(Effect.forever(Effect.andThen(giveWay(10), TestClock.adjust("25 millis"))))

/** The calls of a process that changed something. */
export const mutations = (memory: MemoryDisk["Service"]) =>
  Effect.map(memory.calls, (calls) => calls.filter(isMutation))
