/**
 * The data that a judgement compared, with both values of each.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Comparison } from "./ProcessIdentity.ts"
import type { AliveReason, DeadReason, UnknownReason } from "./Reason.ts"

/**
 * One datum that was compared, and both values of it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Compared = Schema.Struct({
  recorded: Schema.optionalKey(Schema.String),
  observed: Schema.optionalKey(Schema.String),
  result: Comparison
})
export type Compared = typeof Compared.Type

/**
 * Data that can be compared.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Datum = Schema.Literals([
  "lock",
  "lockHolder",
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
  "below"
])
export type Datum = typeof Datum.Type

/**
 * All that was compared, in the order in which it was.
 *
 * @category models
 * @since 0.1.0
 */
export type Evidence = { readonly [K in Datum]?: Compared }

/**
 * The judgement of one owner. Only `dead` can lead to a delete.
 *
 * @category models
 * @since 0.1.0
 */
export type Verdict =
  | { readonly verdict: "alive"; readonly reason: AliveReason; readonly evidence: Evidence }
  | { readonly verdict: "dead"; readonly reason: DeadReason; readonly evidence: Evidence }
  | { readonly verdict: "unknown"; readonly reason: UnknownReason; readonly evidence: Evidence }
