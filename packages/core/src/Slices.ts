/**
 * Long synchronous work in slices, so that the event loop gets its turn and a fiber can be interrupted between two.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"

/** Milliseconds of work at a stretch. */
const length = 1

/** Calls between two looks at the clock. */
const calls = 8

/**
 * Tells, cheaply, when a slice is used up: it looks at the clock once in 8 calls. One for each piece of work.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (): (() => boolean) => {
  let count = 0
  let until = performance.now() + length
  return () => {
    count += 1
    if (count % calls !== 0 || performance.now() < until) return false
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

/** Of all long work one slice is done in a turn of the event loop, however many fibers have some. */
const turn = Semaphore.makeUnsafe(1)

/**
 * Runs a generator to its end, giving way at each `yield`; what it throws becomes an error by `failed`. Ended early, its
 * `finally` blocks run.
 *
 * @category running
 * @since 0.1.0
 */
export const run = <A, E>(start: () => Generator<void, A>, failed: (cause: unknown) => E): Effect.Effect<A, E> =>
  Effect.uninterruptibleMask((interruptible): Effect.Effect<A, E> => {
    const work = start()
    try {
      const step = work.next()
      // Most is done within the first slice.
      if (step.done === true) return Effect.succeed(step.value)
    } catch (cause) {
      return Effect.fail(failed(cause))
    }
    const next = Effect.try({ try: () => work.next(), catch: failed })
    const slice = turn.withPermit(Effect.andThen(Effect.yieldNow, next))
    const rest = Effect.gen(function* () {
      for (;;) {
        const step = yield* slice
        if (step.done === true) return step.value
      }
    })
    const end = Effect.sync(() => {
      const ended: Generator<void, unknown, unknown> = work
      ended.return(undefined)
    })
    return Effect.ensuring(interruptible(rest), end)
  })
