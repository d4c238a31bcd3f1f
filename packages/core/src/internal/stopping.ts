/** Stops a sweep without interrupting it: an interruption drops the outcomes of directories that are gone. */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** Makes an effect interruptible where the region around it isn't. */
export type Interruptible = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/**
 * Interrupts an effect when the sweep is stopped. The stop comes first: once it has happened, the effect isn't begun. The race drops
 * the result of the loser, so no effect whose success must be told belongs here.
 */
const unlessStopped =
  (stopped: Deferred.Deferred<void>): Interruptible =>
  (effect) =>
    Effect.raceFirst(Effect.andThen(Deferred.await(stopped), Effect.interrupt), effect)

/** Runs `use` uninterruptibly but where it says so. `undefined`: the sweep was stopped first. A stopped sweep begins nothing. */
export const stoppable = <A, E, R>(
  stopped: Deferred.Deferred<void>,
  use: (interruptible: Interruptible) => Effect.Effect<A, E, R>
): Effect.Effect<A | undefined, E, R> =>
  Effect.uninterruptibleMask((restore): Effect.Effect<A | undefined, E, R> =>
    Deferred.isDoneUnsafe(stopped)
      ? Effect.undefined
      : Effect.flatMap(
          Effect.exit(use((effect) => restore(unlessStopped(stopped)(effect)))),
          (exit): Effect.Effect<A | undefined, E> =>
            Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) && Deferred.isDoneUnsafe(stopped)
              ? Effect.undefined
              : exit
        )
  )
