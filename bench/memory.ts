/** Peak memory of a sweep, by the number of directories. */
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Url from "node:url"
import * as Lab from "./lab.ts"
import { deadCount, remaining, type RootSpec } from "./roots.ts"
import { median } from "./statistics.ts"

export interface Row {
  readonly contestant: string
  readonly dead: number
  readonly small: number
  readonly large: number
  /** Peak resident memory at `small` directories, KiB. */
  readonly smallPeak: number
  /** Peak resident memory at `large` directories, KiB. */
  readonly largePeak: number
}

const small = 1000

const largeOf = ({ full, quick }: Lab.Settings): number => (full ? 100_000 : quick ? 3000 : 10_000)

const bundle = (lab: Lab.Lab): string => `${lab.directory}/command/bin.cjs`

/** Arguments of Node that keep the heap of a program as small as the command's. */
const tightFlags: ReadonlyArray<string> = [
  "--import",
  `data:text/javascript,import { keepSmall } from "${Url.pathToFileURL(`${Lab.repository}/packages/cli/src/sweep/Heap.ts`)}"; keepSmall()`
]

/** Name of the contestant that runs `stream` with a heap as small as the command's. */
export const tight = "tight"

const peakKiBOf = (pid: number | undefined): number => {
  try {
    return Number(/^VmHWM:\s*(\d+) kB$/m.exec(Fs.readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0)
  } catch {
    return 0
  }
}

/** Peak of the process of `vm-sentinel sweep --json`, start-up included, KiB. Polled every 5 ms. */
const peakOfCommand = (lab: Lab.Lab, spec: RootSpec): Promise<number> =>
  Lab.withRoot(lab, spec, async (root) => {
    const child = spawn(process.execPath, [bundle(lab), "sweep", "--json", root], {
      stdio: ["ignore", "ignore", "inherit"]
    })
    let peak = 0
    const timer = setInterval(() => {
      peak = Math.max(peak, peakKiBOf(child.pid))
    }, 5)
    const [code] = await once(child, "exit")
    clearInterval(timer)
    if (code !== 0 || remaining(root) !== spec.size - deadCount(spec)) throw new Error(`the command ended with ${code}`)
    return peak
  })

const peakOf = async (lab: Lab.Lab, contestant: string, spec: RootSpec): Promise<number> => {
  if (contestant === "command") return peakOfCommand(lab, spec)
  const sample =
    contestant === tight
      ? Lab.sampleFresh(lab, "stream", spec, { flags: tightFlags })
      : Lab.sampleFresh(lab, contestant, spec)
  return (await sample).peakKiB
}

export const run = async (lab: Lab.Lab): Promise<ReadonlyArray<Row>> => {
  execFileSync(process.execPath, [`${Lab.repository}/scripts/bundle.ts`, Path.dirname(bundle(lab))])
  const large = largeOf(lab.settings)
  const peak = async (contestant: string, dead: number, size: number) => {
    const spec: RootSpec = { size, kind: "v3", dead, files: 1 }
    const peaks: Array<number> = []
    const rounds = lab.settings.rounds ?? (size > 10_000 || lab.settings.quick ? 1 : 3)
    for (let round = 0; round < rounds; round++) {
      peaks.push(await peakOf(lab, contestant, spec))
    }
    return median(peaks)
  }
  const rows: Array<Row> = []
  for (const dead of [0, 100]) {
    for (const contestant of ["sweep", "stream", tight, "command", "plain"]) {
      const smallPeak = await peak(contestant, dead, small)
      const largePeak = await peak(contestant, dead, large)
      rows.push({ contestant, dead, small, large, smallPeak, largePeak })
      const mebibytes = [smallPeak, largePeak].map((peak) => `${(peak / 1024).toFixed(1)} MiB`)
      lab.say(`memory ${contestant} ${dead} %: ${mebibytes[0]} at ${small}, ${mebibytes[1]} at ${large}`)
    }
  }
  return rows
}
