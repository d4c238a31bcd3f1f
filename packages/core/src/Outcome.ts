/**
 * The lines of `--json`: the outcome of each directory, and the summary of a sweep.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { DirectoryError } from "./Errors.ts"
import { Compared } from "./Evidence.ts"
import { Answer, Reason } from "./Reason.ts"

/**
 * The action on one directory, and its reason.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Outcome = Schema.TaggedStruct("Outcome", {
  name: Schema.String,
  /** The name's bytes in base64, where they aren't UTF-8. */
  nameBytes: Schema.optionalKey(Schema.String),
  path: Schema.String,
  action: Schema.Literals(["removed", "would-remove", "kept", "failed"]),
  verdict: Answer,
  reason: Reason,
  pid: Schema.optionalKey(Schema.Number),
  /** When the deciding sentinel was written, ISO 8601. */
  since: Schema.optionalKey(Schema.String),
  /** Size of the directory, where sizes were asked for. */
  bytes: Schema.optionalKey(Schema.Number),
  /** Removed although no lock could be taken there. */
  unlocked: Schema.optionalKey(Schema.Literal(true)),
  evidence: Schema.Record(Schema.String, Compared),
  error: Schema.optionalKey(DirectoryError)
})
export type Outcome = typeof Outcome.Type

/**
 * The count of a sweep. In a dry run `removed` counts what would be.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Summary = Schema.TaggedStruct("Summary", {
  root: Schema.String,
  dryRun: Schema.Boolean,
  scanned: Schema.Number,
  removed: Schema.Number,
  kept: Schema.Number,
  failed: Schema.Number,
  unknown: Schema.Number,
  bytesFreed: Schema.optionalKey(Schema.Number),
  bytesKept: Schema.optionalKey(Schema.Number),
  /** Removed although no lock could be taken there. */
  unlocked: Schema.optionalKey(Schema.Number),
  /** What the operator said that they know better, where they did. */
  lock: Schema.optionalKey(Schema.Literals(["inherited"])),
  shared: Schema.optionalKey(Schema.Literals(["trust"])),
  assumeMoved: Schema.optionalKey(Schema.String),
  durationMs: Schema.Number,
  interrupted: Schema.optionalKey(Schema.Boolean)
})
export type Summary = typeof Summary.Type

/**
 * @category schemas
 * @since 0.1.0
 */
export const Line = Schema.Union([Outcome, Summary])

/**
 * The summary of nothing yet.
 *
 * @category summarising
 * @since 0.1.0
 */
export const empty = (root: string, dryRun: boolean, sizes: boolean): Summary => ({
  _tag: "Summary",
  root,
  dryRun,
  scanned: 0,
  removed: 0,
  kept: 0,
  failed: 0,
  unknown: 0,
  ...(sizes ? { bytesFreed: 0, bytesKept: 0 } : {}),
  durationMs: 0
})

const add = (total: number | undefined, bytes: number | undefined): number | undefined =>
  total === undefined ? undefined : total + (bytes ?? 0)

/**
 * Counts some more outcomes.
 *
 * @category summarising
 * @since 0.1.0
 */
export const count = (summary: Summary, outcomes: ReadonlyArray<Outcome>): Summary => {
  let { bytesFreed, bytesKept, failed, kept, removed, unknown, unlocked = 0 } = summary
  outcomes.forEach(({ action, bytes, unlocked: isUnlocked = false, verdict }) => {
    if (isUnlocked) unlocked += 1
    const isRemoved = action === "removed" || action === "would-remove"
    if (isRemoved) removed += 1
    else if (action === "kept") kept += 1
    else failed += 1
    if (verdict === "unknown") unknown += 1
    bytesFreed = add(bytesFreed, isRemoved ? bytes : 0)
    bytesKept = add(bytesKept, isRemoved ? 0 : bytes)
  })
  return {
    ...summary,
    scanned: summary.scanned + outcomes.length,
    removed,
    kept,
    failed,
    unknown,
    ...(unlocked === 0 ? {} : { unlocked }),
    ...(bytesFreed === undefined ? {} : { bytesFreed }),
    ...(bytesKept === undefined ? {} : { bytesKept })
  }
}
