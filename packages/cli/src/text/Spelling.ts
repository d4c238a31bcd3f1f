/**
 * Finds the word that a misspelt one stands for. Pure.
 *
 * @since 0.1.0
 */

/** Letters to insert, leave out or change in order to make one word from another (Levenshtein). */
const distance = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (const letter of from) {
    const above = row
    let left = (above[0] ?? 0) + 1
    let corner = above[0] ?? 0
    row = [left]
    for (let index = 1; index < above.length; index++) {
      const top = above[index] ?? 0
      left = Math.min(left + 1, top + 1, corner + (letter === to[index - 1] ? 0 : 1))
      corner = top
      row.push(left)
    }
  }
  return row.at(-1) ?? 0
}

/** Maximum number of changes that still look like a mistake: half of the word's letters, and no more than 4. */
const most = (given: string): number => Math.min(given.length / 2, 4)

/**
 * The known word that is most like the given one. `undefined`: none is like it.
 *
 * @category getters
 * @since 0.1.0
 */
export const nearest = (given: string, known: ReadonlyArray<string>): string | undefined =>
  known
    .map((word) => ({ word, changes: distance(given, word) }))
    .filter(({ changes }) => changes <= most(given))
    .sort((one, other) => one.changes - other.changes)[0]?.word
