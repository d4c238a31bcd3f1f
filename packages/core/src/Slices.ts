/**
 * Runs long synchronous work in slices of 1 ms. Between two slices the event loop runs, and the fiber can be
 * interrupted.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"

/** Length of a slice, in nanoseconds. */
const slice = 1_000_000n

/** An `IsUsedUp` reads the clock once in this number of calls. */
const callsPerClockRead = 8

/**
 * Returns `true` when a slice is used up, and begins the next slice. It reads the clock only once in 8 calls, so each
 * step of a loop can call it. Each piece of work has its own `IsUsedUp`.
 *
 * @category models
 * @since 0.1.0
 */
export type IsUsedUp = () => boolean

const make = (clock: Clock.Clock): IsUsedUp => {
  let count = 0
  let until = clock.monotonicTimeNanosUnsafe() + slice
  return () => {
    count += 1
    if (count % callsPerClockRead !== 0 || clock.monotonicTimeNanosUnsafe() < until) return false
    until = clock.monotonicTimeNanosUnsafe() + slice
    return true
  }
}

/**
 * Makes an effect that yields to the event loop when a slice is used up, and otherwise does nothing. Concurrent fibers
 * that share the effect do one slice together in a turn of the event loop. A fiber that finds the slice used up waits
 * for a later turn, behind those that wait already.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makePace: Effect.Effect<Effect.Effect<void>> = Effect.clockWith((clock) =>
  Effect.sync(() => {
    let until = clock.monotonicTimeNanosUnsafe() + slice
    const isUsedUp = () => clock.monotonicTimeNanosUnsafe() >= until
    const anew = Effect.sync(() => {
      until = clock.monotonicTimeNanosUnsafe() + slice
    })
    const nextTurn = Effect.andThen(Effect.yieldNow, anew)
    const inOrder = Semaphore.makeUnsafe(1)
    const wait = inOrder.withPermit(Effect.suspend(() => (isUsedUp() ? nextTurn : Effect.void)))
    return Effect.suspend(() => (isUsedUp() ? wait : Effect.void))
  })
)

/**
 * All `run`s of the process together do one slice in a turn of its event loop. The first slice of each `run` isn't
 * counted.
 */
const oneSlicePerTurn = Semaphore.makeUnsafe(1)

/**
 * Runs a generator to its end, and yields to the event loop at each `yield`. The generator yields when its `IsUsedUp`
 * returns `true`. `failed` converts an exception of the generator to the error. Interruptible at each `yield`. An
 * interruption runs the generator's `finally` blocks.
 *
 * @category running
 * @since 0.1.0
 */
export const run = <A, E>(
  start: (isUsedUp: IsUsedUp) => Generator<void, A>,
  failed: (cause: unknown) => E
): Effect.Effect<A, E> => Effect.clockWith((clock) => runWith(() => start(make(clock)), failed))

const runWith = <A, E>(start: () => Generator<void, A>, failed: (cause: unknown) => E): Effect.Effect<A, E> =>
  Effect.uninterruptibleMask((interruptible): Effect.Effect<A, E> => {
    const work = start()
    try {
      const step = work.next()
      // Most work ends within its first slice.
      if (step.done === true) return Effect.succeed(step.value)
    } catch (cause) {
      return Effect.fail(failed(cause))
    }
    const next = Effect.try({ try: () => work.next(), catch: failed })
    const oneSlice = oneSlicePerTurn.withPermit(Effect.andThen(Effect.yieldNow, next))
    const rest = Effect.gen(function* () {
      for (;;) {
        const step = yield* oneSlice
        if (step.done === true) return step.value
      }
    })
    const end = Effect.sync(() => {
      const ended: Generator<void, unknown, unknown> = work
      ended.return(undefined)
    })
    return Effect.ensuring(interruptible(rest), end)
  })
