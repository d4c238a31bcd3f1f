/** Time of a sweep by function, from V8's sampling profiler. Start-up and warm-up are left out. */
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import * as Lab from "./lab.ts"
import { idOf, type RootSpec } from "./roots.ts"

const CallFrame = Schema.Struct({ functionName: Schema.String, url: Schema.String, lineNumber: Schema.Number })

const Profile = Schema.Struct({
  nodes: Schema.Array(
    Schema.Struct({
      id: Schema.Number,
      callFrame: CallFrame,
      children: Schema.optionalKey(Schema.Array(Schema.Number))
    })
  ),
  samples: Schema.Array(Schema.Number),
  timeDeltas: Schema.Array(Schema.Number)
})
type Profile = typeof Profile.Type

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Profile))

const placeOf = (url: string): string =>
  url
    .replace(/^file:\/\//, "")
    .replace(`${Lab.repository}/`, "")
    .replace(/^.*node_modules\//, "")

/** The package that the code of a frame belongs to. */
const ownerOf = ({ functionName, url }: typeof CallFrame.Type): string => {
  const place = placeOf(url)
  if (place === "") return functionName.startsWith("(") ? functionName : "native"
  return /^(packages\/[^/]+|node:|effect|@effect\/[^/]+|koffi)/.exec(place)?.[1] ?? place
}

const labelOf = ({ functionName, lineNumber, url }: typeof CallFrame.Type): string =>
  url === "" ? functionName : `${functionName || "(anonymous)"}  ${placeOf(url)}:${lineNumber + 1}`

const add = (sums: Map<string, number>, key: string, value: number) => sums.set(key, (sums.get(key) ?? 0) + value)

const summarise = ({ nodes, samples, timeDeltas }: Profile) => {
  const times = new Map<number, number>()
  samples.forEach((node, index) => times.set(node, (times.get(node) ?? 0) + (timeDeltas[index] ?? 0)))
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const parents = new Map(nodes.flatMap(({ children = [], id }) => children.map((child) => [child, id] as const)))
  const [self, inclusive, owners] = [new Map<string, number>(), new Map<string, number>(), new Map<string, number>()]
  let total = 0
  for (const [id, time] of times) {
    const frame = byId.get(id)?.callFrame
    // The profile contains idle time and the profiler's own start and stop, which aren't work of the sweep.
    if (frame === undefined || frame.functionName === "(idle)" || frame.url.startsWith("node:inspector")) continue
    total += time
    add(self, labelOf(frame), time)
    add(owners, ownerOf(frame), time)
    const seen = new Set<string>()
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const above = byId.get(at)?.callFrame
      if (above === undefined || !placeOf(above.url).startsWith("packages/")) continue
      const label = labelOf(above)
      if (!seen.has(label)) add(inclusive, label, time)
      seen.add(label)
    }
  }
  return { total, self, inclusive, owners }
}

const print = (
  lab: Lab.Lab,
  title: string,
  sums: ReadonlyMap<string, number>,
  size: number,
  total: number,
  n: number
) => {
  lab.say(`  ${title}`)
  for (const [label, time] of [...sums].sort((a, b) => b[1] - a[1]).slice(0, n)) {
    const share = `${((100 * time) / total).toFixed(1)} %`.padStart(7)
    lab.say(`  ${share} ${(time / size).toFixed(2).padStart(8)} µs/dir  ${label}`)
  }
}

export const run = async (lab: Lab.Lab, contestant: string): Promise<void> => {
  const size = lab.settings.quick ? 2000 : 10_000
  for (const dead of [0, 100]) {
    for (const kind of ["v2", "v3"] as const) {
      const spec: RootSpec = { size, kind, dead, files: 1 }
      if (!idOf(spec).includes(lab.settings.only)) continue
      const file = `${Lab.repository}/node_modules/.cache/vm-sentinel-${contestant}-${idOf(spec)}.cpuprofile`
      await Lab.sampleFresh(lab, contestant, spec, { args: ["--profile", file] })
      const { inclusive, owners, self, total } = summarise(decode(Fs.readFileSync(file, "utf8")))
      lab.say(`profile ${contestant} ${idOf(spec)}: ${(total / 1000).toFixed(0)} ms on the main thread, ${file}`)
      print(lab, "by owner of the code", owners, size, total, 12)
      print(lab, "self time", self, size, total, 25)
      print(lab, "with all that was called, our own functions", inclusive, size, total, 25)
    }
  }
}
