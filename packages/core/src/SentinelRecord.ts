/**
 * The third line of a v3 sentinel.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { RecordedDirectory } from "./DirectoryFrame.ts"
import { identityFields } from "./ProcessIdentity.ts"

/**
 * Role of an owner of a directory. Each role has its own sentinel file. A directory is dead only if its owners of all
 * roles are dead.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Role = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{1,32}$/))

/**
 * How the owner holds the ownership lock, the `flock(2)` of the directory.
 *
 * - `tested`: a second open of the directory was refused the lock. The lock works on that file system.
 * - `holder`: `self`, the recorded process took the lock. `inherited`, the recorded process was started with the
 *   descriptor, and may have closed it.
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
 * The third line of a v3 sentinel, without the PID that the line repeats.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RecordV3 = Schema.Struct({
  v: Schema.Literal(3),
  /** Random for each acquisition, so two acquisitions by one process are two owners. */
  nonce: Schema.String.check(Schema.isPattern(/^[A-Za-z0-9-]{8,64}$/)),
  ...identityFields,
  role: Role,
  lock: Schema.optionalKey(LockRecord),
  /** The directory in which the record was made. */
  directory: Schema.optionalKey(RecordedDirectory),
  /** Time of the acquisition, ISO 8601, for people. No judgement depends on `createdAt`. */
  createdAt: Schema.String
})
export type RecordV3 = typeof RecordV3.Type
