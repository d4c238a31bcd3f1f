/** Loop of an agent. Each line of JSON on standard input is a request, and each line on standard output its answer. */
import { Effect, Schema } from "effect"
import { createInterface } from "node:readline"

/** Answers until standard input ends. `told` encodes a failure of `answer`. */
export const answerLines = <A, E, R>(
  request: Schema.Decoder<A>,
  answer: (request: A) => Effect.Effect<unknown, E, R>,
  told: (failed: unknown) => unknown = (failed) => failed
): Effect.Effect<void, never, R> =>
  Effect.gen(function* () {
    const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
    const decode = Schema.decodeEffect(Schema.fromJsonString(request))
    for (;;) {
      const next = yield* Effect.promise(() => lines.next())
      if (next.done === true) return
      const reply = yield* decode(next.value).pipe(
        Effect.flatMap(answer),
        Effect.match({
          onFailure: (failed) => ({ failed: told(failed), message: failed instanceof Error ? failed.message : "" }),
          onSuccess: (ok) => ({ ok: ok ?? null })
        })
      )
      process.stdout.write(`${JSON.stringify(reply)}\n`)
    }
  })
