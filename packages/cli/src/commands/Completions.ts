/**
 * Scripts that complete the command line in a shell. Pure.
 *
 * @since 0.1.0
 */
import * as Command from "effect/cli/Command"
import * as Completions from "effect/cli/Completions"
import type * as Flag from "effect/cli/Flag"
import { identity } from "effect/Function"

/**
 * The shells that have a script.
 *
 * @category constants
 * @since 0.1.0
 */
export const shells = ["bash", "zsh", "fish"] as const

/**
 * Arguments that name a directory. The parser takes them as strings, because it must not resolve an empty path, which
 * the command refuses.
 */
const directories: ReadonlySet<string> = new Set(["ROOT", "DIR"])

const withDirectories = (argument: Completions.ArgumentDescriptor): Completions.ArgumentDescriptor =>
  directories.has(argument.name) ? { ...argument, type: { _tag: "Path", pathType: "directory" } } : argument

/**
 * Adds the global flags to a command and its subcommands. Marks the arguments that the shell completes as directories.
 */
const completed = (
  descriptor: Completions.CommandDescriptor,
  globals: ReadonlyArray<Completions.FlagDescriptor>
): Completions.CommandDescriptor => ({
  ...descriptor,
  flags: [...descriptor.flags, ...globals],
  arguments: descriptor.arguments.map(withDirectories),
  subcommands: descriptor.subcommands.map((subcommand) => completed(subcommand, globals))
})

const withoutNegation = (flag: Completions.FlagDescriptor): Completions.FlagDescriptor => ({ ...flag, negation: false })

/** The generated script of fish completes files even if the argument is a directory. */
const directoriesOfFish = (script: string): string =>
  script.replaceAll(" -r -F", " -x -a '(__fish_complete_directories)'")

/** The generated script of bash puts a space after a directory. A slash lets the user go on into the directory. */
const directoriesOfBash = (script: string): string =>
  script.replace(
    `    COMPREPLY[_i]="$_typed\${COMPREPLY[_i]}"\n`,
    `    COMPREPLY[_i]="$_typed\${COMPREPLY[_i]}/"\n    compopt -o nospace 2>/dev/null\n`
  )

/**
 * Describes flags that every subcommand takes.
 *
 * @category getters
 * @since 0.1.0
 */
export const flagsOf = (globals: ReadonlyArray<Flag.Flag<unknown>>): ReadonlyArray<Completions.FlagDescriptor> => {
  const named = Object.fromEntries(globals.map((flag, index) => [`${index}`, flag]))
  return Completions.fromCommand(Command.make("globals", named)).flags
}

/**
 * The script that completes a command in a shell. `globals`: flags that every subcommand takes.
 *
 * @category rendering
 * @since 0.1.0
 */
export const script = (
  shell: (typeof shells)[number],
  command: Command.Command.Any,
  globals: ReadonlyArray<Flag.Flag<unknown>>
): string => {
  const flags = flagsOf(globals).map(withoutNegation)
  const text = Completions.generate(command.name, shell, completed(Completions.fromCommand(command), flags))
  return `${{ bash: directoriesOfBash, zsh: identity, fish: directoriesOfFish }[shell](text)}\n`
}
