/**
 * Long synchronous work in slices, so that the event loop gets its turn and a fiber can be interrupted between two.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

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
 * Maps a stream one element after the other, without a fiber or a step of the stream for each: what was done within one
 * slice is handed on together, and at once what `isUrgent`.
 *
 * @category running
 * @since 0.1.0
 */
export const mapEffect = <A, E, R, B, E2, R2>(
  self: Stream.Stream<A, E, R>,
  use: (element: A) => Effect.Effect<B, E2, R2>,
  isUrgent: (result: B) => boolean
): Stream.Stream<B, E | E2, R | R2> =>
  Stream.transformPull(self, (pull) =>
    Effect.sync(() => {
      let elements: Iterator<A> = [][Symbol.iterator]()
      return Effect.gen(function* () {
        for (;;) {
          const results: Array<B> = []
          const until = performance.now() + length
          for (let step = elements.next(); step.done !== true; step = elements.next()) {
            const result = yield* use(step.value)
            results.push(result)
            if (isUrgent(result) || performance.now() >= until) break
          }
          if (Arr.isReadonlyArrayNonEmpty(results)) return results
          elements = (yield* pull)[Symbol.iterator]()
        }
      })
    })
  )

/**
 * Runs a generator to its end, giving way at each `yield`; what it throws becomes an error by `failed`. Ended early, its
 * `finally` blocks run.
 *
 * @category running
 * @since 0.1.0
 */
export const run = <A, E>(start: () => Generator<void, A>, failed: (cause: unknown) => E): Effect.Effect<A, E> =>
  Effect.uninterruptibleMask((interruptible) =>
    Effect.suspend((): Effect.Effect<A, E> => {
      const work = start()
      const next = Effect.try({ try: () => work.next(), catch: failed })
      const rest = Effect.gen(function* () {
        for (;;) {
          yield* Effect.yieldNow
          const step = yield* next
          if (step.done === true) return step.value
        }
      })
      const end = Effect.sync(() => {
        const ended: Generator<void, unknown, unknown> = work
        ended.return(undefined)
      })
      // Most is done within the first slice.
      return Effect.flatMap(next, (step) =>
        step.done === true ? Effect.succeed(step.value) : Effect.ensuring(interruptible(rest), end)
      )
    })
  )
