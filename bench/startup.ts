/** Start-up time of the command, compared with a Node that does nothing. */
import { execFileSync, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Lab from "./lab.ts"
import { median, medianRatio, rotated } from "./statistics.ts"

export interface Row {
  readonly command: string
  /** `source`: the TypeScript sources. `dist`: the published bundle. `undefined`: Node with an empty program. */
  readonly form: "source" | "dist" | undefined
  readonly what: "nothing" | "version" | "list"
  readonly ms: number
  readonly ratio: number
}

type Candidate = Omit<Row, "ms" | "ratio"> & { readonly args: ReadonlyArray<string> }

const bundle = `${Lab.repository}/packages/cli/dist/bin.cjs`

const candidatesOf = (emptyRoot: string): ReadonlyArray<Candidate> => {
  const forms = [
    { form: "source", file: `${Lab.repository}/packages/cli/src/bin.ts` },
    { form: "dist", file: bundle }
  ] as const
  return [
    { command: "node -e 0", form: undefined, what: "nothing", args: ["-e", "0"] },
    ...forms.flatMap(({ file, form }): ReadonlyArray<Candidate> => [
      { command: "vm-sentinel --version", form, what: "version", args: [file, "--version"] },
      { command: "vm-sentinel list <empty root>", form, what: "list", args: [file, "list", emptyRoot] }
    ])
  ]
}

const timed = ({ args }: Candidate): number => {
  const { NODE_COMPILE_CACHE: _, ...env } = process.env
  const start = performance.now()
  const { status } = spawnSync(process.execPath, args, { stdio: "ignore", env })
  if (status !== 0) throw new Error(`node ${args.join(" ")}: exit code ${status}`)
  return performance.now() - start
}

const canRun = (lab: Lab.Lab, candidate: Candidate): boolean => {
  const { command, form } = candidate
  try {
    timed(candidate)
    return true
  } catch (error) {
    lab.say(`startup: ${command} from ${form} skipped: ${error instanceof Error ? error.message : error}`)
    return false
  }
}

export const run = async (lab: Lab.Lab): Promise<ReadonlyArray<Row>> => {
  const { quick, rounds = quick ? 7 : 31 } = lab.settings
  execFileSync(process.execPath, [`${Lab.repository}/scripts/bundle.ts`], { stdio: "inherit" })
  const emptyRoot = Lab.freshPath(lab)
  Fs.mkdirSync(emptyRoot, { mode: 0o700 })
  // `canRun` runs each candidate once, uncounted. That run fills the kernel's caches.
  const candidates = candidatesOf(emptyRoot).filter((candidate) => canRun(lab, candidate))
  const times = new Map(candidates.map((candidate) => [candidate, new Array<number>()]))
  for (let round = 0; round < rounds; round++) {
    for (const candidate of rotated(candidates, round)) times.get(candidate)?.push(timed(candidate))
  }
  const [node] = candidates
  const bases = node === undefined ? [] : (times.get(node) ?? [])
  return candidates.map((candidate) => {
    const { command, form, what } = candidate
    const list = times.get(candidate) ?? []
    const row = { command, form, what, ms: median(list), ratio: medianRatio(list, bases) }
    lab.say(`startup ${row.command} ${row.form ?? ""}: ${row.ms.toFixed(1)} ms, ${row.ratio.toFixed(2)} × node -e 0`)
    return row
  })
}
