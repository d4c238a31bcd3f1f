/**
 * What `ps` prints. A row is split by the columns that were asked for: numbers and letters are words, `lstart` has a
 * shape of its own, and the last column is the rest of the line, spaces included.
 */

export type Column =
  | "pid"
  | "ppid"
  | "pgid"
  | "uid"
  | "rss"
  | "vsz"
  | "%cpu"
  | "%mem"
  | "etime"
  | "time"
  | "state"
  | "lstart"
  | "comm"
  | "args"

export type Fields = { readonly [K in Column]?: string }

const startC =
  /^(Sun|Mon|Tue|Wed|Thu|Fri|Sat) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) ([ 0-3]\d) (\d\d):(\d\d):(\d\d) (\d{4})/

/** Any locale's `%c`: whatever it begins with, up to the time, with the year after it in most. */
const startAnywhere = /^.*?\d{1,2}:\d\d:\d\d(?: \d{4}(?= |$))?/u

const days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

/** `comm` is cut to this width, and padded to it, wherever it isn't the last column. */
const commWidth = 16

/**
 * `lstart` as seconds since the epoch, when it was printed in the C locale and in UTC, and is a date. Another locale's
 * text isn't guessed at: who ignores the locale that was asked for may ignore the time zone too.
 */
export const parseStart = (text: string): number | undefined => {
  const match = startC.exec(text)
  if (match === null || match[0] !== text) return undefined
  const [, weekday = "", month = "", day, hour, minute, second, year] = match
  const time = new Date(
    Date.UTC(Number(year), months.indexOf(month), Number(day), Number(hour), Number(minute), Number(second))
  )
  const isDate =
    time.getUTCDate() === Number(day) &&
    time.getUTCHours() === Number(hour) &&
    time.getUTCMinutes() === Number(minute) &&
    time.getUTCSeconds() === Number(second) &&
    days[time.getUTCDay()] === weekday
  return isDate && time.getTime() > 0 ? time.getTime() / 1000 : undefined
}

const take = (column: Column, text: string): string | undefined => {
  if (column === "lstart") return (startC.exec(text) ?? startAnywhere.exec(text))?.[0]
  if (column === "comm") return text.slice(0, commWidth)
  return /^\S+/.exec(text)?.[0]
}

/** Splits one line; `undefined` when it has fewer columns than were asked for. */
export const splitRow = (columns: ReadonlyArray<Column>, line: string): Fields | undefined => {
  const fields: { [K in Column]?: string } = {}
  let rest = line
  for (const [index, column] of columns.entries()) {
    rest = rest.trimStart()
    const isRest = index === columns.length - 1 && (column === "comm" || column === "args")
    const field = isRest ? rest : take(column, rest)
    if (field === undefined) return undefined
    fields[column] = field.trimEnd()
    rest = rest.slice(field.length)
  }
  return rest.trim() === "" ? fields : undefined
}

export interface Row {
  readonly pid: number
  readonly uid: number
  readonly state: string
  /** Seconds since the epoch; missing when the text wasn't in the C locale. */
  readonly started?: number
  readonly comm: string
}

/** The columns that are asked for here. */
export const columns = ["pid", "uid", "state", "lstart", "comm"] as const

const maxUid = 2 ** 32

/** Reads one line of {@link columns}; `undefined` when it isn't one. */
export const parseRow = (line: string): Row | undefined => {
  const { comm = "", lstart = "", pid = "", state = "", uid = "" } = splitRow(columns, line) ?? {}
  if (!/^\d{1,10}$/.test(pid) || !/^-?\d{1,10}$/.test(uid) || !/^[A-Z?][A-Za-z<>+]*$/.test(state)) return undefined
  const started = parseStart(lstart)
  return {
    pid: Number(pid),
    // `nobody` is -2 or 4294967294, as the number is printed signed or not.
    uid: Number(uid) < 0 ? Number(uid) + maxUid : Number(uid),
    state: state.slice(0, 1),
    ...(started === undefined ? {} : { started }),
    comm
  }
}
