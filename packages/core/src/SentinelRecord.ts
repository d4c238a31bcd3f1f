/**
 * The third line of a v3 sentinel.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { RecordedDirectory } from "./DirectoryFrame.ts"
import { identityFields } from "./ProcessIdentity.ts"

/**
 * What an owner is to its directory. Each role has a file of its own; the directory is dead only when all are.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Role = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{1,32}$/))

/**
 * How the owner holds the ownership lock. `tested`: a second open was seen to be refused. `holder`: `self`, the recorded
 * process itself holds it; `inherited`, it was started with the descriptor, and may have closed it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const LockRecord = Schema.Struct({
  kind: Schema.Literals(["flock"]),
  tested: Schema.Boolean,
  holder: Schema.Literals(["self", "inherited"])
})
export type LockRecord = typeof LockRecord.Type

/**
 * The third line of a v3 record.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RecordV3 = Schema.Struct({
  v: Schema.Literal(3),
  /** Random for each acquisition: one PID that writes the same bytes twice is still two owners. */
  nonce: Schema.String.check(Schema.isPattern(/^[A-Za-z0-9-]{8,64}$/)),
  ...identityFields,
  role: Role,
  lock: Schema.optionalKey(LockRecord),
  /** The directory it was made in. */
  directory: Schema.optionalKey(RecordedDirectory),
  /** ISO 8601, for people only. */
  createdAt: Schema.String
})
export type RecordV3 = typeof RecordV3.Type
