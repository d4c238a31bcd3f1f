/**
 * Ends a command that failed, with a line for people on stderr, and with `--json` also a line on stdout.
 *
 * @since 0.1.0
 */
import { AlreadyOwned, Claimed, DirectoryError, IdentityUnavailable, RefusedRoot } from "@vm-sentinel/core/Errors"
import type * as CliError from "effect/cli/CliError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as settings from "./commands/settings.ts"
import type { DemoError } from "./demo/DemoError.ts"
import * as ErrorText from "./ErrorText.ts"
import { ExitCode, Quit } from "./ExitCode.ts"
import * as Output from "./Output.ts"
import * as Report from "./Report.ts"

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

const yes = /^(true|1|y|yes|on)$/
const no = /^(false|0|n|no|off)$/

/**
 * The value of the last `--json` of a command line. Takes the next word as the value only if it is a boolean, as the
 * parser does.
 */
const jsonFlag = (args: ReadonlyArray<string>): boolean | undefined => {
  const end = args.indexOf("--")
  const flags = end === -1 ? args : args.slice(0, end)
  const index = flags.findLastIndex((arg) => arg === "--json" || arg.startsWith("--json="))
  const flag = flags[index]
  if (flag === undefined) return undefined
  return flag === "--json" ? !no.test(flags[index + 1] ?? "") : yes.test(flag.slice("--json=".length))
}

/** Commands that take no `--json`, because their stdout is a text, or that of another command. */
const plainCommands: ReadonlySet<string> = new Set(["write", "run", "demo"])

/** The name of the command: the first word that is neither a flag nor the value of a flag that all commands take. */
const commandOf = (args: ReadonlyArray<string>): string | undefined =>
  args.find((arg, index) => !arg.startsWith("-") && args[index - 1] !== "--log-level")

/**
 * The value of the environment variable of `--json`. `false` if it is unset or invalid, or if the command takes no
 * `--json`.
 */
const jsonVariable = (args: ReadonlyArray<string>): Effect.Effect<boolean> =>
  plainCommands.has(commandOf(args) ?? "")
    ? Effect.succeed(false)
    : settings.booleanValue("json").pipe(
        Effect.map(Option.getOrElse(() => false)),
        Effect.orElseSucceed(() => false)
      )

/** Whether the command line or the variable of `--json` asks for JSON lines. The command line may be invalid. */
const wantsJson: Effect.Effect<boolean, never, Stdio.Stdio> = Effect.gen(function* () {
  const { args } = yield* Stdio.Stdio
  const words = yield* args
  return jsonFlag(words) ?? (yield* jsonVariable(words))
})

/** Writes the line if JSON is asked for. Ignores an error of stdout, which can't be reported on stdout. */
const tell = (error: Failure["error"]): Effect.Effect<void, never, Stdio.Stdio> =>
  Effect.gen(function* () {
    if (!(yield* wantsJson)) return
    yield* Output.write(Report.jsonLine(yield* Effect.orDie(encode({ _tag: "Failure", error }))))
  }).pipe(Effect.ignore)

const isTold = Schema.is(Told.fields._tag)

const toldAs = (error: Exclude<ErrorText.CommandError, DemoError>): Failure["error"] =>
  isTold(error._tag) ? { _tag: error._tag, message: error.message } : error

/**
 * Prints an error on stderr and, with `--json`, a line on stdout.
 *
 * @category telling
 * @since 0.1.0
 */
export const report = (error: ErrorText.CommandError): Effect.Effect<void, never, Stdio.Stdio> =>
  Effect.andThen(
    // The demo prints no JSON.
    error._tag === "DemoError" ? Effect.void : tell(toldAs(error)),
    Output.note(ErrorText.line(error))
  )

/**
 * Reports an error of a command, and ends the command with `code`.
 *
 * @category ending
 * @since 0.1.0
 */
export const end = (error: ErrorText.CommandError, code: number): Effect.Effect<never, Quit, Stdio.Stdio> =>
  Effect.andThen(report(error), Effect.fail(new Quit({ code })))

/**
 * Ends the command after an invalid command line. The error is already on stderr.
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
 * Reports a defect of the command itself.
 *
 * @category ending
 * @since 0.1.0
 */
export const defect = (text: string): Effect.Effect<void, never, Stdio.Stdio> =>
  Effect.andThen(tell({ _tag: "Defect", message: text }), Output.note(ErrorText.ofDefect(text)))
