/**
 * The patterns of `--skip`. Pure.
 *
 * @since 0.1.0
 */
import type { Outcome } from "@vm-sentinel/core/Outcome"
import * as Glob from "effect/Glob"

/**
 * A pattern of names of directories.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pattern {
  readonly text: string
  readonly matches: (name: string) => boolean
}

/**
 * `*` and `?` match names that start with a dot, too, because a pattern protects directories. For the same reason a
 * pattern also matches the name that is spelled as the pattern is, such as `vm[1]`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (text: string): Pattern => {
  const glob = Glob.make(text, { dot: true })
  return { text, matches: (name) => text === name || Glob.match(glob, name) }
}

/**
 * Whether one of the patterns matches a name.
 *
 * @category matching
 * @since 0.1.0
 */
export const anyOf =
  (patterns: ReadonlyArray<Pattern>) =>
  (name: string): boolean =>
    patterns.some(({ matches }) => matches(name))

/**
 * The patterns that match none of the directories that were skipped.
 *
 * @category matching
 * @since 0.1.0
 */
export const unmatched = (
  patterns: ReadonlyArray<Pattern>,
  outcomes: ReadonlyArray<Outcome>
): ReadonlyArray<Pattern> => {
  if (patterns.length === 0) return patterns
  const skipped = outcomes.filter(({ reason }) => reason === "skipped")
  return patterns.filter(({ matches }) => !skipped.some(({ name }) => matches(name)))
}
