/**
 * Asks a person at a terminal before the command removes anything.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Output from "../Output.ts"

/**
 * Whether somebody can be asked, which needs terminals at stdin and stderr. The question goes to stderr, since stdout
 * is for data.
 *
 * @category getters
 * @since 0.1.0
 */
export const isPossible: Effect.Effect<boolean, never, Stdio.Stdio> = Stdio.Stdio.use(
  ({ stderrIsTerminal, stdinIsTerminal }) =>
    Effect.zipWith(stdinIsTerminal, stderrIsTerminal, (canAnswer, canRead) => canAnswer && canRead)
)

const isYes = (answer: string): boolean => /^\s*y(es)?\s*$/i.test(answer)

/** The first line that is typed. `None`: stdin ended, or can't be read. */
const answer: Effect.Effect<Option.Option<string>, never, Stdio.Stdio> = Stdio.Stdio.use(({ stdin }) =>
  stdin.pipe(Stream.decodeText, Stream.splitLines, Stream.runHead, Effect.orElseSucceed(Option.none))
)

/** Ends the line of the question after an interruption or an end of stdin. */
const newLine = Output.show("\n")

/**
 * Asks a question. Only `y` and `yes` mean yes. An empty line, an end of the input and everything else mean no.
 *
 * @category asking
 * @since 0.1.0
 */
export const ask = (question: string): Effect.Effect<boolean, never, Stdio.Stdio> =>
  Effect.gen(function* () {
    yield* Output.note(`${question} [y/N] `)
    const given = yield* Effect.onInterrupt(answer, () => newLine)
    if (Option.isNone(given)) yield* newLine
    return Option.exists(given, isYes)
  })
