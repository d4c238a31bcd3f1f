/**
 * Ends a command that failed, with a line for people on stderr, and with `--json` also a line on stdout.
 *
 * @since 0.1.0
 */
import { AlreadyOwned, Claimed, DirectoryError, IdentityUnavailable, RefusedRoot } from "@vm-sentinel/core/Errors"
import type * as CliError from "effect/cli/CliError"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stdio from "effect/Stdio"
import type { DemoError } from "./demo/DemoError.ts"
import * as ErrorText from "./text/ErrorText.ts"
import { ExitCode, Quit } from "./ExitCode.ts"
import * as Output from "./Output.ts"
import * as Report from "./sweep/Report.ts"

/** An error that no schema of core describes. `Usage`: an invalid command line. */
const Told = Schema.Struct({
  _tag: Schema.Literals(["Usage", "OutputError", "UnsupportedPlatform", "Defect"]),
  message: Schema.String
})

/**
 * The line that `--json` prints for an error that ends a command, or the sweep of one root. No further line of that
 * command or root follows.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Failure = Schema.TaggedStruct("Failure", {
  error: Schema.Union([DirectoryError, RefusedRoot, AlreadyOwned, Claimed, IdentityUnavailable, Told])
})
export type Failure = typeof Failure.Type

const encode = Schema.encodeEffect(Failure)

/** Whether JSON lines are asked for. */
interface Asked {
  readonly json: boolean
}

/** Writes the line if JSON is asked for. Ignores an error of stdout, which can't be reported on stdout. */
const tell = (error: Failure["error"], { json }: Asked): Effect.Effect<void, never, Stdio.Stdio> =>
  json
    ? Effect.ignore(
        Effect.flatMap(Effect.orDie(encode({ _tag: "Failure", error })), (line) => Output.write(Report.jsonLine(line)))
      )
    : Effect.void

const isTold = Schema.is(Told.fields._tag)

const toldAs = (error: Exclude<ErrorText.CommandError, DemoError>): Failure["error"] =>
  isTold(error._tag) ? { _tag: error._tag, message: error.message } : error

/**
 * Prints an error on stderr and, if JSON is asked for, a line on stdout.
 *
 * @category telling
 * @since 0.1.0
 */
export const report = (error: ErrorText.CommandError, asked: Asked): Effect.Effect<void, never, Stdio.Stdio> =>
  Effect.andThen(
    // The demo prints no JSON.
    error._tag === "DemoError" ? Effect.void : tell(toldAs(error), asked),
    Output.note(ErrorText.line(error))
  )

/**
 * Reports an error of a command, and ends the command with `code`.
 *
 * @category ending
 * @since 0.1.0
 */
export const end = (
  error: ErrorText.CommandError,
  code: number,
  asked: Asked
): Effect.Effect<never, Quit, Stdio.Stdio> => Effect.andThen(report(error, asked), Effect.fail(new Quit({ code })))

/**
 * Ends the command after an invalid command line. The error is already on stderr.
 *
 * @category ending
 * @since 0.1.0
 */
export const usage = (error: CliError.CliError, asked: Asked): Effect.Effect<never, Quit, Stdio.Stdio> =>
  Effect.gen(function* () {
    const errors = error._tag === "ShowHelp" ? error.errors : [error]
    const message = errors.map(({ message }) => message).join("; ")
    yield* tell({ _tag: "Usage", message: message === "" ? "no command is given" : message }, asked)
    return yield* new Quit({ code: ExitCode.usage })
  })

/**
 * Reports a defect of the command itself.
 *
 * @category ending
 * @since 0.1.0
 */
export const defect = (text: string, asked: Asked): Effect.Effect<void, never, Stdio.Stdio> =>
  Effect.andThen(tell({ _tag: "Defect", message: text }, asked), Output.note(ErrorText.ofDefect(text)))
