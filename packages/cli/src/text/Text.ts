/**
 * Prepares text for a terminal: escapes it, and makes it fit. Pure.
 *
 * @since 0.1.0
 */
import { displayWidth } from "effect/cli/CliOutput"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

// Controls, invisible and direction-changing characters, and lone surrogates.
const active = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu
// The active characters, and the backslash, which begins an escape.
const unsafe = new RegExp(`${active.source}|\\\\`, active.flags)

const named: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\u001b": "\\e", "\\": "\\\\" }

const hex = (code: number): string =>
  code <= 0xff ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`

/**
 * Escapes each character that a terminal would act on or not show. Doubles each backslash, which makes the result
 * unambiguous.
 *
 * @category escaping
 * @since 0.1.0
 */
export const escape = (text: string): string =>
  text.replace(unsafe, (character) => named[character] ?? hex(character.codePointAt(0) ?? 0))

/**
 * {@link escape} for text whose backslashes begin escapes already, such as a line of logfmt.
 *
 * @category escaping
 * @since 0.1.0
 */
export const escapeActive = (text: string): string =>
  text.replace(active, (character) => named[character] ?? hex(character.codePointAt(0) ?? 0))

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const sequence = (bytes: Uint8Array, start: number): string | undefined => {
  for (let length = 1; length <= 4; length++) {
    try {
      return decoder.decode(bytes.subarray(start, start + length))
    } catch {
      // A longer sequence may be valid.
    }
  }
  return undefined
}

/**
 * {@link escape} for bytes that may not be UTF-8. A byte that isn't UTF-8 becomes `\xNN`.
 *
 * @category escaping
 * @since 0.1.0
 */
export const escapeBytes = (bytes: Uint8Array): string => {
  let text = ""
  let index = 0
  while (index < bytes.length) {
    const character = sequence(bytes, index)
    text += character === undefined ? hex(bytes[index] ?? 0) : escape(character)
    index += character === undefined ? 1 : new TextEncoder().encode(character).length
  }
  return text
}

/**
 * Columns of the terminal that a text takes.
 *
 * @category fitting
 * @since 0.1.0
 */
export const width = (text: string): number => (/^[ -~]*$/.test(text) ? text.length : displayWidth(text))

const take = (characters: ReadonlyArray<string>, columns: number): ReadonlyArray<string> => {
  const taken: Array<string> = []
  let used = 0
  for (const character of characters) {
    used += width(character)
    if (used > columns) break
    taken.push(character)
  }
  return taken
}

/**
 * Replaces the middle of a text that is wider than `columns` by `…`.
 *
 * @category fitting
 * @since 0.1.0
 */
export const shorten = (text: string, columns: number): string => {
  if (width(text) <= columns) return text
  const characters = Array.from(text)
  const head = take(characters, Math.ceil((columns - 1) / 2))
  const tail = take(characters.toReversed(), Math.floor((columns - 1) / 2))
  return `${head.join("")}…${tail.toReversed().join("")}`
}

/**
 * Breaks a text into pieces of at most `columns` columns, between words if possible.
 *
 * @category fitting
 * @since 0.1.0
 */
export const pieces = (text: string, columns: number): ReadonlyArray<string> =>
  fill("", "", text, columns).flatMap((line) => {
    const lines: Array<string> = []
    let rest = Array.from(line)
    while (rest.length > 0) {
      // Takes at least one character, even if it is wider than the columns.
      const taken = take(rest, columns)
      lines.push(taken.join("") || (rest[0] ?? ""))
      rest = rest.slice(Math.max(1, taken.length))
    }
    return lines
  })

const style = /\p{Cc}\[[0-9;]*m/gu
const visibleWidth = (text: string): number => width(text.replace(style, ""))

/** The first column of a line. A gap of two spaces ends it. */
const firstColumn = /^ *[^ ](?:.*?[^ ])?? {2,}(?=[^ ])/

/**
 * The lines of a text that is broken between words. The first begins with `start`, the others with `margin`. A word
 * that is wider than `columns` stays whole.
 *
 * @category fitting
 * @since 0.1.0
 */
export const fill = (start: string, margin: string, text: string, columns: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  const [first = "", ...words] = text.split(" ")
  let current = `${start}${first}`
  for (const word of words) {
    if (visibleWidth(current) + 1 + visibleWidth(word) <= columns) current += ` ${word}`
    else {
      lines.push(current)
      current = `${margin}${word}`
    }
  }
  return [...lines, current]
}

const wrapLine = (line: string, columns: number): ReadonlyArray<string> => {
  if (visibleWidth(line) <= columns) return [line]
  const [indent = ""] = /^ */.exec(line) ?? []
  const [head = indent] = firstColumn.exec(line) ?? []
  const text = line.slice(head.length)
  if (head === indent) return fill(indent, `${indent}  `, text, columns)
  const start = visibleWidth(head)
  if (start <= columns / 2) return fill(head, " ".repeat(start), text, columns)
  const below = `${indent}    `
  return [head.trimEnd(), ...fill(below, below, text, columns)]
}

/**
 * Breaks each line that is wider than `columns` between two words. The continuation lines are indented. If the line has
 * a first column, its text continues below the beginning of the text. If that column takes more than half of the width,
 * the whole text is printed below it. A word that is wider than `columns` stays whole. If `columns` is `undefined`, the
 * text stays as it is.
 *
 * @category fitting
 * @since 0.1.0
 */
export const wrap = (text: string, columns: number | undefined): string =>
  columns === undefined
    ? text
    : text
        .split("\n")
        .flatMap((line) => wrapLine(line, columns))
        .join("\n")

const units = [
  ["d", 86_400],
  ["h", 3600],
  ["m", 60]
] as const

/**
 * A time span in its largest whole unit: `40s`, `5m`, `3h`, `12d`. A span below 1 s, and a negative one, is `0s`.
 *
 * @category formatting
 * @since 0.1.0
 */
export const age = (milliseconds: number): string => {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000))
  const unit = units.find(([, size]) => seconds >= size)
  return unit === undefined ? `${seconds}s` : `${Math.floor(seconds / unit[1])}${unit[0]}`
}

/**
 * The {@link age} of an ISO 8601 time. Empty for text that isn't a time.
 *
 * @category formatting
 * @since 0.1.0
 */
export const ago = (since: string, now: DateTime.DateTime): string =>
  Option.match(DateTime.make(since), {
    onNone: () => "",
    onSome: (time) => age(Duration.toMillis(DateTime.distance(time, now)))
  })

/**
 * Bytes in binary units: `512 B`, `3.2 MiB`.
 *
 * @category formatting
 * @since 0.1.0
 */
export const size = (bytes: number): string => {
  const names = ["B", "KiB", "MiB", "GiB", "TiB"]
  // 1023.5 of a unit would be shown as 1024.
  const isLarger = (power: number) => power < names.length - 1 && Math.round(bytes / 1024 ** power) >= 1024
  let power = 0
  while (isLarger(power)) power += 1
  const value = bytes / 1024 ** power
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${names[power] ?? "B"}`
}
