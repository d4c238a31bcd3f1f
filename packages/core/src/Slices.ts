/**
 * Long synchronous work in slices, so that the event loop gets its turn and a fiber can be interrupted between two.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"

/** Milliseconds of work at a stretch. */
const length = 3

/**
 * Tells, cheaply, when a slice is used up: it looks at the clock once in a few calls. One for each piece of work.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (): (() => boolean) => {
  let count = 0
  let until = performance.now() + length
  return () => {
    count += 1
    if (count % 8 !== 0 || performance.now() < until) return false
    until = performance.now() + length
    return true
  }
}

/**
 * Lets the event loop have its turn when a slice is used up, and does nothing before. One for each piece of work.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeGiveWay = (): Effect.Effect<void> => {
  let until = performance.now() + length
  const anew = Effect.sync(() => {
    until = performance.now() + length
  })
  const giveWay = Effect.andThen(Effect.yieldNow, anew)
  return Effect.suspend(() => (performance.now() < until ? Effect.void : giveWay))
}

/**
 * Runs a generator to its end, giving way at each `yield`; what it throws becomes an error by `failed`. Ended early, its
 * `finally` blocks run.
 *
 * @category running
 * @since 0.1.0
 */
export const run = <A, E>(start: () => Generator<void, A>, failed: (cause: unknown) => E): Effect.Effect<A, E> =>
  Effect.acquireUseRelease(
    Effect.sync(start),
    Effect.fnUntraced(function* (work) {
      const next = Effect.try({ try: () => work.next(), catch: failed })
      for (;;) {
        const step = yield* next
        if (step.done === true) return step.value
        yield* Effect.yieldNow
      }
    }),
    (work) =>
      Effect.sync(() => {
        const end: Generator<void, unknown, unknown> = work
        end.return(undefined)
      })
  )
