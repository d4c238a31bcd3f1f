/**
 * The exit codes that scripts rely on.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Runtime from "effect/Runtime"

/**
 * The exit codes. `done`: success. `failed`: the root couldn't be swept, or the command couldn't do its work. `usage`:
 * invalid command line. `undecided`: with `--strict`, a directory was unknown or failed. `kept`: `reclaim` kept the
 * directory. `interrupted`: SIGINT or SIGTERM. `closed`: stdout was closed before all was written; a shell reports the same code for a command that SIGPIPE
 * ended.
 *
 * @category constants
 * @since 0.1.0
 */
export const ExitCode = { done: 0, failed: 1, usage: 2, undecided: 3, kept: 4, interrupted: 130, closed: 141 } as const

/**
 * Ends the command with an exit code. All messages are already printed.
 *
 * @category errors
 * @since 0.1.0
 */
export class Quit extends Data.TaggedError("Quit")<{ readonly code: number }> {
  override readonly [Runtime.errorExitCode] = this.code
}
