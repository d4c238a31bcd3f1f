/**
 * `Layout` says which files of a directory a sweep reads as sentinels.
 *
 * @since 0.1.0
 */
import * as SentinelName from "./SentinelName.ts"

/**
 * The files of a directory that are read as sentinels.
 *
 * @category models
 * @since 0.1.0
 */
export interface Layout {
  /**
   * Base names of the sentinels. The files `<name>.<role>` are read too, except those of `.bbox-sentinel`.
   * `.vm-sentinel.removing` is always read. The first name is the primary sentinel, which a sweep reads first. A
   * sentinel under a known name that this list lacks makes its directory `unknown`, unless an owner is alive.
   */
  readonly sentinels: readonly [string, ...ReadonlyArray<string>]
}

/**
 * The layout with `.vm-sentinel` alone.
 *
 * @category constants
 * @since 0.1.0
 */
export const standard: Layout = { sentinels: [SentinelName.defaultName] }

/**
 * Returns the layout with the given base names. Without names, it is {@link standard}.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ofNames = (names: ReadonlyArray<string> = []): Layout => {
  const [primary, ...others] = names
  return primary === undefined ? standard : { sentinels: [primary, ...others] }
}

/**
 * A layout with `.vm-sentinel` as well. A directory that a creator hasn't finished may have a sentinel of either name.
 *
 * @category combining
 * @since 0.1.0
 */
export const withStandard = ({ sentinels }: Layout): Layout =>
  sentinels.includes(SentinelName.defaultName) ? { sentinels } : { sentinels: [...sentinels, SentinelName.defaultName] }
