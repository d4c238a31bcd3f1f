/**
 * Whether a command line asks for JSON lines. Reads the words itself, because errors are told also of command lines that
 * the parser refuses.
 */
import type * as Command from "effect/cli/Command"
import * as Completions from "effect/cli/Completions"
import type * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stdio from "effect/Stdio"
import { flagsOf } from "./Completions.ts"
import * as settings from "./settings.ts"

/** The commands and flags that a command line is made of. */
export interface Definitions {
  readonly subcommands: ReadonlyArray<Command.Command.Any>
  /** Flags that every subcommand takes. */
  readonly globals: ReadonlyArray<Flag.Flag<unknown>>
}

const yes = /^(true|1|y|yes|on)$/

/** The value of the last `--json` of a command line. */
const flagOf = (args: ReadonlyArray<string>): boolean | undefined => {
  const end = args.indexOf("--")
  const flags = end === -1 ? args : args.slice(0, end)
  const flag = flags.findLast((arg) => arg === "--json" || arg.startsWith("--json="))
  return flag === undefined ? undefined : flag === "--json" || yes.test(flag.slice("--json=".length))
}

/** The name of the command: the first word that is neither a flag nor the value of a global flag. */
const nameOf = (args: ReadonlyArray<string>, globals: Definitions["globals"]): string | undefined => {
  const taking = flagsOf(globals).filter(({ optionalValue, type }) => type._tag !== "Boolean" && optionalValue !== true)
  const before = new Set(taking.map(({ name }) => `--${name}`))
  return args.find((arg, index) => !arg.startsWith("-") && !before.has(args[index - 1] ?? ""))
}

/** Whether the command takes `--json`. `true` for a command that doesn't exist. */
const takesJson = (name: string | undefined, { subcommands }: Definitions): boolean => {
  const command = subcommands.find((command) => command.name === name)
  return command === undefined || Completions.fromCommand(command).flags.some(({ name }) => name === "json")
}

/**
 * Whether the command line of `Stdio` asks for JSON lines, by `--json` or by its variable. `false` if the variable is
 * invalid, or if the command takes no `--json`.
 */
export const isWanted: (definitions: Definitions) => Effect.Effect<boolean, never, Stdio.Stdio> = Effect.fnUntraced(
  function* (definitions) {
    const args = yield* Stdio.Stdio.use((stdio) => stdio.args)
    const flag = flagOf(args)
    if (flag !== undefined) return flag
    if (!takesJson(nameOf(args, definitions.globals), definitions)) return false
    const value = yield* Effect.orElseSucceed(settings.booleanValue("json"), () => Option.none())
    return Option.getOrElse(value, () => false)
  }
)
