/** Random numbers from a seed. `SENTINEL_TEST_SEED=… vitest …` repeats a failure. */

export const seed = Number(process.env["SENTINEL_TEST_SEED"] ?? Date.now() % 2 ** 31)

export interface Random {
  /** An integer from 0 up to, but not including, `end`. */
  readonly below: (end: number) => number
  readonly pick: <A>(values: readonly [A, ...ReadonlyArray<A>]) => A
  /** Some of the values, each at most once, in a random order. */
  readonly sample: <A>(values: ReadonlyArray<A>, count: number) => ReadonlyArray<A>
}

/** The Mulberry32 generator. */
export const make = (from: number): Random => {
  let state = from | 0
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (end: number) => Math.floor(next() * end)
  return {
    below,
    pick: (values) => values[below(values.length)] ?? values[0],
    sample: (values, count) => {
      const left = [...values]
      return Array.from({ length: Math.min(count, left.length) }, () => left.splice(below(left.length), 1)).flat()
    }
  }
}
