/**
 * What can go wrong with the demonstration itself.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * The scene couldn't be set.
 *
 * @category errors
 * @since 0.1.0
 */
export class DemoError extends Data.TaggedError("DemoError")<{ readonly problem: string }> {
  override get message(): string {
    return `demo: ${this.problem}`
  }
}
