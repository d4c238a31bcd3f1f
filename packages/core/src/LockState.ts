/**
 * What a probe of a directory's ownership lock says.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * State of the `flock(2)` of a directory. `shared`: owners hold it. `exclusive`: a remover, or a foreign program.
 * `unknown`: it can't be asked.
 *
 * @category schemas
 * @since 0.1.0
 */
export const LockState = Schema.Literals(["free", "shared", "exclusive", "unknown"])
export type LockState = typeof LockState.Type
