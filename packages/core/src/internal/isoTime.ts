/** Times as text. */

/** As far from the epoch as a `Date` can be. */
const latest = 8.64e15

let second: number | undefined
let text = ""

/** By its milliseconds, what follows a whole second. */
const fractions: Array<string> = []

/**
 * ISO 8601, of milliseconds since the epoch. `undefined`: no such time, as a file's may be that somebody set. Quick where
 * many times lie within one second.
 */
export const isoTime = (milliseconds: number): string | undefined => {
  if (!(Math.abs(milliseconds) <= latest)) return undefined
  const seconds = Math.floor(milliseconds / 1000)
  if (seconds !== second) {
    text = new Date(seconds * 1000).toISOString().slice(0, -4)
    second = seconds
  }
  const rest = Math.floor(milliseconds - seconds * 1000)
  return `${text}${(fractions[rest] ??= `${String(rest).padStart(3, "0")}Z`)}`
}
