import { Effect } from "effect"
import { withSteppedClock } from "./steppedClock.ts"

/** Counts the turns of the event loop until `effect` ends. Every read of the monotonic clock advances it by 1 ms. */
export const turnsOf = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.suspend(() => {
    let turns = 0
    let immediate = setImmediate(function count() {
      turns += 1
      immediate = setImmediate(count)
    })
    return Effect.map(withSteppedClock(1_000_000n)(effect), () => {
      clearImmediate(immediate)
      return turns
    })
  })
