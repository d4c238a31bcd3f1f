/**
 * The exit codes that scripts rely on.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Runtime from "effect/Runtime"

/**
 * `failed`: the root couldn't be swept, or what was asked for couldn't be done. `undecided`: with `--strict`, something
 * was unknown or failed. `interrupted`: SIGINT or SIGTERM. `closed`: stdout was closed before all was written, as a
 * shell shows a command that SIGPIPE ended.
 *
 * @category constants
 * @since 0.1.0
 */
export const ExitCode = { done: 0, failed: 1, usage: 2, undecided: 3, interrupted: 130, closed: 141 } as const

/**
 * Ends the command with an exit code. All that is to be said has been said.
 *
 * @category errors
 * @since 0.1.0
 */
export class Quit extends Data.TaggedError("Quit")<{ readonly code: number }> {
  override readonly [Runtime.errorExitCode] = this.code
}
