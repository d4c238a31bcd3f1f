/**
 * Which files of a directory name its owners.
 *
 * @since 0.1.0
 */
import * as SentinelName from "./SentinelName.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Layout {
  /**
   * Base names of the sentinels to read; their `<name>.<role>` files are read too. The first one is the primary, at which triage peeks.
   * A known name that isn't listed makes a directory `unknown`.
   */
  readonly sentinels: readonly [string, ...ReadonlyArray<string>]
}

/**
 * `.vm-sentinel` alone.
 *
 * @category constants
 * @since 0.1.0
 */
export const standard: Layout = { sentinels: [SentinelName.defaultName] }

/**
 * The layout of some base names; {@link standard} for none.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ofNames = (names: ReadonlyArray<string> = []): Layout => {
  const [primary, ...others] = names
  return primary === undefined ? standard : { sentinels: [primary, ...others] }
}
