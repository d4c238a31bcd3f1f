/** Remembers what was found out, for a moment. */

export interface Memory<in out K, in out V> {
  readonly get: (key: K) => V | undefined
  /** `since`: the {@link Memory.now} when it began to be found out. */
  readonly set: (key: K, value: V, since: number) => void
  readonly now: () => number
}

/**
 * `moment`: milliseconds after which all is forgotten, and when the clock was set back. Nothing that is had from it is ever
 * older than that; a clock set back by less makes it twice as old at most.
 */
export const make = <K, V>(moment: number, now: () => number = Date.now): Memory<K, V> => {
  const known = new Map<K, V>()
  let until = 0
  const forget = () => {
    const time = now()
    if (time < until && time >= until - moment) return
    known.clear()
    until = time + moment
  }
  return {
    get: (key) => {
      forget()
      return known.get(key)
    },
    set: (key, value, since) => {
      forget()
      if (since >= until - moment) known.set(key, value)
    },
    now
  }
}
