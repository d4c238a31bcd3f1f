/**
 * Stops a sweep without interrupting its consumer. An interruption would drop the outcomes of directories that are
 * gone.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"

/** Makes an effect interruptible within an uninterruptible region. */
export type Interruptible = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

export interface Stop {
  /** Interrupts each {@link Stop.stoppable} effect where it is interruptible. */
  readonly request: Effect.Effect<void>
  readonly requested: Effect.Effect<void>
  readonly isRequested: () => boolean
  /**
   * Runs `use` in a fiber of its own, uninterruptible except for the effects that `use` passes to `interruptible`.
   * After the stop no such effect begins. `undefined`: the stop came before `use` was done.
   */
  readonly stoppable: <A, E, R>(
    use: (interruptible: Interruptible) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A | undefined, E, R>
}

export const make: Effect.Effect<Stop, never, Scope.Scope> = Effect.gen(function* () {
  const fibers = yield* FiberSet.make()
  const done = yield* Deferred.make<void>()
  const isRequested = () => Deferred.isDoneUnsafe(done)

  const unlessStopped = <A, E>(exit: Exit.Exit<A, E>): Effect.Effect<A | undefined, E> =>
    Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) && isRequested() ? Effect.undefined : exit

  const stoppable: Stop["stoppable"] = (use) =>
    Effect.uninterruptibleMask((restore) =>
      isRequested()
        ? Effect.undefined
        : Effect.forkChild(use(Effect.interruptible), { uninterruptible: true }).pipe(
            Effect.tap((fiber) => FiberSet.add(fibers, fiber)),
            // A stop may have come before the fiber was in the set.
            Effect.tap((fiber) => Effect.sync(() => isRequested() && fiber.interruptUnsafe())),
            Effect.flatMap((fiber) => Effect.onInterrupt(restore(Fiber.await(fiber)), () => Fiber.interrupt(fiber))),
            Effect.flatMap(unlessStopped)
          )
    )

  return {
    request: Effect.andThen(Deferred.succeed(done, undefined), FiberSet.clear(fibers)),
    requested: Deferred.await(done),
    isRequested,
    stoppable
  }
})
