/**
 * Shows progress on stderr.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Output from "./Output.ts"

const clearLine = "\r\u001b[2K"

/**
 * Runs an effect. From 1 s on, shows `text()` on stderr every 200 ms, always on the same line, and clears the line at
 * the end.
 *
 * @category running
 * @since 0.1.0
 */
export const during =
  (text: () => string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Output.Output> =>
    Effect.scoped(
      Effect.gen(function* () {
        let shown = false
        const show = Effect.suspend(() => {
          shown = true
          return Output.note(`${clearLine}${text()}`)
        })
        yield* Effect.addFinalizer(() => Effect.suspend(() => (shown ? Output.note(clearLine) : Effect.void)))
        yield* show.pipe(Effect.repeat(Schedule.spaced("200 millis")), Effect.delay("1 second"), Effect.forkScoped)
        return yield* effect
      })
    )
