/**
 * Parses the rows of `ps`. A row is split by the columns that were asked for. Each is a word, except `lstart`, which
 * has a format of its own, `comm`, which has a fixed width, and a last `comm` or `args`, which is the rest of the line.
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

/** `%c` of any locale: all text up to the time, and the year after the time, where most locales have it. */
const startAnywhere = /^.*?\d{1,2}:\d\d:\d\d(?: \d{4}(?= |$))?/u

const days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

/** `ps` cuts `comm` to this width, and pads `comm` to this width, unless `comm` is the last column. */
const commWidth = 16

/**
 * `lstart`, printed in UTC, as seconds since the epoch. `undefined` unless the text is a valid date in the C locale.
 * Text of another locale isn't parsed, because a `ps` that ignores `LC_TIME` may ignore `TZ`, too.
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

/** Splits one line. `undefined`: a column is missing or malformed, or text is left. */
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
  /** Seconds since the epoch. Missing if the text wasn't in the C locale. */
  readonly started?: number
  readonly comm: string
}

/** The columns that the inspector asks for. */
export const columns = ["pid", "uid", "state", "lstart", "comm"] as const

const maxUid = 2 ** 32

/** Parses one line of {@link columns}. `undefined`: it isn't such a line. */
export const parseRow = (line: string): Row | undefined => {
  const { comm = "", lstart = "", pid = "", state = "", uid = "" } = splitRow(columns, line) ?? {}
  if (!/^\d{1,10}$/.test(pid) || !/^-?\d{1,10}$/.test(uid) || !/^[A-Z?][A-Za-z<>+]*$/.test(state)) return undefined
  const started = parseStart(lstart)
  return {
    pid: Number(pid),
    // `ps` prints the uid signed or unsigned, so `nobody` is -2 or 4294967294.
    uid: Number(uid) < 0 ? Number(uid) + maxUid : Number(uid),
    state: state.slice(0, 1),
    ...(started === undefined ? {} : { started }),
    comm
  }
}
