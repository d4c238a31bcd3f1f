/** Mapping a stream by what mostly is known at once, sometimes takes long, and can be stopped with nothing lost. */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Slices from "../Slices.ts"

export type Interruptible = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** What is left to do for an element, and may be done while the next ones are begun. */
export class Later<out B, out E = never, out R = never> {
  /**
   * Runs in a fiber that is interrupted only where it says so: what it has done by then is handed on all the same.
   */
  readonly run: (interruptible: Interruptible) => Effect.Effect<B, E, R>
  /** Begun when all others have ended; no next one is begun, nor looked for, before it has too. */
  readonly isAlone: boolean
  constructor(
    run: (interruptible: Interruptible) => Effect.Effect<B, E, R>,
    { isAlone = false }: { readonly isAlone?: boolean } = {}
  ) {
    this.run = run
    this.isAlone = isAlone
  }
}

export interface Options<B> {
  /** Handed on at once. */
  readonly isUrgent: (result: B) => boolean
  /** At most so many are under way at once. */
  readonly window: number
  /** When it ends, what is under way is interrupted, what is done by then is handed on, and the stream ends. */
  readonly stopWhen: Effect.Effect<unknown>
}

/**
 * Maps a stream, one element after the other, without a fiber or a step of the stream for each, nor an Effect where `use`
 * knows the result at once: what was done within one slice is handed on together. What is left for {@link Later} is handed
 * on as it is done, or when the next element has come that is waited for; `undefined` isn't.
 */
export const map = <A extends NonNullable<unknown>, E, R, B, E2, R2>(
  self: Stream.Stream<A, E, R>,
  use: (element: A) => B | Later<B | undefined, E2, R2> | Effect.Effect<B | Later<B | undefined, E2, R2>, E2, R2>,
  { isUrgent, stopWhen, window }: Options<B>
): Stream.Stream<B, E | E2, R | R2> =>
  Stream.transformPullBracket(self, (pull, _, scope) =>
    // Ended early, none of those under way goes on for as long as another takes to end.
    Effect.flatMap(Scope.fork(scope, "parallel"), (scope) => {
      let elements: ReadonlyArray<A> = []
      /** Of those, the next one to be begun. */
      let at = 0
      /** There are no more elements, or no more can be had. */
      let end: Exit.Exit<never, E | Cause.Done> | undefined
      const fibers = new Set<Fiber.Fiber<unknown, unknown>>()
      /** To be begun when all others have ended. */
      let next: Later<B | undefined, E2, R2> | undefined
      let isAlone = false
      let isStopped = false
      /** The first of those under way that failed. */
      let failed: Exit.Exit<never, E2> | undefined
      /** Told when one of them has ended. */
      let ended: (() => void) | undefined
      /** To be handed on next. */
      let results: Array<B> = []
      let isDue = false
      // Also of what is handed on: who takes it need not give way.
      let until = performance.now() + Slices.length
      /** Quick ones since the clock was looked at. */
      let quick = 0

      const isSliceUsedUp = () => quick % 4 === 0 && performance.now() >= until

      const collect = (result: B) => {
        results.push(result)
        isDue ||= isUrgent(result)
      }

      const tell = () => {
        const told = ended
        ended = undefined
        told?.()
      }

      const anyEnded = Effect.callback<void>((resume) => {
        ended = () => resume(Effect.void)
      })

      const wasStopped = (cause: Cause.Cause<unknown>) => isStopped && Cause.hasInterruptsOnly(cause)

      /** What is waited for, but can be stopped meanwhile: `undefined` then. */
      const inTurn = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.gen(function* () {
          const fiber = yield* Effect.forkIn(effect, scope, { startImmediately: true })
          let exit = fiber.pollUnsafe()
          if (exit === undefined) {
            fibers.add(fiber)
            exit = yield* Effect.callback<Exit.Exit<A, E>>((resume) => {
              fiber.addObserver((exit) => resume(Effect.succeed(exit)))
            })
            fibers.delete(fiber)
          }
          return Exit.isFailure(exit) && wasStopped(exit.cause) ? undefined : exit
        })

      const begin = Effect.fnUntraced(function* (later: Later<B | undefined, E2, R2>) {
        isAlone = later.isAlone
        const fiber = yield* Effect.forkIn(later.run(Effect.interruptible), scope, {
          startImmediately: true,
          uninterruptible: true
        })
        fibers.add(fiber)
        fiber.addObserver((exit) => {
          fibers.delete(fiber)
          if (later.isAlone) isAlone = false
          if (Exit.isFailure(exit)) {
            if (!wasStopped(exit.cause)) failed ??= Exit.failCause(exit.cause)
          } else if (exit.value !== undefined) collect(exit.value)
          tell()
        })
      })

      const stop = Effect.sync(() => {
        isStopped = true
        next = undefined
        elements = []
        end ??= Exit.fail(Cause.Done())
        for (const fiber of fibers) fiber.interruptUnsafe()
        tell()
      })

      /**
       * Begins elements until one isn't done at once, and gives that back; `undefined`: there is none, or something is to be
       * handed on. A loop of its own: in a generator it would be slow for longer.
       */
      const useQuick = () => {
        for (let element = elements[at]; element !== undefined; element = elements[at]) {
          at += 1
          const used = use(element)
          if (Effect.isEffect(used) || used instanceof Later) return used
          quick += 1
          collect(used)
          if (isDue || isSliceUsedUp()) return undefined
        }
        return undefined
      }

      /** Until there is something to hand on. */
      const work = Effect.gen(function* () {
        for (;;) {
          if (failed !== undefined) return yield* failed
          const isUsedUp = isSliceUsedUp()
          if ((isDue || isUsedUp) && results.length > 0) return
          if (isAlone || fibers.size >= (next === undefined ? window : 1)) {
            // What is done doesn't wait for it.
            if (results.length > 0) return
            yield* anyEnded
            quick = 0
            continue
          }
          if (isUsedUp) {
            yield* Effect.yieldNow
            until = performance.now() + Slices.length
          }
          if (next !== undefined) {
            const later = next
            next = undefined
            yield* begin(later)
            continue
          }
          const used = useQuick()
          if (used === undefined) {
            if (at < elements.length) continue
            if (results.length > 0) return
            if (end === undefined) {
              const more = yield* inTurn(pull)
              if (more === undefined || isStopped) continue
              if (Exit.isSuccess(more)) [elements, at] = [more.value, 0]
              else end = Exit.failCause(more.cause)
            } else if (fibers.size > 0) yield* anyEnded
            else return yield* end
            continue
          }
          let result
          if (Effect.isEffect(used)) {
            quick = 0
            const exit = yield* inTurn(used)
            if (exit === undefined) continue
            result = yield* exit
          } else result = used
          if (!(result instanceof Later)) collect(result)
          else if (result.isAlone) next = result
          else yield* begin(result)
        }
      })

      let failure: Exit.Exit<never, E | E2 | Cause.Done> | undefined
      const fail = (cause: Cause.Cause<E | E2 | Cause.Done>) =>
        Effect.sync(() => {
          failure = Exit.failCause(cause)
        })
      const pulled = Effect.gen(function* () {
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
      return Effect.as(Effect.forkIn(Effect.andThen(stopWhen, stop), scope, { startImmediately: true }), pulled)
    })
  )
