/** What the project promises itself, and whether this run shows it. */
import type { Results } from "./results.ts"
import type { Row as SweepRow } from "./sweeps.ts"

export interface Target {
  readonly what: string
  readonly limit: string
  /** `undefined`: not measured. */
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

const speed = (results: Results): ReadonlyArray<Target> =>
  [0, 100].flatMap((dead) =>
    kinds.flatMap((kind) => {
      const large = sweepOf(results, 10_000, kind, dead)
      const small = sweepOf(results, 1000, kind, dead)
      const what = (size: string) => `sweep, ${size} directories, ${dead} % dead, ${kind}`
      return [
        atMost(`${what("10 000")}, to the C floor`, dead === 0 ? 1.5 : 1.2, " ×", large?.toFloor),
        atMost(`${what("10 000")}, to the plain Node loop`, 1, " ×", large?.toPlain),
        atMost(`${what("1 000")}, to the plain Node loop`, 1.3, " ×", small?.toPlain)
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
  [0, 100].flatMap((dead) =>
    ["sweep", "stream", "tight", "command"].map((name) => {
      const row = memory.find(
        ({ contestant, large, ...row }) => contestant === name && row.dead === dead && large === 100_000
      )
      const growth = row === undefined ? undefined : (row.largePeak - row.smallPeak) / mebibyte
      return atMost(`${name}, peak memory at 100 000 over the peak at 1 000, ${dead} % dead`, 32, " MiB", growth, 1)
    })
  )

const growth = (results: Results): ReadonlyArray<Target> =>
  [0, 100].map((dead) => {
    const [small, large] = [sweepOf(results, 10_000, "v3", dead)?.ms, sweepOf(results, 100_000, "v3", dead)?.ms]
    const ratio = small === undefined || large === undefined ? undefined : large / small
    return atMost(`sweep, time at 100 000 to the time at 10 000, ${dead} % dead`, 11, " ×", ratio, 1)
  })

const systemCalls = (results: Results): ReadonlyArray<Target> =>
  kinds.map((kind) => {
    const row = results.systemCalls?.find((row) => row.contestant === "sweep" && row.kind === kind && row.dead === 0)
    return atMost(`system calls for a live directory, ${kind}`, kind === "v2" ? 9 : 14, "", row?.total, 1)
  })

/** What is published is what counts; the sources stand in where it isn't built. */
const startup = (results: Results): ReadonlyArray<Target> =>
  (["version", "list"] as const).map((what) => {
    const rows = results.startup?.filter((row) => row.what === what) ?? []
    const row = rows.find(({ form }) => form === "dist") ?? rows[0]
    const name = what === "version" ? "vm-sentinel --version" : "vm-sentinel list <empty root>"
    const form = row?.form === "source" ? " (from source)" : ""
    return atMost(`\`${name}\` to \`node -e 0\`${form}`, what === "version" ? 1.6 : 2.2, " ×", row?.ratio)
  })

export const of = (results: Results): ReadonlyArray<Target> =>
  [speed, delays, memory, growth, systemCalls, startup].flatMap((part) => part(results))
