/**
 * A root at a glance: a row for each directory, and one line for all. Pure.
 *
 * @since 0.1.0
 */
import type { Outcome, Summary } from "@vm-sentinel/core/Outcome"
import type * as DateTime from "effect/DateTime"
import * as Table from "./Table.ts"
import * as Text from "./Text.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The time that ages are counted to. */
  readonly now: DateTime.DateTime
  readonly colors: boolean
  /** Names are shortened so that the table fits. Without: whole. */
  readonly width?: number | undefined
}

const verdictStyles: Record<Outcome["verdict"], Table.Style> = {
  alive: "green",
  dead: "red",
  unknown: "yellow",
  none: "dim"
}

const actionStyles: Record<Outcome["action"], Table.Style> = {
  removed: "bold",
  "would-remove": "bold",
  kept: "plain",
  failed: "red"
}

/**
 * The name of a directory as a person can read it.
 *
 * @category rendering
 * @since 0.1.0
 */
export const displayName = ({ name, nameBytes }: Outcome): string =>
  nameBytes === undefined ? Text.escape(name) : Text.escapeBytes(Buffer.from(nameBytes, "base64"))

/**
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

const narrowestName = 12

/** Where an owner was found below the first level; or, when the deletion had begun, what of it was left to owners there. */
const ownerInside = ({ evidence: { below }, path, reason }: Outcome): ReadonlyArray<string> => {
  if (reason !== "owner-inside" || below === undefined) return []
  const { observed, recorded = "below" } = below
  return [
    observed === undefined
      ? `${path}: left to an owner inside: ${recorded}`
      : `${path}: an owner inside, ${recorded}: ${observed}`
  ]
}

/** What a row of single directories has no room for, a line each. */
const details = (outcomes: ReadonlyArray<Outcome>): string =>
  outcomes
    .flatMap((outcome) => (outcome.error === undefined ? ownerInside(outcome) : [outcome.error.message]))
    .map((detail) => `\n  ${Text.escape(detail)}`)
    .join("")

/** What the operator vouched for, in words. */
const vouched = ({ assumeMoved, lock, shared }: Summary): string => {
  const words = [
    ...(lock === "inherited" ? ["commands keep the lock that they were started with"] : []),
    ...(shared === "trust" ? ["no other kernel has this one's ids"] : []),
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
  const { bytesFreed, bytesKept, dryRun, failed, interrupted, kept, removed, scanned, unknown, unlocked } = summary
  const also = (bytes: number | undefined, some: number | undefined, what: string) => {
    const facts = [...(bytes === undefined ? [] : [Text.size(bytes)]), ...(some ? [`${some} ${what}`] : [])]
    return facts.length === 0 ? "" : ` (${facts.join(", ")})`
  }
  const parts = [
    `${removed} ${dryRun ? "would be removed" : "removed"}${also(bytesFreed, unlocked, "unlocked")}`,
    `${kept} kept${also(bytesKept, unknown, "unknown")}`,
    ...(failed === 0 ? [] : [`${failed} failed`])
  ]
  const end = interrupted === true ? "; interrupted" : ""
  return `${scanned} scanned: ${parts.join(", ")}${vouched(summary)}${end}\n`
}

/**
 * The whole picture.
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
  return `${table}${more === "" ? "" : `${more}\n`}\n${summaryLine(summary)}`
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
  const room = Math.max(narrowestName, width - rest - 2)
  return rows.map(([name, ...cells]) =>
    name === undefined ? cells : [{ ...name, text: Text.shorten(name.text, room) }, ...cells]
  )
}
