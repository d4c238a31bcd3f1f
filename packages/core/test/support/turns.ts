import { vi } from "@effect/vitest"
import { Effect } from "effect"

/** Each look at the clock finds it a millisecond later. Counts the turns of the event loop until `effect` has ended. */
export const turnsOf = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.suspend(() => {
    let [now, turns] = [0, 0]
    vi.spyOn(performance, "now").mockImplementation(() => ++now)
    let immediate = setImmediate(function count() {
      turns += 1
      immediate = setImmediate(count)
    })
    return Effect.map(effect, () => {
      clearImmediate(immediate)
      return turns
    })
  })
