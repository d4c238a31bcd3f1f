/** Event-loop delay of the process that runs a sweep. */
import * as Lab from "./lab.ts"
import * as Roots from "./roots.ts"
import { median } from "./statistics.ts"

export interface Row {
  readonly spec: Roots.RootSpec
  readonly contestant: string
  /** Milliseconds, like the next three figures. `p50`, `p99` and `max` are medians over the rounds. */
  readonly p50: number
  readonly p99: number
  readonly max: number
  /** The largest `max` of all rounds. */
  readonly worst: number
}

const casesOf = ({ quick }: Lab.Settings): ReadonlyArray<Roots.RootSpec> => {
  const size = quick ? 1000 : 10_000
  return [
    { size, kind: "v2", dead: 0, files: 1 },
    { size, kind: "v3", dead: 0, files: 1 },
    { size, kind: "v2", dead: 100, files: 1 },
    { size, kind: "v3", dead: 100, files: 1 },
    { size: quick ? 3 : 10, kind: "v3", dead: 100, files: 1000 }
  ]
}

const sampleOf = async (lab: Lab.Lab, name: string, spec: Roots.RootSpec) => {
  const { delay } = await Lab.sampleFresh(lab, name, spec, { args: ["--delay"] })
  if (delay === undefined) throw new Error("no delay was measured")
  return delay
}

/** For the process that only waits. Its delay is the machine's own. */
const idle: Roots.RootSpec = { size: 0, kind: "v3", dead: 0, files: 1 }

export const run = async (lab: Lab.Lab): Promise<ReadonlyArray<Row>> => {
  const { only, rounds = 2 } = lab.settings
  const wanted = casesOf(lab.settings).filter((spec) => Roots.idOf(spec).includes(only))
  const cases = [
    { name: "idle", spec: idle },
    ...wanted.flatMap((spec) =>
      ["sweep", "stream", ...(Roots.isPortable(spec) ? ["portable"] : [])].map((name) => ({ name, spec }))
    )
  ]
  const samples = cases.map(({ name, spec }) => ({ name, spec, delays: new Array<Delay>() }))
  for (let round = 0; round < rounds; round++) {
    lab.say(`delay, round ${round + 1} of ${rounds}`)
    for (const { delays, name, spec } of samples) delays.push(await sampleOf(lab, name, spec))
  }
  return samples.map(({ delays, name, spec }): Row => {
    const row = {
      spec,
      contestant: name,
      p50: median(delays.map(({ p50 }) => p50)),
      p99: median(delays.map(({ p99 }) => p99)),
      max: median(delays.map(({ max }) => max)),
      worst: Math.max(...delays.map(({ max }) => max))
    }
    const figures = `p50 ${row.p50.toFixed(1)} ms, p99 ${row.p99.toFixed(1)} ms, max ${row.max.toFixed(1)} ms`
    lab.say(`  ${name.padEnd(9)} ${Roots.idOf(spec).padEnd(18)} ${figures}, worst ${row.worst.toFixed(1)} ms`)
    return row
  })
}

type Delay = Awaited<ReturnType<typeof sampleOf>>
