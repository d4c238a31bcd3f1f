/**
 * What a probe of a directory's lock can answer.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * State of a directory's `flock(2)`. `shared`: owners hold the lock. `exclusive`: a remover or a foreign program holds
 * the lock. `unknown`: the state can't be asked for.
 *
 * @category schemas
 * @since 0.1.0
 */
export const LockState = Schema.Literals(["free", "shared", "exclusive", "unknown"])
export type LockState = typeof LockState.Type
