/** Times as text. */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"

/** ISO 8601, of milliseconds since the epoch. `undefined`: no date is so far away, but a file's time may be set to it. */
export const isoTime = (milliseconds: number): string | undefined =>
  Option.getOrUndefined(Option.map(DateTime.make(Math.floor(milliseconds)), DateTime.formatIso))

/** The last time that a date can be. */
const latest = 8.64e15

/** {@link isoTime} of many times. The text of a second is made once for the times in it that come one after the other. */
export const makeIsoTime = (): ((milliseconds: number) => string | undefined) => {
  let second = Number.NaN
  let prefix: string | undefined
  return (milliseconds) => {
    const whole = Math.floor(milliseconds)
    const rest = ((whole % 1000) + 1000) % 1000
    if (whole - rest !== second) {
      second = whole - rest
      prefix = isoTime(second)?.slice(0, -4)
    }
    return prefix === undefined || whole > latest ? isoTime(milliseconds) : `${prefix}${String(rest).padStart(3, "0")}Z`
  }
}
