import { Clock, Effect } from "effect"

/**
 * Runs `effect` with a clock whose monotonic time advances by `nanos` at each read. Everything else is the present
 * clock's.
 */
export const withSteppedClock =
  (nanos: bigint) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Clock.clockWith((clock) => {
      let now = 0n
      const monotonicTimeNanosUnsafe = () => (now += nanos)
      return Effect.provideService(effect, Clock.Clock, {
        // `TestClock.adjust` finds its own method in the provided clock.
        ...clock,
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
        currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
        monotonicTimeNanosUnsafe,
        monotonicTimeNanos: Effect.sync(monotonicTimeNanosUnsafe),
        sleep: (duration) => clock.sleep(duration)
      })
    })
