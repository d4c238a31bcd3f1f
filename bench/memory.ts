/** How much memory a sweep takes at its peak, of few directories and of many. */
import * as Lab from "./lab.ts"
import type { RootSpec } from "./roots.ts"
import { median } from "./statistics.ts"

export interface Row {
  readonly contestant: string
  readonly dead: number
  readonly small: number
  readonly large: number
  /** KiB, as the peaks. */
  readonly smallPeak: number
  readonly largePeak: number
}

const small = 1000

const largeOf = ({ full, quick }: Lab.Settings): number => (full ? 100_000 : quick ? 3000 : 10_000)

export const run = async (lab: Lab.Lab): Promise<ReadonlyArray<Row>> => {
  const large = largeOf(lab.settings)
  const peak = async (contestant: string, dead: number, size: number) => {
    const spec: RootSpec = { size, kind: "v3", dead, files: 1 }
    const peaks: Array<number> = []
    const rounds = lab.settings.rounds ?? (size > 10_000 || lab.settings.quick ? 1 : 3)
    for (let round = 0; round < rounds; round++) peaks.push((await Lab.sampleFresh(lab, contestant, spec)).peakKiB)
    return median(peaks)
  }
  const rows: Array<Row> = []
  for (const dead of [0, 100]) {
    for (const contestant of ["sweep", "stream", "plain"]) {
      const smallPeak = await peak(contestant, dead, small)
      const largePeak = await peak(contestant, dead, large)
      rows.push({ contestant, dead, small, large, smallPeak, largePeak })
      const mebibytes = [smallPeak, largePeak].map((peak) => `${(peak / 1024).toFixed(1)} MiB`)
      lab.say(`memory ${contestant} ${dead} %: ${mebibytes[0]} at ${small}, ${mebibytes[1]} at ${large}`)
    }
  }
  return rows
}
