/**
 * Renders the outcomes of a root: a row for each directory, and a summary line. Pure.
 *
 * @since 0.1.0
 */
import type { Outcome, Summary } from "@vm-sentinel/core/Outcome"
import type * as DateTime from "effect/DateTime"
import * as ErrorText from "./ErrorText.ts"
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
  /** Columns of the terminal. Names are shortened so that the table fits. `undefined`: names stay whole. */
  readonly width?: number | undefined
  /** Number of directories without a row. The text mentions it unless it is 0, the default. */
  readonly left?: number
}

const actionStyles: Record<Outcome["action"], Table.Style> = {
  removed: "bold",
  "would-remove": "bold",
  kept: "plain",
  failed: "red"
}

/**
 * The name of a directory for a person. Characters that a terminal would act on or not show are escaped.
 *
 * @category rendering
 * @since 0.1.0
 */
export const displayName = ({ name, nameBytes }: Outcome): string =>
  nameBytes === undefined ? Text.escape(name) : Text.escapeBytes(Buffer.from(nameBytes, "base64"))

/**
 * The columns of the table, without the size.
 *
 * @category rendering
 * @since 0.1.0
 */
export const columns: ReadonlyArray<Table.Column> = [
  { header: "NAME" },
  { header: "VERDICT" },
  { header: "REASON" },
  { header: "PID", align: "right" },
  { header: "AGE", align: "right" },
  { header: "ACTION" }
]

/**
 * The cells of one directory, in the order of {@link columns}.
 *
 * @category rendering
 * @since 0.1.0
 */
export const row = (outcome: Outcome, now: DateTime.DateTime): ReadonlyArray<Table.Cell> => {
  const { action, pid, reason, since, verdict } = outcome
  return [
    { text: displayName(outcome) },
    { text: verdict === "none" ? "-" : verdict, style: verdictStyles[verdict] },
    { text: reason },
    { text: pid === undefined ? "" : `${pid}` },
    { text: since === undefined ? "" : Text.ago(since, now) },
    { text: action, style: actionStyles[action] }
  ]
}

/** With this width, a row with a size, the widest verdict and reason, and a PID of ten digits fits in 80 columns. */
const narrowestName = 8

/** Maximum rows of a preview. With them the preview and the question fit on a small terminal. */
const mostPreviewed = 12

/** The owner that was found below the first level, or, after a deletion had begun, the inner directories that stay. */
const ownerInside = ({ evidence: { below }, path, reason }: Outcome): ReadonlyArray<string> => {
  if (reason !== "owner-inside" || below === undefined) return []
  const { observed, recorded = "below" } = below
  return [
    observed === undefined
      ? `${path}: left to an owner inside: ${recorded}`
      : `${path}: an owner inside, ${recorded}: ${observed}`
  ]
}

/** The processes that hold the lock, in words. Empty unless the evidence names them. */
const lockHolder = ({ evidence: { holder }, path }: Outcome): ReadonlyArray<string> =>
  holder?.observed === undefined ? [] : [`${path}: its lock is held by ${holder.observed}`]

/** Errors, inner owners and holders of locks, one on each line. A row has no room for them. */
const details = (outcomes: ReadonlyArray<Outcome>): string =>
  outcomes
    .flatMap((outcome) =>
      outcome.error === undefined
        ? [...ownerInside(outcome), ...lockHolder(outcome)].map(Text.escape)
        : [ErrorText.detail(outcome.error)]
    )
    .map((detail) => `\n  ${detail}`)
    .join("")

/** The operator's assertions in words. */
const assertionsIn = ({ assumeMoved, lock, shared }: Summary): string => {
  const words = [
    ...(lock === "inherited" ? ["commands keep the lock that they were started with"] : []),
    ...(shared === "trust" ? ["no other kernel has its machine id and host name"] : []),
    ...(assumeMoved === undefined ? [] : [`directories were moved (${Text.escape(assumeMoved)})`])
  ]
  return words.length === 0 ? "" : `; on your word ${words.join(", ")}`
}

/**
 * The counts of a sweep as a sentence.
 *
 * @category rendering
 * @since 0.1.0
 */
export const summaryLine = (summary: Summary): string => {
  const { bytesFreed, bytesKept, dryRun, failed, interrupted, kept, refused, removed, scanned, unknown, unlocked } =
    summary
  const also = (bytes: number | undefined, some: number | undefined, what: string) => {
    const facts = [...(bytes === undefined ? [] : [Text.size(bytes)]), ...(some ? [`${some} ${what}`] : [])]
    return facts.length === 0 ? "" : ` (${facts.join(", ")})`
  }
  const parts = [
    `${removed} ${dryRun ? "would be removed" : "removed"}${also(bytesFreed, unlocked, "unlocked")}`,
    `${kept} kept${also(bytesKept, unknown, "unknown")}`,
    ...(failed === 0 ? [] : [`${failed} failed`])
  ]
  const ends = [
    ...(refused === undefined ? [] : ["nothing was removed"]),
    ...(interrupted === true ? ["interrupted"] : [])
  ]
  return `${scanned} scanned: ${parts.join(", ")}${assertionsIn(summary)}${ends.map((end) => `; ${end}`).join("")}\n`
}

/**
 * The table of `outcomes`, the details, the next steps and the summary line. Without outcomes the summary line alone.
 *
 * @category rendering
 * @since 0.1.0
 */
export const render = (outcomes: ReadonlyArray<Outcome>, summary: Summary, options: Options): string => {
  const sized = summary.bytesFreed !== undefined
  const headers = sized ? [...columns, { header: "SIZE", align: "right" } as const] : columns
  const cells = outcomes.map((outcome) => [
    ...row(outcome, options.now),
    ...(sized ? [{ text: outcome.bytes === undefined ? "" : Text.size(outcome.bytes) }] : [])
  ])
  if (outcomes.length === 0) return summaryLine(summary)
  const table = Table.render(headers, fit(headers, cells, options.width), options)
  const more = details(outcomes)
  const { left = 0 } = options
  const others = left > 0 ? `${left} more ${left === 1 ? "has" : "have"} no row here: --json tells all\n` : ""
  return `${table}${Text.wrap(`${more === "" ? "" : `${more}\n`}\n${NextStep.overview(outcomes)}${others}${summaryLine(summary)}`, options.width)}`
}

/**
 * The first directories that would be removed as a table, and the number of the others.
 *
 * @category rendering
 * @since 0.1.0
 */
export const preview = (outcomes: ReadonlyArray<Outcome>, total: number, options: Options): string => {
  const rows = outcomes.slice(0, mostPreviewed)
  const cells = rows.map((outcome) => row(outcome, options.now))
  const left = total - rows.length
  return `${Table.render(columns, fit(columns, cells, options.width), options)}${left > 0 ? `and ${left} more\n` : ""}`
}

/**
 * The table of one directory, and what its row has no room for.
 *
 * @category rendering
 * @since 0.1.0
 */
export const single = (outcome: Outcome, options: Options): string => {
  const table = Table.render(columns, fit(columns, [row(outcome, options.now)], options.width), options)
  const more = details([outcome])
  return more === "" ? table : `${table}${Text.wrap(more, options.width)}\n`
}

const fit = (
  headers: ReadonlyArray<Table.Column>,
  rows: ReadonlyArray<ReadonlyArray<Table.Cell>>,
  width: number | undefined
): ReadonlyArray<ReadonlyArray<Table.Cell>> => {
  if (width === undefined) return rows
  const rest = Table.width(
    headers.slice(1),
    rows.map((cells) => cells.slice(1))
  )
  const nameWidth = Math.max(narrowestName, width - rest - 2)
  return rows.map(([name, ...cells]) =>
    name === undefined ? cells : [{ ...name, text: Text.shorten(name.text, nameWidth) }, ...cells]
  )
}
