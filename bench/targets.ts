/** The project's performance targets, and whether a run meets them. */
import * as Memory from "./memory.ts"
import type { Results } from "./results.ts"
import type { Row as SweepRow } from "./sweeps.ts"

export interface Target {
  readonly what: string
  readonly limit: string
  /** `undefined` if not measured. */
  readonly measured: string | undefined
  readonly met: boolean | undefined
}

const atMost = (what: string, limit: number, unit: string, value: number | undefined, digits = 2): Target => {
  const isMeasured = value !== undefined && !Number.isNaN(value)
  return {
    what,
    limit: `≤ ${limit}${unit}`,
    measured: isMeasured ? `${value.toFixed(digits)}${unit}` : undefined,
    met: isMeasured ? value <= limit : undefined
  }
}

const kinds = ["v2", "v3"] as const

const sweepOf = (results: Results, size: number, kind: string, dead: number): SweepRow | undefined =>
  results.sweeps?.find(
    ({ contestant, spec }) =>
      contestant === "sweep" && spec.size === size && spec.kind === kind && spec.dead === dead && spec.files === 1
  )

const ofSweep = (size: string, dead: number, kind: string): string =>
  `sweep, ${size} directories, ${dead} % dead, ${kind}`

const toFloor = (results: Results): ReadonlyArray<Target> =>
  kinds.map((kind) =>
    atMost(`${ofSweep("10 000", 0, kind)}, to the C floor`, 1.6, " ×", sweepOf(results, 10_000, kind, 0)?.toFloor)
  )

const toPlain = (results: Results): ReadonlyArray<Target> =>
  [0, 100].flatMap((dead) =>
    kinds.flatMap((kind) => {
      const large = sweepOf(results, 10_000, kind, dead)
      const small = sweepOf(results, 1000, kind, dead)
      return [
        atMost(`${ofSweep("10 000", dead, kind)}, to the plain Node loop`, 1, " ×", large?.toPlain),
        atMost(`${ofSweep("1 000", dead, kind)}, to the plain Node loop`, 1.4, " ×", small?.toPlain)
      ]
    })
  )

const delays = (results: Results): ReadonlyArray<Target> =>
  (results.delays ?? [{ contestant: "sweep", spec: undefined, p99: undefined, max: undefined }])
    .filter(({ contestant }) => contestant === "sweep")
    .flatMap(({ max, p99, spec }) => {
      const of = spec === undefined ? "" : `, ${spec.dead} % dead, ${spec.kind}${spec.files > 1 ? ", many files" : ""}`
      return [
        atMost(`event-loop delay, p99${of}`, 5, " ms", p99, 1),
        atMost(`event-loop delay, max${of}`, 20, " ms", max, 1)
      ]
    })

const mebibyte = 1024

const memory = ({ memory = [] }: Results): ReadonlyArray<Target> =>
  [0, 100].map((dead) => {
    const row = memory.find(
      ({ contestant, large, ...row }) => contestant === Memory.tight && row.dead === dead && large === 100_000
    )
    const growth = row === undefined ? undefined : (row.largePeak - row.smallPeak) / mebibyte
    const what = `outcomes with the command's flags, peak memory at 100 000 over the peak at 1 000, ${dead} % dead`
    return atMost(what, 32, " MiB", growth, 1)
  })

/** The target is for the published bundle. A run without a bundle shows the sources. */
const startup = (results: Results): ReadonlyArray<Target> =>
  (["version", "list"] as const).map((what) => {
    const rows = results.startup?.filter((row) => row.what === what) ?? []
    const row = rows.find(({ form }) => form === "dist") ?? rows[0]
    const name = what === "version" ? "vm-sentinel --version" : "vm-sentinel list <empty root>"
    const form = row?.form === "source" ? " (from source)" : ""
    return atMost(`\`${name}\` to \`node -e 0\`${form}`, what === "version" ? 1.6 : 4.5, " ×", row?.ratio)
  })

export const of = (results: Results): ReadonlyArray<Target> =>
  [toFloor, toPlain, delays, memory, startup].flatMap((part) => part(results))
