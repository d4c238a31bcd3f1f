/**
 * Renders a diagnosis for a person. Pure.
 *
 * @since 0.1.0
 */
import type { Case } from "@vm-sentinel/core/Prospect"
import type * as Finding from "../doctor/Finding.ts"
import * as Table from "./Table.ts"
import * as Text from "./Text.ts"
import { verdictStyles } from "./VerdictStyle.ts"

/**
 * Options of {@link machine} and {@link root}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly colors: boolean
  /** Columns of the terminal. `undefined`: lines stay whole. */
  readonly width?: number | undefined
}

const styles: Record<Finding.Finding["state"], Table.Style> = {
  ok: "green",
  limited: "yellow",
  not: "red",
  untried: "dim"
}

const stateWidth = Math.max(...Object.keys(styles).map((state) => state.length))

const line = ({ advice, state, what, why }: Finding.Finding, { colors, width }: Options): string => {
  const head = `  ${Table.paint(state, styles[state], colors)}${" ".repeat(stateWidth - state.length)}  `
  const text = Text.escape(`${what}: ${why}${advice === undefined ? "" : `; ${advice}`}`)
  return `${Text.wrap(`${head}${text}`, width)}\n`
}

const lines = (findings: ReadonlyArray<Finding.Finding>, options: Options): string =>
  findings.map((finding) => line(finding, options)).join("")

/**
 * The findings about the machine.
 *
 * @category rendering
 * @since 0.1.0
 */
export const machine = ({ findings }: Finding.Machine, options: Options): string =>
  `${Table.paint("This machine", "bold", options.colors)}\n${lines(findings, options)}`

const caseNames: Record<Case, string> = {
  crashed: "ended here",
  "crashed-held": "ended here, held the lock",
  rebooted: "of an earlier boot",
  restarted: "of an ended namespace",
  "restarted-held": "of an ended namespace, held the lock",
  v1: "known by its PID alone"
}

const columns: ReadonlyArray<Table.Column> = [
  { header: "OWNER" },
  { header: "VERDICT" },
  { header: "REASON" },
  { header: "DIRECTORY" }
]

const row = ({ action, case: name, reason, verdict }: Finding.Owner): ReadonlyArray<Table.Cell> => [
  { text: caseNames[name] },
  { text: verdict, style: verdictStyles[verdict] },
  { text: reason },
  { text: action, style: action === "failed" ? "red" : "plain" }
]

const conclusions: Record<Finding.Conclusion, string> = {
  removes: "A sweep removes the directory of an owner that ended here.",
  keeps: "A sweep keeps the directory of an owner that ended here: it can't prove the end.",
  refused: "A sweep removes nothing here."
}

/**
 * The findings about a root, the verdicts on owners that have ended, and the conclusion.
 *
 * @category rendering
 * @since 0.1.0
 */
export const root = (diagnosis: Finding.Root, options: Options): string => {
  const { conclusion, findings, owners, path } = diagnosis
  const name = Table.paint(Text.escape(path), "bold", options.colors)
  const table =
    owners.length === 0 ? "" : `\n${Table.render(columns, owners.map(row), { colors: options.colors, indent: "  " })}`
  return `\n${name}\n${lines(findings, options)}${table}\n${Text.wrap(conclusions[conclusion], options.width)}\n`
}
