/**
 * The lines of `--json`: one outcome for each directory, and the summary of a sweep.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { DirectoryError } from "./Errors.ts"
import { Compared } from "./Evidence.ts"
import type { Knowledge } from "./JudgeInputs.ts"
import { Answer, Reason } from "./Reason.ts"

/**
 * The action of a sweep on one directory, and the reason.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Outcome = Schema.TaggedStruct("Outcome", {
  /** Name of the directory in its root. */
  name: Schema.String,
  /** Bytes of the name in base64. Present only if the name isn't UTF-8. */
  nameBytes: Schema.optionalKey(Schema.String),
  path: Schema.String,
  /** `would-remove`: the directory is dead, and this was a dry run, or the option `only` didn't allow its removal. */
  action: Schema.Literals(["removed", "would-remove", "kept", "failed"]),
  verdict: Answer,
  reason: Reason,
  /** PID that the deciding sentinel names. Present only if it is evidence, because the kernel was asked about it. */
  pid: Schema.optionalKey(Schema.Int),
  /** Modification time of the deciding sentinel, ISO 8601. */
  since: Schema.optionalKey(Schema.String),
  /** Bytes that the directory occupied. Present only if the caller asked for sizes. */
  bytes: Schema.optionalKey(Schema.Int),
  /** The deletion ran without a lock that is known to work there. */
  unlocked: Schema.optionalKey(Schema.Literal(true)),
  /** Data that the judgement compared. */
  evidence: Schema.Record(Schema.String, Compared),
  error: Schema.optionalKey(DirectoryError),
  /** The root, as the summary names it. Present in the lines of a command that can sweep several roots. */
  root: Schema.optionalKey(Schema.String)
})
export type Outcome = typeof Outcome.Type

/**
 * A text that identifies a directory within its root. The text has the name (base64 of its bytes if it isn't UTF-8)
 * and, to distinguish a later directory of the same name, the modification time of the deciding sentinel. Without that
 * time the text has the evidence about the directory itself, if there is any.
 *
 * @category getters
 * @since 0.1.0
 */
export const key = ({
  evidence: { directory },
  name,
  nameBytes,
  since = directory?.observed
}: Pick<Outcome, "evidence" | "name" | "nameBytes" | "since">): string => {
  // No name contains a slash, so no name begins like this.
  const named = nameBytes === undefined ? name : `/${nameBytes}`
  return since === undefined ? named : `${since}/${named}`
}

/**
 * The counts of one sweep. In a dry run `removed` and `bytesFreed` count what a sweep would remove. In any other sweep
 * a `would-remove` counts as kept.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Summary = Schema.TaggedStruct("Summary", {
  root: Schema.String,
  dryRun: Schema.Boolean,
  /** Directories with an outcome: `removed`, `kept` and `failed` together. */
  scanned: Schema.Int,
  removed: Schema.Int,
  kept: Schema.Int,
  failed: Schema.Int,
  /** Directories with the verdict `unknown`, whatever the action. */
  unknown: Schema.Int,
  bytesFreed: Schema.optionalKey(Schema.Int),
  bytesKept: Schema.optionalKey(Schema.Int),
  /** Number of directories whose deletion ran without a lock. */
  unlocked: Schema.optionalKey(Schema.Int),
  /**
   * `lock`, `shared` and `assumeMoved`: assertions of the operator, see `JudgeInputs.Knowledge`. Missing if none was
   * made.
   */
  lock: Schema.optionalKey(Schema.Literals(["inherited"])),
  shared: Schema.optionalKey(Schema.Literals(["trust"])),
  assumeMoved: Schema.optionalKey(Schema.String),
  durationMs: Schema.Int,
  interrupted: Schema.optionalKey(Schema.Boolean),
  /**
   * Why a sweep only judged, and removed nothing: more directories would have been removed than the caller allows, the
   * operator said no, or no directory matches a pattern of names to skip.
   */
  refused: Schema.optionalKey(Schema.Literals(["max-removals", "declined", "unmatched-skip"]))
})
export type Summary = typeof Summary.Type

/**
 * One line of `--json`: an {@link Outcome} or a {@link Summary}.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Line = Schema.Union([Outcome, Summary])

/**
 * The options of a sweep that its summary tells.
 *
 * @category models
 * @since 0.1.0
 */
export interface SummaryOptions extends Partial<Pick<Knowledge, "assumeMoved" | "lock" | "shared">> {
  readonly dryRun?: boolean
  /** Whether the summary adds up bytes. */
  readonly sizes?: boolean
}

/**
 * The summary of a sweep before its first outcome. An option at its default asserts nothing, and is left out.
 *
 * @category summarising
 * @since 0.1.0
 */
export const empty = (
  root: string,
  { assumeMoved, dryRun = false, lock, shared, sizes = false }: SummaryOptions = {}
): Summary => ({
  _tag: "Summary",
  root,
  dryRun,
  scanned: 0,
  removed: 0,
  kept: 0,
  failed: 0,
  unknown: 0,
  ...(sizes ? { bytesFreed: 0, bytesKept: 0 } : {}),
  durationMs: 0,
  ...(lock === "inherited" ? { lock } : {}),
  ...(shared === "trust" ? { shared } : {}),
  ...(assumeMoved === undefined ? {} : { assumeMoved })
})

const add = (total: number | undefined, bytes: number | undefined): number | undefined =>
  total === undefined ? undefined : total + (bytes ?? 0)

/**
 * A summary with more outcomes counted in.
 *
 * @category summarising
 * @since 0.1.0
 */
export const count = (summary: Summary, outcomes: ReadonlyArray<Outcome>): Summary => {
  let { bytesFreed, bytesKept, failed, kept, removed, unknown, unlocked = 0 } = summary
  outcomes.forEach(({ action, bytes, unlocked: isUnlocked = false, verdict }) => {
    if (isUnlocked) unlocked += 1
    const isRemoved = action === "removed" || (action === "would-remove" && summary.dryRun)
    if (isRemoved) removed += 1
    else if (action === "failed") failed += 1
    else kept += 1
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
