/**
 * An explanation as tables for a person. Pure.
 *
 * @since 0.1.0
 */
import type { Explanation, SentinelExplanation } from "./Explanation.ts"
import * as Table from "./Table.ts"
import * as Text from "./Text.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Milliseconds since the epoch, that ages are counted to. */
  readonly now: number
  readonly colors: boolean
}

const columns: ReadonlyArray<Table.Column> = [
  { header: "" },
  { header: "DATUM" },
  { header: "RECORDED" },
  { header: "OBSERVED" },
  { header: "RESULT" }
]

/** Two values of this width, the names of data and results, and the gaps between fit in 100 columns. */
const valueWidth = 30

const resultStyles: Record<string, Table.Style> = { equal: "green", different: "red", unknown: "yellow" }
const verdictStyles: Record<string, Table.Style> = { alive: "green", dead: "red", unknown: "yellow", none: "dim" }

const value = (text: string | undefined): Table.Cell =>
  text === undefined ? { text: "-", style: "dim" } : { text: Text.shorten(Text.escape(text), valueWidth) }

const side = (recorded: string | undefined, observed: string | undefined): string => {
  if (recorded === undefined) return observed === undefined ? "neither recorded nor observed" : "not recorded"
  return observed === undefined ? "not observed" : "can't be compared"
}

const sentinel = (part: SentinelExplanation, isDecisive: boolean, { colors, now }: Options): string => {
  const facts = [
    ...(part.format === undefined ? [] : [part.format]),
    ...(part.role === undefined ? [] : [part.role]),
    ...(part.pid === undefined ? [] : [`process ${part.pid}`]),
    `${Text.size(part.size)}`,
    ...(part.since === undefined ? [] : [`written ${Text.age(now - Date.parse(part.since))} ago`])
  ]
  const verdict = Table.paint(`${part.verdict}, ${part.reason}`, verdictStyles[part.verdict] ?? "plain", colors)
  const name = Table.paint(Text.escape(part.entry), "bold", colors)
  const head = `${name}: ${verdict}${isDecisive ? ", which decides" : ""}\n  ${facts.join(", ")}\n`
  if (part.error !== undefined) return `${head}  ${Text.escape(part.error.message)}\n`
  const evidence = Object.entries(part.evidence)
  const rows = evidence.map(([datum, { observed, recorded, result }]): ReadonlyArray<Table.Cell> => [
    { text: datum === part.decidedBy ? "→" : "" },
    { text: datum },
    value(recorded),
    value(observed),
    { text: result, style: resultStyles[result] ?? "plain" }
  ])
  const gone = part.notAvailable.map((datum) => {
    const { observed, recorded } = part.evidence[datum] ?? {}
    return `${datum} (${side(recorded, observed)})`
  })
  const table = rows.length === 0 ? "" : Table.render(columns, rows, { colors, indent: "  " })
  const note = gone.length === 0 ? "" : `  Not available: ${gone.join(", ")}\n`
  return `${head}${table}${note}`
}

const conclusion = ({ reason, sentinels, verdict }: Explanation): string => {
  switch (verdict) {
    case "alive":
      return "It is kept: an owner lives.\n"
    case "dead":
      return "A sweep removes it: every owner is provably gone.\n"
    case "none":
      return "It is kept: without a sentinel it isn't ours.\n"
    case "unknown":
      return `It is kept: ${reason === "other-owner" && sentinels.length === 0 ? "somebody else's sentinel lies in it" : "whether an owner lives can't be known"}.\n`
  }
}

/**
 * @category rendering
 * @since 0.1.0
 */
export const render = (explanation: Explanation, options: Options): string => {
  const { decisive, foreign, path, reason, sentinels, verdict } = explanation
  const judged = Table.paint(
    `${verdict === "none" ? "not judged" : verdict}, ${reason}`,
    verdictStyles[verdict] ?? "plain",
    options.colors
  )
  const parts = sentinels.map((part) => `\n${sentinel(part, part.entry === decisive, options)}`)
  const others = foreign.length === 0 ? "" : `\nNot read, of other owners: ${foreign.map(Text.escape).join(", ")}\n`
  return `${Text.escape(path)}: ${judged}\n${parts.join("")}${others}\n${conclusion(explanation)}`
}
