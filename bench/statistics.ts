const quantile = (values: ReadonlyArray<number>, q: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (sorted.length - 1) * q
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]]
  if (low === undefined || high === undefined) return Number.NaN
  return low + (high - low) * (at - Math.floor(at))
}

export const median = (values: ReadonlyArray<number>): number => quantile(values, 0.5)

/** Median of the ratios within each round. Other load in a round affects both values of its ratio. */
export const medianRatio = (values: ReadonlyArray<number>, bases: ReadonlyArray<number>): number =>
  median(values.map((value, round) => value / (bases[round] ?? Number.NaN)))

/** The list, rotated by the number of the round, so no contestant is first in every round. */
export const rotated = <A>(list: ReadonlyArray<A>, by: number): ReadonlyArray<A> => {
  const start = list.length === 0 ? 0 : by % list.length
  return [...list.slice(start), ...list.slice(0, start)]
}
