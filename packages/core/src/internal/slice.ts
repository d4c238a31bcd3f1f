import * as Effect from "effect/Effect"

/** Milliseconds of work at a stretch. */
const length = 3

/**
 * Lets the event loop have its turn when a stretch of synchronous work is used up, and does nothing before. One for each
 * piece of work.
 */
export const makeGiveWay = (): Effect.Effect<void> => {
  let until = performance.now() + length
  const anew = Effect.sync(() => {
    until = performance.now() + length
  })
  const giveWay = Effect.andThen(Effect.yieldNow, anew)
  return Effect.suspend(() => (performance.now() < until ? Effect.void : giveWay))
}
