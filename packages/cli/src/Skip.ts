/**
 * The patterns of `--skip`.
 *
 * @since 0.1.0
 */
import * as Glob from "effect/Glob"

/**
 * Patterns, and which of them have matched a name so far.
 *
 * @category models
 * @since 0.1.0
 */
export interface Skip {
  /** Whether a pattern matches a name. */
  readonly matches: (name: string) => boolean
  /** The patterns that have matched no name yet. */
  readonly unmatched: () => ReadonlyArray<string>
}

/**
 * `*` and `?` match names that start with a dot, too, because a pattern protects directories. For the same reason a
 * pattern also matches the name that is spelled as the pattern is, such as `vm[1]`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (patterns: ReadonlyArray<string>): Skip => {
  const globs = patterns.map((pattern) => ({ pattern, glob: Glob.make(pattern, { dot: true }) }))
  const matched = new Set<string>()
  return {
    matches: (name) => {
      const matching = globs.filter(({ glob, pattern }) => pattern === name || Glob.match(glob, name))
      for (const { pattern } of matching) matched.add(pattern)
      return matching.length > 0
    },
    unmatched: () => patterns.filter((pattern) => !matched.has(pattern))
  }
}
