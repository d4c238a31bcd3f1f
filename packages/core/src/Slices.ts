/**
 * Long synchronous work in slices, so that the event loop gets its turn and a fiber can be interrupted between two.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"

/** Milliseconds of work at a stretch. */
const length = 1

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
 * What is left to do for an element, and may be done while the next ones are begun.
 *
 * @category models
 * @since 0.1.0
 */
export class Later<out B, out E = never, out R = never> {
  readonly effect: Effect.Effect<B, E, R>
  constructor(effect: Effect.Effect<B, E, R>) {
    this.effect = effect
  }
}

/**
 * Maps a stream, one element after the other, without a fiber or a step of the stream for each, nor an Effect where `use`
 * knows the result at once: what was done within one slice is handed on together, and at once what `isUrgent`. Of what is
 * left for {@link Later} at most `window` are under way at once, each in a fiber that ends with the stream, and is handed
 * on as it is done, or when the next element has come that is waited for.
 *
 * @category running
 * @since 0.1.0
 */
export const mapEffect = <A, E, R, B, E2, R2>(
  self: Stream.Stream<A, E, R>,
  use: (element: A) => B | Effect.Effect<B | Later<B, E2, R2>, E2, R2>,
  { isUrgent, window }: { readonly isUrgent: (result: B) => boolean; readonly window: number }
): Stream.Stream<B, E | E2, R | R2> =>
  Stream.transformPullBracket(self, (pull, _, scope) =>
    // Ended early, none of those under way goes on for as long as another takes to end.
    Effect.map(Scope.fork(scope, "parallel"), (fibers) => {
      let elements: Iterator<A> = [][Symbol.iterator]()
      /** There are no more elements, or no more can be had. */
      let end: Exit.Exit<never, E | Cause.Done> | undefined
      let underWay = 0
      /** The first of those under way that failed. */
      let failed: Exit.Exit<never, E2> | undefined
      /** Told when one of them has ended. */
      let ended: (() => void) | undefined
      /** To be handed on next. */
      let results: Array<B> = []
      let isDue = false
      // Also of what is handed on: who takes it need not give way.
      let until = performance.now() + length
      /** Quick ones since the clock was looked at. */
      let quick = 0

      const isSliceUsedUp = () => quick % 4 === 0 && performance.now() >= until

      const collect = (result: B) => {
        results.push(result)
        isDue ||= isUrgent(result)
      }

      const settle = (exit: Exit.Exit<B, E2>) => {
        underWay -= 1
        if (Exit.isSuccess(exit)) collect(exit.value)
        else failed ??= Exit.failCause(exit.cause)
        const tell = ended
        ended = undefined
        tell?.()
      }

      const anyEnded = Effect.callback<void>((resume) => {
        ended = () => resume(Effect.void)
      })

      /** Until there is something to hand on. */
      const work = Effect.gen(function* () {
        for (;;) {
          if (failed !== undefined) return yield* failed
          const isUsedUp = isSliceUsedUp()
          if ((isDue || isUsedUp) && results.length > 0) return
          if (underWay >= window) {
            // What is done doesn't wait for it.
            if (results.length > 0) return
            yield* anyEnded
            quick = 0
            continue
          }
          if (isUsedUp) {
            yield* Effect.yieldNow
            until = performance.now() + length
          }
          const step = elements.next()
          if (step.done === true) {
            if (results.length > 0) return
            if (end === undefined) {
              const next = yield* Effect.exit(pull)
              if (Exit.isSuccess(next)) elements = next.value[Symbol.iterator]()
              else end = Exit.failCause(next.cause)
            } else if (underWay > 0) yield* anyEnded
            else return yield* end
            continue
          }
          const used = use(step.value)
          const isSlow = Effect.isEffect(used)
          quick = isSlow ? 0 : quick + 1
          const result = isSlow ? yield* used : used
          if (result instanceof Later) {
            const fiber = yield* Effect.forkIn(result.effect, fibers, { startImmediately: true })
            underWay += 1
            fiber.addObserver(settle)
          } else collect(result)
        }
      })

      let failure: Exit.Exit<never, E | E2 | Cause.Done> | undefined
      const fail = (cause: Cause.Cause<E | E2 | Cause.Done>) =>
        Effect.sync(() => {
          failure = Exit.failCause(cause)
        })
      return Effect.gen(function* () {
        for (;;) {
          const done = results
          if (Arr.isReadonlyArrayNonEmpty(done)) {
            results = []
            isDue = false
            return done
          }
          if (failure !== undefined) return yield* failure
          // What was done before it is handed on first.
          yield* Effect.catchCause(work, fail)
        }
      })
    })
  )

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
