/**
 * The `vm-sentinel` command.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { ChildProcessSpawner, make as makeSpawner } from "effect/process/ChildProcessSpawner"
import * as Ref from "effect/Ref"
import * as References from "effect/References"
import * as Stdio from "effect/Stdio"
import { demo } from "./commands/demo.ts"
import { doctor } from "./commands/doctor.ts"
import { explain } from "./commands/explain.ts"
import * as json from "./commands/json.ts"
import { list } from "./commands/list.ts"
import { boolean } from "./commands/options.ts"
import { reclaim } from "./commands/reclaim.ts"
import { run } from "./commands/run.ts"
import * as settings from "./commands/settings.ts"
import { sweep } from "./commands/sweep.ts"
import { write } from "./commands/write.ts"
import * as Arguments from "./commands/Arguments.ts"
import * as Completions from "./commands/Completions.ts"
import { ExitCode, Quit } from "./ExitCode.ts"
import * as Failure from "./Failure.ts"
import * as Help from "./text/Help.ts"
import * as Output from "./Output.ts"
import * as Text from "./text/Text.ts"
import { version } from "./Version.ts"

/** Prints a requested text on stdout. */
type Print = (text: string) => Effect.Effect<void>

/** A flag that prints a text on stdout, and runs no command. */
const printing = <A>(
  flag: Flag.Flag<A>,
  text: (value: A, command: Command.Command.Any) => Effect.Effect<string>,
  print: Print
): GlobalFlag.Action<A> =>
  GlobalFlag.Action({ flag, run: (value, { command }) => Effect.flatMap(text(value, command), print) })

const builtIns = [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.LogLevel]

const completions = Flag.Literals("completions", Completions.shells).pipe(
  Flag.withMetavar(Completions.shells.join("|")),
  Flag.withDescription("Print the script that completes the command line in a shell"),
  Flag.optional
)

const jsonSchema = boolean("json-schema", "Print the JSON Schema of the lines of --json")

const globalFlags: ReadonlyArray<Flag.Flag<unknown>> = [...builtIns.map(({ flag }) => flag), completions, jsonSchema]

const subcommands = [sweep, list, explain, write, run, reclaim, doctor, demo] as const

/** Whether errors are also told as lines of JSON. */
const asked = Effect.map(json.isWanted({ subcommands, globals: globalFlags }), (json) => ({ json }))

const commandOf = (print: Print) =>
  Command.make("vm-sentinel").pipe(
    Command.withDescription(
      "Tells VM directories whose owner lives from those whose owner is provably gone, whoever has its PID now"
    ),
    Command.withExamples([
      { command: "vm-sentinel list /var/lib/vms", description: "See what a sweep would remove, and why" },
      { command: "vm-sentinel sweep /var/lib/vms", description: "Remove it" },
      { command: "vm-sentinel explain /var/lib/vms/a", description: "See all that was compared for one directory" }
    ]),
    Command.withSubcommands(subcommands),
    Command.provideEffectDiscard(Effect.andThen(settings.checked, Arguments.checked)),
    Command.withGlobalFlags([
      printing(
        completions,
        (shell, command) =>
          Effect.succeed(Option.isNone(shell) ? "" : Completions.script(shell.value, command, globalFlags)),
        print
      ),
      printing(
        jsonSchema,
        (asked) =>
          Effect.map(
            Effect.promise(() => import("./JsonSchema.ts")),
            ({ text }) => (asked ? text() : "")
          ),
        print
      )
    ])
  )

/** Hint to write `--` before CMD. Without `--`, the parser reads the options of CMD as options of `run`. */
const missingDashes = ({ commandPath }: CliOutput.Presenter.InvalidInvocation) =>
  Stdio.Stdio.use(({ args }) =>
    Effect.map(args, (args) =>
      commandPath.at(-1) === "run" && !args.includes("--")
        ? "\n  CMD and its options stand after --, as in: vm-sentinel run DIR -- CMD --its-option"
        : ""
    )
  )

/** Prints requested help on stdout, because it is data, and help after an invalid command line on stderr. */
const presenter = (output: Context.Context<Output.Output>, print: Print) =>
  Layer.succeed(CliOutput.Presenter, {
    present: Effect.fnUntraced(function* (event: CliOutput.Presenter.Event) {
      const requested = event._tag === "Version" || (event._tag === "Help" && event.reason === "Requested")
      const colors = yield* Output.hasColors(requested ? "stdout" : "stderr")
      const formatter = CliOutput.defaultFormatter({ colors, globalFlags: "summary" })
      const columns = yield* requested ? Output.columns : Output.errorColumns
      const say = (text: string) => (requested ? print(`${text}\n`) : Output.note(`${text}\n`))
      switch (event._tag) {
        case "Version":
          return yield* say(formatter.formatVersion(event.name, event.version))
        case "Help":
          return yield* say(Help.render(event.helpDoc, formatter, columns))
        case "InvalidInvocation":
          return yield* say(
            `${Help.render(event.helpDoc, formatter, columns)}\n${formatter.formatErrors(event.errors)}${yield* missingDashes(event)}`
          )
      }
    }, Effect.provideContext(output))
  })

/** Prints a usage error on stderr, except a `ShowHelp`, which the presenter has already printed. */
const tellUsage = (error: CliError.CliError) =>
  Effect.gen(function* () {
    if (error._tag !== "ShowHelp") {
      const formatter = CliOutput.defaultFormatter({ colors: yield* Output.hasColors("stderr") })
      yield* Output.note(`${formatter.formatErrors([error])}\n`)
    }
    return yield* Failure.usage(error, yield* asked)
  })

/** Services for parsing the command line, which reads no file and starts no process. */
const environment = Layer.mergeAll(
  FileSystem.layerNoop({}),
  Path.layer,
  Layer.succeed(
    ChildProcessSpawner,
    makeSpawner(() => Effect.die("the command line is parsed without it"))
  )
)

const configuration = Layer.mergeAll(
  CliConfig.layer({ builtIns }),
  Layer.succeed(References.MinimumLogLevel, "Warn"),
  Layer.succeed(Logger.LogToStderr, true),
  // A log line contains names that other users chose, so the logger escapes it.
  Logger.layer([
    Logger.make((options) => globalThis.console.error(Text.escapeActive(Logger.formatLogFmt.log(options))))
  ])
)

/**
 * Runs the command line of `Stdio`. Fails with {@link Quit} for every exit code but 0, unless a defect or an
 * interruption ends it. All messages are printed before it fails.
 *
 * @category running
 * @since 0.1.0
 */
export const main: Effect.Effect<void, Quit, Output.Output> = Effect.gen(function* () {
  const output = yield* Effect.context<Output.Output>()
  // The parser takes no error of a printed text. The command fails with it afterwards.
  const unprinted = yield* Ref.make<Effect.Effect<void, Output.OutputError>>(Effect.void)
  const print: Print = (text) =>
    Output.write(text).pipe(
      Effect.catch((error) => Ref.set(unprinted, Effect.fail(error))),
      Effect.provideContext(output)
    )
  yield* Effect.provide(Command.run(commandOf(print), { version }), presenter(output, print))
  yield* yield* Ref.get(unprinted)
}).pipe(
  Effect.catch((error) =>
    Effect.gen(function* () {
      if (error._tag === "Quit") return yield* error
      if (CliError.isCliError(error)) return yield* tellUsage(error)
      if (error._tag === "OutputError" && error.errno === "EPIPE") return yield* new Quit({ code: ExitCode.closed })
      return yield* Failure.end(error, ExitCode.failed, yield* asked)
    })
  ),
  Effect.tapCause((cause) =>
    Cause.hasDies(cause) ? Effect.flatMap(asked, (asked) => Failure.defect(Cause.pretty(cause), asked)) : Effect.void
  ),
  Effect.provide([environment, configuration])
)
