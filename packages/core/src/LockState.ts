/**
 * What a probe of a directory's lock can answer.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * State of a directory's `flock(2)`. `shared`: a process holds the lock in shared mode, as owners do. `exclusive`: a
 * process holds the lock exclusively, as a remover does, and briefly an owner that takes the lock, and a probe.
 * `unknown`: no probe is possible, or the probe failed.
 *
 * @category schemas
 * @since 0.1.0
 */
export const LockState = Schema.Literals(["free", "shared", "exclusive", "unknown"])
export type LockState = typeof LockState.Type
