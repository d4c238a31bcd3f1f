/**
 * The end of a command that failed: a line for people on stderr, and with `--json` also a line on stdout.
 *
 * @since 0.1.0
 */
import { AlreadyOwned, Claimed, DirectoryError, IdentityUnavailable, RefusedRoot } from "@vm-sentinel/core/Errors"
import type * as CliError from "effect/cli/CliError"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as ErrorText from "./ErrorText.ts"
import { ExitCode, Quit } from "./ExitCode.ts"
import * as Output from "./Output.ts"
import * as Report from "./Report.ts"

/** An error that no schema of core describes. `Usage`: an invalid command line. */
const Told = Schema.Struct({
  _tag: Schema.Literals(["Usage", "OutputError", "UnsupportedPlatform", "DemoError", "Defect"]),
  message: Schema.String
})

/**
 * The line of `--json` in place of all lines that a failed command leaves out.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Failure = Schema.TaggedStruct("Failure", {
  error: Schema.Union([DirectoryError, RefusedRoot, AlreadyOwned, Claimed, IdentityUnavailable, Told])
})
export type Failure = typeof Failure.Type

const encode = Schema.encodeEffect(Failure)

const wantsJson = (args: ReadonlyArray<string>): boolean => {
  const end = args.indexOf("--")
  return (end === -1 ? args : args.slice(0, end)).some((arg) => /^--json(=(true|1|y|yes|on))?$/.test(arg))
}

/** Writes the line if the command line has `--json`. A stdout that takes no line is known from elsewhere. */
const tell = (error: Failure["error"]): Effect.Effect<void, never, Stdio.Stdio> =>
  Effect.gen(function* () {
    const { args } = yield* Stdio.Stdio
    if (!wantsJson(yield* args)) return
    yield* Output.write(Report.jsonLine(yield* Effect.orDie(encode({ _tag: "Failure", error }))))
  }).pipe(Effect.ignore)

const isTold = Schema.is(Told.fields._tag)

const toldAs = (error: ErrorText.CommandError): Failure["error"] =>
  isTold(error._tag) ? { _tag: error._tag, message: error.message } : error

/**
 * Tells an error of a command.
 *
 * @category telling
 * @since 0.1.0
 */
export const report = (error: ErrorText.CommandError): Effect.Effect<void, never, Stdio.Stdio> =>
  Effect.andThen(tell(toldAs(error)), Output.note(ErrorText.line(error)))

/**
 * Tells an error of a command, and ends the command with `code`.
 *
 * @category ending
 * @since 0.1.0
 */
export const end = (error: ErrorText.CommandError, code: number): Effect.Effect<never, Quit, Stdio.Stdio> =>
  Effect.andThen(report(error), Effect.fail(new Quit({ code })))

/**
 * Ends the command after an invalid command line, which is already told on stderr.
 *
 * @category ending
 * @since 0.1.0
 */
export const usage = (error: CliError.CliError): Effect.Effect<never, Quit, Stdio.Stdio> =>
  Effect.gen(function* () {
    const errors = error._tag === "ShowHelp" ? error.errors : [error]
    const message = errors.map(({ message }) => message).join("; ")
    yield* tell({ _tag: "Usage", message: message === "" ? "no command is given" : message })
    return yield* new Quit({ code: ExitCode.usage })
  })

/**
 * Tells a defect of the command itself.
 *
 * @category ending
 * @since 0.1.0
 */
export const defect = (text: string): Effect.Effect<void, never, Stdio.Stdio> =>
  Effect.andThen(tell({ _tag: "Defect", message: text }), Output.note(ErrorText.ofDefect(text)))
