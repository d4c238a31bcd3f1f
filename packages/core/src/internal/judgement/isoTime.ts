/** Formats times. */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"

/** Milliseconds since the epoch as ISO 8601. `undefined` outside the range of `Date`, in which not every mtime lies. */
export const isoTime = (milliseconds: number): string | undefined =>
  Option.getOrUndefined(Option.map(DateTime.make(Math.floor(milliseconds)), DateTime.formatIso))

/** Latest time of a `Date`, milliseconds since the epoch. */
const latest = 8.64e15

/** Makes an {@link isoTime} for many times: consecutive times within one second share the text of that second. */
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
