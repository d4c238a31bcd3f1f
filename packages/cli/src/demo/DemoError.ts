/**
 * The error of the demonstration itself.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * The directories, processes or namespace of the demonstration couldn't be set up.
 *
 * @category errors
 * @since 0.1.0
 */
export class DemoError extends Data.TaggedError("DemoError")<{ readonly problem: string }> {
  override get message(): string {
    return `demo: ${this.problem}`
  }
}
