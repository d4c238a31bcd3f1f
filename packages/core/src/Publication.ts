/**
 * Options for the publication of a sentinel.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { Condemned } from "./Condemned.ts"
import type { PublishedFile, SentinelFile } from "./DirectoryState.ts"
import type { PublishError } from "./Errors.ts"

/**
 * Options of `SentinelStore.publish`.
 *
 * @category models
 * @since 0.1.0
 */
export interface PublishOptions {
  /** File name of the sentinel. Default `.vm-sentinel`. `.bbox-sentinel` takes only v2 sentinels. */
  readonly entry?: string
  /**
   * The right to replace an existing sentinel: the judgement that condemned its owner, or the file that the writer
   * itself published. Without `replacing`, `publish` fails with `AlreadyOwned` if `entry` exists.
   */
  readonly replacing?: Condemned | SentinelFile
  /**
   * Runs when the new sentinel has appeared, before the replaced ones are unlinked. `replaced`: the names that these
   * have meanwhile. `file`: the new sentinel. A failure takes it back, and the replaced one returns to its name.
   */
  readonly check?: (replaced: ReadonlyArray<string>, file: PublishedFile) => Effect.Effect<void, PublishError>
}
