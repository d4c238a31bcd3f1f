/** A bar chart of the sweeps as SVG. Each case has one group of bars, which show the time for one directory. */
import { type RootSpec, idOf } from "./roots.ts"
import type { Row } from "./sweeps.ts"

const colours: ReadonlyMap<string, string> = new Map([
  ["sweep", "#2563eb"],
  ["stream", "#60a5fa"],
  ["portable", "#a78bfa"],
  ["plain", "#f59e0b"],
  ["floor", "#6b7280"]
])

export const labels: ReadonlyMap<string, string> = new Map([
  ["sweep", "sweep, Linux Layers"],
  ["stream", "outcomes, Linux Layers"],
  ["tight", "outcomes, the command's V8 flags"],
  ["portable", "sweep, portable Layer"],
  ["plain", "plain Node loop"],
  ["floor", "C floor"]
])

const [width, left, right, bar, gap, head] = [920, 190, 190, 20, 5, 34]

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

const spaced = (count: number): string => count.toLocaleString("en").replaceAll(",", " ")

export const titleOf = ({ dead, files, inner = 0, kind, size }: RootSpec): string =>
  `${spaced(size)} director${size === 1 ? "y" : "ies"}, ${dead} % dead, ${kind}` +
  (files === 1 ? "" : `, ${spaced(files)} files each`) +
  (inner === 0 ? "" : `, ${spaced(inner)} inner ones each`)

const text = (x: number, y: number, content: string, kind: string) =>
  `<text x="${x.toFixed(0)}" y="${y}" class="${kind}">${escape(content)}</text>`

const timeOf = (microseconds: number): string =>
  microseconds < 10_000 ? `${microseconds.toFixed(1)} µs` : `${(microseconds / 1000).toFixed(1)} ms`

/** Each group has its own scale. The longest bar of a group takes the full width. */
const group = (rows: ReadonlyArray<Row>, top: number): ReadonlyArray<string> => {
  const [first] = rows
  if (first === undefined) return []
  const microseconds = ({ ms, spec }: Row) => (ms * 1000) / spec.size
  const longest = Math.max(...rows.map(microseconds))
  const bars = rows.flatMap((row, index) => {
    const y = top + head + index * (bar + gap)
    const value = microseconds(row)
    const length = Math.max(1, ((width - left - right) * value) / longest)
    const ratio = Number.isNaN(row.toFloor) || row.contestant === "floor" ? "" : `, ${row.toFloor.toFixed(2)} × floor`
    return [
      text(left - 10, y + 15, labels.get(row.contestant) ?? row.contestant, "name"),
      `<rect x="${left}" y="${y}" width="${length.toFixed(1)}" height="${bar}" rx="2" fill="${colours.get(row.contestant) ?? "#888"}"/>`,
      text(left + length + 8, y + 15, `${timeOf(value)}${ratio}`, "value")
    ]
  })
  return [text(left, top + 22, titleOf(first.spec), "title"), ...bars]
}

export const draw = (rows: ReadonlyArray<Row>, caption: string): string => {
  const groups = new Map<string, Array<Row>>()
  for (const row of rows) {
    const id = idOf(row.spec)
    const list = groups.get(id)
    if (list === undefined) groups.set(id, [row])
    else list.push(row)
  }
  let top = 40
  const body: Array<string> = []
  for (const list of groups.values()) {
    body.push(...group(list, top))
    top += head + list.length * (bar + gap) + 12
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top + 30}" width="${width}" height="${top + 30}" role="img">`,
    "<title>Time of a sweep for one directory</title>",
    "<style>",
    "text{font:13px system-ui,sans-serif;fill:#1f2937}.title{font-weight:600}.name{text-anchor:end}.value,.caption{fill:#4b5563}",
    ".background{fill:#fff}",
    "@media(prefers-color-scheme:dark){text{fill:#e5e7eb}.value,.caption{fill:#9ca3af}.background{fill:#111827}}",
    "</style>",
    '<rect class="background" width="100%" height="100%"/>',
    text(left, 26, "Time for one directory, median; shorter is better", "title"),
    ...body,
    text(left, top + 12, caption, "caption"),
    "</svg>",
    ""
  ].join("\n")
}
