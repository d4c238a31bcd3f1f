/**
 * Renders help that fits a terminal. Pure.
 *
 * @since 0.1.0
 */
import type * as CliOutput from "effect/cli/CliOutput"
import type { FlagDoc, HelpDoc } from "effect/cli/HelpDoc"
import * as Option from "effect/Option"
import * as Text from "./Text.ts"

/** Columns if there is no terminal, because help is read through a pager, too. */
const defaultWidth = 80
/** Maximum columns. Longer lines are hard to read. */
const mostWidth = 100

const indent = "  "

/** Maximum columns of a value's name beside the flag. */
const mostOfValue = 24

/** Shows the choices of a flag once, in the name of the value or, if that would be too wide, in the description. */
const withChoicesOnce = (flag: FlagDoc): FlagDoc =>
  flag.type.length > mostOfValue
    ? { ...flag, type: flag.name.replace(/^.*-/, "").toUpperCase() }
    : { ...flag, description: Option.map(flag.description, (text) => text.replace(/ \(choices: [^()]*\)$/, "")) }

/** Shows no value of a boolean flag, which hardly anybody writes. */
const shownFlag = (flag: FlagDoc): FlagDoc =>
  flag.type === "[=boolean]" ? { ...flag, type: "boolean" } : withChoicesOnce(flag)

/** Adds an empty line between subcommands and examples, which the formatter leaves out. */
const spaced = (text: string): string => text.replace(/(?<=[^\n])\n(?=\S*EXAMPLES)/, "\n\n")

const fit = (doc: HelpDoc, width: number): HelpDoc => ({
  ...doc,
  description: Text.fill(indent, indent, doc.description, width).join("\n").trimStart(),
  flags: doc.flags.map(shownFlag),
  ...(doc.globalFlags === undefined ? {} : { globalFlags: doc.globalFlags.map(shownFlag) })
})

/**
 * The help of a command, in at most 100 columns. `columns`: those of the terminal, `undefined` if unknown.
 *
 * @category rendering
 * @since 0.1.0
 */
export const render = (doc: HelpDoc, { formatHelpDoc }: CliOutput.Formatter, columns: number | undefined): string => {
  const width = Math.min(columns ?? defaultWidth, mostWidth)
  return Text.wrap(spaced(formatHelpDoc(fit(doc, width))), width)
}
