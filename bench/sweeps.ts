/** Time of a sweep by each contestant, in rounds. */
import * as Lab from "./lab.ts"
import * as Roots from "./roots.ts"
import type { Sample } from "./sample.ts"
import { median, medianRatio, rotated } from "./statistics.ts"

export interface Row {
  readonly spec: Roots.RootSpec
  readonly contestant: string
  readonly rounds: number
  readonly ms: number
  readonly userMs: number
  readonly systemMs: number
  /** Ratio of the time to that of the C floor: the median of the rounds' ratios, `NaN` if not measured. */
  readonly toFloor: number
  /** Ratio of the time to that of the plain loop: the median of the rounds' ratios, `NaN` if not measured. */
  readonly toPlain: number
}

const spec = (size: number, kind: "v2" | "v3", dead: number, files = 1): Roots.RootSpec => ({ size, kind, dead, files })

const casesOf = ({ full, quick }: Lab.Settings): ReadonlyArray<Roots.RootSpec> => [
  ...(quick ? [1000] : [1000, 10_000]).flatMap((size) => [
    spec(size, "v2", 0),
    spec(size, "v3", 0),
    spec(size, "v3", 50),
    spec(size, "v2", 100),
    spec(size, "v3", 100)
  ]),
  spec(quick ? 3 : 10, "v3", 100, 1000),
  // Each inner directory may have an owner, so a removal takes the lock of each.
  { ...spec(1, "v3", 100), inner: quick ? 2000 : 20_000 },
  ...(full ? [spec(100_000, "v3", 0), spec(100_000, "v3", 100)] : [])
]

const isHuge = ({ size }: Roots.RootSpec): boolean => size > 10_000

const roundsOf = ({ quick, rounds }: Lab.Settings, spec: Roots.RootSpec): number =>
  rounds ?? (isHuge(spec) ? 1 : quick || spec.size > 1000 ? 3 : 7)

const contestantsOf = (lab: Lab.Lab, spec: Roots.RootSpec): ReadonlyArray<string> => [
  "sweep",
  "stream",
  ...(isHuge(spec) || !Roots.isPortable(spec) ? [] : ["portable"]),
  "plain",
  // The floor removes no inner directories.
  ...(lab.floor === undefined || spec.inner !== undefined ? [] : [Lab.floorName])
]

type Samples = ReadonlyMap<string, Array<Sample>>

const measure = async (lab: Lab.Lab, spec: Roots.RootSpec): Promise<Samples> => {
  const names = contestantsOf(lab, spec)
  const samples: Samples = new Map(names.map((name) => [name, []]))
  const round = async (number: number, sample: (name: string) => Promise<Sample>) => {
    for (const name of rotated(names, number)) samples.get(name)?.push(await sample(name))
  }
  const rounds = roundsOf(lab.settings, spec)
  if (spec.dead === 0) {
    // No sweep changes a root without dead directories, so all contestants share one.
    await Lab.withRoot(lab, spec, async (root) => {
      for (let number = 0; number < rounds; number++) await round(number, (name) => Lab.sample(lab, name, spec, root))
    })
  } else {
    for (let number = 0; number < rounds; number++) await round(number, (name) => Lab.sampleFresh(lab, name, spec))
  }
  return samples
}

const rowsOf = (spec: Roots.RootSpec, samples: Samples): ReadonlyArray<Row> => {
  const times = (name: string) => (samples.get(name) ?? []).map(({ ms }) => ms)
  return [...samples].map(([contestant, list]) => ({
    spec,
    contestant,
    rounds: list.length,
    ms: median(times(contestant)),
    userMs: median(list.map(({ userMs }) => userMs)),
    systemMs: median(list.map(({ systemMs }) => systemMs)),
    toFloor: medianRatio(times(contestant), times(Lab.floorName)),
    toPlain: medianRatio(times(contestant), times("plain"))
  }))
}

const line = ({ contestant, ms, spec, systemMs, toFloor, toPlain, userMs }: Row): string =>
  [
    `  ${contestant.padEnd(9)}${ms.toFixed(1).padStart(9)} ms`,
    `${((ms * 1000) / spec.size).toFixed(1).padStart(8)} µs/dir`,
    `cpu ${(((userMs + systemMs) * 1000) / spec.size).toFixed(1).padStart(7)} µs/dir (user ${userMs.toFixed(0)} ms)`,
    `${toFloor.toFixed(2).padStart(6)} × floor`,
    `${toPlain.toFixed(2).padStart(6)} × plain`
  ].join("  ")

export const run = async (lab: Lab.Lab): Promise<ReadonlyArray<Row>> => {
  const rows: Array<Row> = []
  for (const spec of casesOf(lab.settings)) {
    if (!Roots.idOf(spec).includes(lab.settings.only)) continue
    lab.say(`sweep ${Roots.idOf(spec)}`)
    const measured = rowsOf(spec, await measure(lab, spec))
    for (const row of measured) lab.say(line(row))
    rows.push(...measured)
  }
  return rows
}
