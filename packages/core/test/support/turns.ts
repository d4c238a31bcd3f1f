import { vi } from "@effect/vitest"
import { Effect } from "effect"

/** Counts the turns of the event loop until `effect` ends. Every read of `performance.now` advances it by 1 ms. */
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
