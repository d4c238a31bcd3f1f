export const quantile = (values: ReadonlyArray<number>, q: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (sorted.length - 1) * q
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]]
  if (low === undefined || high === undefined) return Number.NaN
  return low + (high - low) * (at - Math.floor(at))
}

export const median = (values: ReadonlyArray<number>): number => quantile(values, 0.5)

/** The median of the ratios within each round: what a round had of other load, both had. */
export const medianRatio = (values: ReadonlyArray<number>, bases: ReadonlyArray<number>): number =>
  median(values.map((value, round) => value / (bases[round] ?? Number.NaN)))

/** The same list beginning elsewhere, so that nobody is always first. */
export const rotated = <A>(list: ReadonlyArray<A>, by: number): ReadonlyArray<A> => {
  const start = list.length === 0 ? 0 : by % list.length
  return [...list.slice(start), ...list.slice(0, start)]
}
