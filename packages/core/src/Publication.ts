/**
 * How a sentinel is published.
 *
 * @since 0.1.0
 */
import type { Condemned } from "./Condemned.ts"
import type { SentinelFile } from "./DirectoryState.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface PublishOptions {
  /** File name, default `.vm-sentinel`. `.bbox-sentinel` takes v2 records alone. */
  readonly entry?: string
  /**
   * The judgement by which the sentinel that lies there may be replaced, or the file that the writer itself published. Without it
   * there must be none.
   */
  readonly replacing?: Condemned | SentinelFile
}
