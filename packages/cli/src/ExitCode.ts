/**
 * The exit codes that scripts rely on.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Runtime from "effect/Runtime"

/**
 * The exit codes. `run` also ends with 126, 127, the code of its command, or 128 plus the number of a signal. `done`:
 * success. `failed`: a root couldn't be swept, or the command couldn't do its work. `usage`: invalid command line.
 * `undecided`: with `--strict`, a directory was unknown or failed, or a `--skip` matched nothing, or for `doctor` the
 * end of an owner can't be proved. `kept`: `reclaim` kept the directory. `limited`: a sweep would have removed more
 * than `--max-removals`, and removed nothing. `declined`: the operator said no, and nothing was removed. `interrupted`:
 * SIGINT or SIGTERM. `closed`: stdout was closed before all was written. A shell reports the same code for a command
 * that SIGPIPE ended.
 *
 * @category constants
 * @since 0.1.0
 */
export const ExitCode = {
  done: 0,
  failed: 1,
  usage: 2,
  undecided: 3,
  kept: 4,
  limited: 5,
  declined: 6,
  interrupted: 130,
  closed: 141
} as const

/** The codes that a sweep combines, the worst last. */
const byWorth: ReadonlyArray<number> = [
  ExitCode.done,
  ExitCode.undecided,
  ExitCode.declined,
  ExitCode.limited,
  ExitCode.failed
]

/**
 * The worst of a sweep's codes: those of its roots, and that of a refusal.
 *
 * @category combining
 * @since 0.1.0
 */
export const worst = (codes: ReadonlyArray<number>): number =>
  byWorth.findLast((code) => codes.includes(code)) ?? ExitCode.done

/**
 * Ends the command with an exit code. All messages are already printed.
 *
 * @category errors
 * @since 0.1.0
 */
export class Quit extends Data.TaggedError("Quit")<{ readonly code: number }> {
  override readonly [Runtime.errorExitCode] = this.code
}
