/**
 * Renders an explanation as tables for a person. Pure.
 *
 * @since 0.1.0
 */
import type { Comparison } from "@vm-sentinel/core/ProcessIdentity"
import type * as DateTime from "effect/DateTime"
import * as ErrorText from "./ErrorText.ts"
import type { Explanation, SentinelExplanation } from "../explain/Explanation.ts"
import * as NextStep from "./NextStep.ts"
import * as Table from "./Table.ts"
import * as Text from "./Text.ts"
import { verdictStyles } from "./VerdictStyle.ts"

/**
 * Options of {@link render}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The time at which ages are computed. */
  readonly now: DateTime.DateTime
  readonly colors: boolean
  /**
   * Columns of the terminal, which the tables fit if they can. `undefined`: unknown, and the tables fit 80.
   */
  readonly width?: number | undefined
}

const columns: ReadonlyArray<Table.Column> = [
  { header: "" },
  { header: "DATUM" },
  { header: "RECORDED" },
  { header: "OBSERVED" },
  { header: "RESULT" }
]

const indent = "  "
/** Columns of the indent, of the arrow, and of the gaps between the columns. */
const fixedWidth = indent.length + 1 + 4 * 2
const narrowestValue = 12
const defaultWidth = 80
/** Maximum lines of one item of a value. */
const mostLines = 8

const resultStyles: Record<Comparison, Table.Style> = {
  equal: "green",
  different: "red",
  unknown: "yellow",
  "not-applicable": "plain"
}

/**
 * A list that is wider than `columns` has one item on each line, so that the items of both sides stand side by side.
 */
const itemsOf = (text: string, columns: number): ReadonlyArray<string> =>
  Text.width(text) <= columns ? [text] : text.split(/(?<=[,;]) /)

/** Columns of each of the two values, which share `columns`. The value that needs less leaves the rest to the other. */
const share = (before: number, now: number, columns: number): readonly [number, number] => {
  const half = Math.floor(columns / 2)
  if (before <= half) return [before, Math.max(narrowestValue, columns - before)]
  return now <= half ? [Math.max(narrowestValue, columns - now), now] : [half, half]
}

const widest = (texts: ReadonlyArray<string>, least: number) => Math.max(least, ...texts.map(Text.width))

const widths = (evidence: Explanation["evidence"], { width = defaultWidth }: Options): readonly [number, number] => {
  const values = Object.values(evidence)
  const names =
    widest(Object.keys(evidence), 5) +
    widest(
      values.map(({ result }) => result),
      6
    )
  const columns = Math.max(2 * narrowestValue, width - fixedWidth - names)
  const need = (side: "recorded" | "observed") =>
    widest(
      values.flatMap((value) => itemsOf(Text.escape(value[side] ?? ""), columns)),
      "RECORDED".length
    )
  return share(need("recorded"), need("observed"), columns)
}

/**
 * Makes the lines of a value. An item of an equal value gets one line. An item of any other value gets the columns of 8
 * lines, because the difference may be in any part of it. An item that is still too long loses its middle.
 */
const value = (text: string | undefined, columns: number, isEqual: boolean): ReadonlyArray<Table.Cell> => {
  if (text === undefined) return [{ text: "-", style: "dim" }]
  return itemsOf(Text.escape(text), columns).flatMap((item) =>
    (isEqual ? [Text.shorten(item, columns)] : Text.pieces(Text.shorten(item, mostLines * columns), columns)).map(
      (line) => ({ text: line })
    )
  )
}

const nothing: Table.Cell = { text: "" }

const rowsOf = (evidence: Explanation["evidence"], decidedBy: string | undefined, options: Options) => {
  const [left, right] = widths(evidence, options)
  return Object.entries(evidence).flatMap(([datum, { observed, recorded, result }]) => {
    const isEqual = result === "equal"
    const [before, now] = [value(recorded, left, isEqual), value(observed, right, isEqual)]
    return Array.from({ length: Math.max(before.length, now.length) }, (_, line): ReadonlyArray<Table.Cell> => {
      const sides = [before[line] ?? nothing, now[line] ?? nothing]
      if (line > 0) return [nothing, nothing, ...sides]
      const outcome: Table.Cell = { text: result, style: resultStyles[result] }
      return [{ text: datum === decidedBy ? "→" : "" }, { text: datum }, ...sides, outcome]
    })
  })
}

const table = (evidence: Explanation["evidence"], decidedBy: string | undefined, options: Options): string => {
  const rows = rowsOf(evidence, decidedBy, options)
  return rows.length === 0 ? "" : Table.render(columns, rows, { colors: options.colors, indent })
}

const side = (recorded: string | undefined, observed: string | undefined): string => {
  if (recorded === undefined) return observed === undefined ? "neither recorded nor observed" : "not recorded"
  return observed === undefined ? "not observed" : "can't be compared"
}

/** The recorded PID, and the name of the process that has it now. */
const processOf = (pid: number, { command, verdict }: SentinelExplanation): string => {
  if (command === undefined) return `process ${pid}`
  return `process ${pid} (${verdict === "alive" ? "" : "now "}${Text.escape(command)})`
}

const sentinel = (part: SentinelExplanation, isDecisive: boolean, options: Options): string => {
  const { colors, now } = options
  const facts = [
    ...(part.format === undefined ? [] : [part.format]),
    ...(part.role === undefined ? [] : [part.role]),
    ...(part.pid === undefined ? [] : [processOf(part.pid, part)]),
    `${Text.size(part.size)}`,
    ...(part.since === undefined ? [] : [`written ${Text.ago(part.since, now)} ago`])
  ]
  const verdict = Table.paint(`${part.verdict}, ${part.reason}`, verdictStyles[part.verdict], colors)
  const name = Table.paint(Text.escape(part.entry), "bold", colors)
  const head = `${name}: ${verdict}${isDecisive ? ", which decides" : ""}\n  ${facts.join(", ")}\n`
  if (part.error !== undefined) return `${head}  ${ErrorText.detail(part.error)}\n`
  const gone = part.notAvailable.map((datum) => {
    const { observed, recorded } = part.evidence[datum] ?? {}
    return `${datum} (${side(recorded, observed)})`
  })
  const note = gone.length === 0 ? "" : `  Not available: ${gone.join(", ")}\n`
  return `${head}${table(part.evidence, part.decidedBy, options)}${note}`
}

const conclusion = ({ distrust, reason, sentinels, verdict }: Explanation): string => {
  switch (verdict) {
    case "alive":
      return "It is kept: an owner lives.\n"
    case "dead":
      if (reason === "owner-inside") return "It is kept: its own owners are gone, but one below it may live.\n"
      if (reason === "mount-inside") return "It is kept: its owners are gone, but a file system is mounted in it.\n"
      return "A sweep removes it: every owner is provably gone.\n"
    case "none":
      return distrust === undefined
        ? "It is kept: without a sentinel it isn't ours.\n"
        : `It is kept: no sentinel was found, and nothing in it would be trusted: it is ${distrust}.\n`
    case "unknown":
      return `It is kept: ${reason === "other-owner" && sentinels.length === 0 ? "somebody else's sentinel lies in it" : "whether an owner lives can't be known"}.\n`
  }
}

/** Where a moved directory lies now, and why a sweep moved it. */
const place = ({ asked, path, stage }: Explanation): string => {
  if (asked === undefined) return ""
  const why =
    stage === "marked"
      ? "A sweep proved its owners gone and began to remove it. A sweep that runs goes on, otherwise the next one does, and says what stands in its way."
      : "A sweep took it to judge it again. A sweep that runs goes on, otherwise the next one judges it and removes it or puts it back."
  return `  It lies in ${Text.escape(path)} now.\n  ${why}\n`
}

/**
 * The text that `explain` prints without `--json`.
 *
 * @category rendering
 * @since 0.1.0
 */
export const render = (explanation: Explanation, options: Options): string => {
  const { decidedBy, decisive, evidence, foreign, path, reason, sentinels, verdict } = explanation
  const asked = explanation.asked ?? path
  const judged = Table.paint(
    `${verdict === "none" ? "not judged" : verdict}, ${reason}`,
    verdictStyles[verdict],
    options.colors
  )
  const parts = sentinels.map((part) => `\n${sentinel(part, part.entry === decisive, options)}`)
  const own = table(evidence, decidedBy, options)
  const itself = own === "" ? "" : `\nThe directory itself:\n${own}`
  const others = foreign.length === 0 ? "" : `\nNot read, of other owners: ${foreign.map(Text.escape).join(", ")}\n`
  const step = NextStep.of(reason)
  const next = step === undefined ? "" : `Next step: ${step}\n`
  const text = `${Text.escape(asked)}: ${judged}\n${place(explanation)}${parts.join("")}${itself}${others}\n${conclusion(explanation)}${next}`
  return Text.wrap(text, options.width)
}
