/** Runs the benchmark. `--help` lists the options; README.md explains what is measured. */
import * as Fs from "node:fs"
import { parseArgs } from "node:util"
import * as Delays from "./delays.ts"
import * as Details from "./details.ts"
import * as Lab from "./lab.ts"
import * as Machine from "./machine.ts"
import * as Memory from "./memory.ts"
import * as Plot from "./plot.ts"
import * as Profile from "./profile.ts"
import * as Report from "./report.ts"
import type { Results } from "./results.ts"
import * as Startup from "./startup.ts"
import * as Sweeps from "./sweeps.ts"
import * as SystemCalls from "./systemCalls.ts"

const parts = ["sweeps", "delays", "memory", "calls", "startup", "details"] as const
type Part = (typeof parts)[number]

const usage = `npm run bench -- [options]

Without options everything is measured, up to 10 000 directories, and docs/benchmarks.md and docs/benchmarks.svg are
written. With --quick, --only or --case the report goes to standard output, and nothing is written.

  --full             100 000 directories too
  --quick            1 000 directories, few rounds: for development
  --only PART        one of ${parts.join(", ")}; may be repeated
  --case TEXT        only roots whose id contains TEXT: SIZE-KIND-DEAD, such as 10000-v3-100
  --rounds N         rounds of each measurement
  --profile          where the time of a sweep goes, by function; nothing else is measured
  --contestant NAME  whom to profile: sweep (default), stream, portable, plain
  --json FILE        the results as JSON
`

const { values } = parseArgs({
  options: {
    full: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    only: { type: "string", multiple: true, default: [] },
    case: { type: "string", default: "" },
    rounds: { type: "string" },
    profile: { type: "boolean", default: false },
    contestant: { type: "string", default: "sweep" },
    json: { type: "string" },
    help: { type: "boolean", default: false }
  }
})

const isPart = (name: string): name is Part => parts.some((part) => part === name)

const measure = async (lab: Lab.Lab, wanted: (part: Part) => boolean): Promise<Results> => {
  const systemCalls = wanted("calls") ? await SystemCalls.run(lab) : undefined
  return {
    ...(systemCalls === undefined ? {} : { systemCalls }),
    ...(wanted("details") ? { details: await Details.run(lab) } : {}),
    ...(wanted("startup") ? { startup: await Startup.run(lab) } : {}),
    ...(wanted("sweeps") ? { sweeps: await Sweeps.run(lab) } : {}),
    ...(wanted("delays") ? { delays: await Delays.run(lab) } : {}),
    ...(wanted("memory") ? { memory: await Memory.run(lab) } : {})
  }
}

const publish = (machine: Machine.Machine, results: Results): void => {
  const docs = `${Lab.repository}/docs`
  const { sweeps = [] } = results
  Fs.writeFileSync(
    `${docs}/benchmarks.svg`,
    Plot.draw(sweeps, `${machine.kernel}, Node ${machine.node}, ${machine.date}`)
  )
  Fs.writeFileSync(`${docs}/benchmarks.md`, Report.render(machine, results, "benchmarks.svg"))
  console.error("written: docs/benchmarks.md, docs/benchmarks.svg")
}

const main = async (): Promise<void> => {
  const unknown = values.only.find((name) => !isPart(name))
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds)
  if (unknown !== undefined) throw new Error(`--only ${unknown}: not one of ${parts.join(", ")}`)
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) throw new Error("--rounds: not a number")
  const lab = await Lab.open({ quick: values.quick, full: values.full, rounds, only: values.case })
  try {
    if (lab.floor === undefined) lab.say("C floor: skipped, no compiler was found")
    if (values.profile) return await Profile.run(lab, values.contestant)
    const machine = Machine.read(lab)
    const results = await measure(lab, (part) => values.only.length === 0 || values.only.includes(part))
    if (values.case !== "" && results.sweeps?.length === 0)
      throw new Error(`--case ${values.case}: no root has such an id`)
    if (values.json !== undefined) Fs.writeFileSync(values.json, JSON.stringify({ machine, results }, null, 2))
    const isWhole = !values.quick && values.only.length === 0 && values.case === ""
    if (isWhole) publish(machine, results)
    else console.log(Report.render(machine, results, undefined))
  } finally {
    lab.close()
  }
}

if (process.platform !== "linux") {
  console.error("the benchmark measures the Linux Layers: it runs on Linux")
  process.exitCode = 1
} else if (values.help) console.log(usage)
else await main()
