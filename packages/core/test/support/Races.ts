/** Support for tests of races, beside `Simulation`. */
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { isMutation, type MemoryDisk } from "../../src/testing/MemoryDisk.ts"

/** The path of a marked directory in `dead/`, without the tags that name its judged sentinels. */
export const untagged = (path: string): string => path.replace(/(?<=\/dead\/)(?:[0-9a-f]{8})+=/, "")

/** Yields to other fibers this number of times. `Effect.repeat` takes four times as long. */
export const giveWay = Effect.fnUntraced(function* (times: number) {
  for (let time = 0; time < times; time += 1) yield* Effect.yieldNow
})

/** Advances the clock until the scope closes, so that a process that waits for a held lock gives up at its timeout. */
export const ticking = Effect.forkScoped(Effect.forever(Effect.andThen(giveWay(10), TestClock.adjust("25 millis"))))

/** The calls of a process that changed the file system. */
export const mutations = (memory: MemoryDisk["Service"]) =>
  Effect.map(memory.calls, (calls) => calls.filter(isMutation))
