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
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Path from "effect/Path"
import { ChildProcessSpawner, make as makeSpawner } from "effect/process/ChildProcessSpawner"
import * as References from "effect/References"
import * as Stdio from "effect/Stdio"
import { demo } from "./commands/demo.ts"
import { doctor } from "./commands/doctor.ts"
import { explain } from "./commands/explain.ts"
import { list } from "./commands/list.ts"
import { reclaim } from "./commands/reclaim.ts"
import { run } from "./commands/run.ts"
import { sweep } from "./commands/sweep.ts"
import { write } from "./commands/write.ts"
import { ExitCode, Quit } from "./ExitCode.ts"
import * as Failure from "./Failure.ts"
import * as Output from "./Output.ts"
import * as Text from "./Text.ts"
import { version } from "./Version.ts"

const command = Command.make("vm-sentinel").pipe(
  Command.withDescription(
    "Tells VM directories whose owner lives from those whose owner is provably gone, whoever has its PID now"
  ),
  Command.withSubcommands([sweep, list, explain, write, run, reclaim, doctor, demo])
)

/** Without `--` the options of CMD are taken for options of `run`. */
const missingDashes = ({ commandPath }: CliOutput.Presenter.InvalidInvocation) =>
  Stdio.Stdio.use(({ args }) =>
    Effect.map(args, (args) =>
      commandPath.at(-1) === "run" && !args.includes("--")
        ? "\n  CMD and its options stand after --, as in: vm-sentinel run DIR -- CMD --its-option"
        : ""
    )
  )

/** Requested help is data, for stdout. Help after an invalid command line is for stderr. */
const presenter = Layer.effect(
  CliOutput.Presenter,
  Effect.map(Effect.context<Output.Output>(), (output) => ({
    present: Effect.fnUntraced(function* (event: CliOutput.Presenter.Event) {
      const requested = event._tag === "Version" || (event._tag === "Help" && event.reason === "Requested")
      const colors = yield* Output.hasColors(requested ? "stdout" : "stderr")
      const formatter = CliOutput.defaultFormatter({ colors, globalFlags: "summary" })
      const width = yield* Output.columns
      const say = (text: string) =>
        requested ? Effect.ignore(Output.write(`${Text.wrap(text, width)}\n`)) : Output.note(`${text}\n`)
      switch (event._tag) {
        case "Version":
          return yield* say(formatter.formatVersion(event.name, event.version))
        case "Help":
          return yield* say(formatter.formatHelpDoc(event.helpDoc))
        case "InvalidInvocation":
          return yield* say(
            `${formatter.formatHelpDoc(event.helpDoc)}\n${formatter.formatErrors(event.errors)}${yield* missingDashes(event)}`
          )
      }
    }, Effect.provideContext(output))
  }))
)

/** Services for parsing the command line, which reads no file and starts no process. */
const environment = Layer.mergeAll(
  FileSystem.layerNoop({}),
  Path.layer,
  Layer.succeed(
    ChildProcessSpawner,
    makeSpawner(() => Effect.die("the command line is parsed without it"))
  )
)

const settings = Layer.mergeAll(
  CliConfig.layer({
    builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions, GlobalFlag.LogLevel]
  }),
  Layer.succeed(References.MinimumLogLevel, "Warn"),
  Layer.succeed(Logger.LogToStderr, true),
  // A line of a log holds names that others gave.
  Logger.layer([
    Logger.make((options) => globalThis.console.error(Text.escapeActive(Logger.formatLogFmt.log(options))))
  ])
)

/**
 * Runs the command line of `Stdio`. Fails with {@link Quit} for every exit code but 0. All messages are printed before
 * it fails.
 *
 * @category running
 * @since 0.1.0
 */
export const main: Effect.Effect<void, Quit, Output.Output> = Command.run(command, { version }).pipe(
  Effect.catch((error) =>
    Effect.gen(function* () {
      if (error._tag === "Quit") return yield* error
      if (CliError.isCliError(error)) return yield* Failure.usage(error)
      if (error._tag === "OutputError" && error.errno === "EPIPE") return yield* new Quit({ code: ExitCode.closed })
      return yield* Failure.end(error, ExitCode.failed)
    })
  ),
  Effect.tapCause((cause) => (Cause.hasDies(cause) ? Failure.defect(Cause.pretty(cause)) : Effect.void)),
  Effect.provide([presenter, environment, settings])
)
