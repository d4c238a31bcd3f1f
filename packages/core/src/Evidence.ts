/**
 * Evidence of a judgement: each datum that was compared, with the recorded and the observed value.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Comparison } from "./ProcessIdentity.ts"
import type { AliveReason, DeadReason, UnknownReason } from "./Reason.ts"

/**
 * Both values of one compared datum, and the result. A missing value is unknown.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Compared = Schema.Struct({
  /** The value in the record. */
  recorded: Schema.optionalKey(Schema.String),
  /** The value that the reader found. */
  observed: Schema.optionalKey(Schema.String),
  result: Comparison
}).annotate({ identifier: "Compared" })
export type Compared = typeof Compared.Type

/**
 * Names of the data that can be compared.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Datum = Schema.Literals([
  "lock",
  "lockHolder",
  "holder",
  "directory",
  "moved",
  "bootId",
  "machineId",
  "hostname",
  "virtualMachine",
  "pidNamespace",
  "firstProcess",
  "search",
  "process",
  "tgid",
  "state",
  "processId64",
  "timeOffset",
  "startTime",
  "executable",
  "startedAt",
  "bootedAt",
  "fileSystem",
  "legacy",
  "assumption",
  "below",
  "mount"
])
export type Datum = typeof Datum.Type

/**
 * All compared data, in the order of comparison.
 *
 * @category models
 * @since 0.1.0
 */
export type Evidence = { readonly [K in Datum]?: Compared }

/**
 * The judgement of one owner. Only `dead` can lead to a deletion. `decidedBy`: the datum of `evidence` that decided.
 *
 * @category models
 * @since 0.1.0
 */
export type Verdict =
  | {
      readonly verdict: "alive"
      readonly reason: AliveReason
      readonly evidence: Evidence
      readonly decidedBy: Datum
    }
  | {
      readonly verdict: "dead"
      readonly reason: DeadReason
      readonly evidence: Evidence
      readonly decidedBy: Datum
    }
  | {
      readonly verdict: "unknown"
      readonly reason: UnknownReason
      readonly evidence: Evidence
      readonly decidedBy: Datum
    }
