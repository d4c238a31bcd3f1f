/**
 * Runs one contestant in a process of its own: `worker.ts NAME [--delay] [--profile FILE]`. Each line of standard input
 * is the path of a root. The worker sweeps the root and answers with a line of JSON.
 */
import * as Fs from "node:fs"
import * as Inspector from "node:inspector/promises"
import { monitorEventLoopDelay, performance } from "node:perf_hooks"
import * as ReadLine from "node:readline"
import { parseArgs } from "node:util"
import { contestants, type Counts } from "./contestants.ts"
import type { Sample } from "./sample.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { delay: { type: "boolean", default: false }, profile: { type: "string" } }
})
const [name = ""] = positionals
const contestant = contestants.get(name)
if (contestant === undefined) throw new Error(`no contestant "${name}"`)
const run = await contestant()

/** Resets `VmHWM` to the current resident memory (`proc_pid_clear_refs(5)`), to leave out module loading. */
const resetPeak = () => Fs.writeFileSync("/proc/self/clear_refs", "5")

const peakKiB = (): number =>
  Number(/^VmHWM:\s*(\d+) kB$/m.exec(Fs.readFileSync("/proc/self/status", "utf8"))?.[1] ?? Number.NaN)

const delayed = async <A>(run: () => Promise<A>): Promise<readonly [A, NonNullable<Sample["delay"]>]> => {
  const histogram = monitorEventLoopDelay({ resolution: 1 })
  histogram.enable()
  // The histogram starts to measure at the first tick of its timer.
  await new Promise((done) => {
    setTimeout(done, 5)
  })
  histogram.reset()
  const result = await run()
  // Only the next tick records a delay at the very end of the sweep.
  await new Promise((done) => {
    setTimeout(done, 5)
  })
  histogram.disable()
  const ms = (nanoseconds: number) => nanoseconds / 1e6
  return [result, { p50: ms(histogram.percentile(50)), p99: ms(histogram.percentile(99)), max: ms(histogram.max) }]
}

const timed = async (root: string) => {
  const cpu = process.cpuUsage()
  const start = performance.now()
  const count = await run(root)
  const ms = performance.now() - start
  const { system, user } = process.cpuUsage(cpu)
  return { count, ms, userMs: user / 1000, systemMs: system / 1000 }
}

const profiled = async <A>(file: string, run: () => Promise<A>): Promise<A> => {
  const session = new Inspector.Session()
  session.connect()
  await session.post("Profiler.enable")
  await session.post("Profiler.setSamplingInterval", { interval: 200 })
  await session.post("Profiler.start")
  const result = await run()
  const { profile } = await session.post("Profiler.stop")
  session.disconnect()
  Fs.writeFileSync(file, JSON.stringify(profile))
  return result
}

const measure = async (root: string): Promise<Sample> => {
  resetPeak()
  const sampleOf = ({ count, ...times }: Awaited<ReturnType<typeof timed>>) => {
    const peak = peakKiB()
    const counts: Counts = count()
    return { ...times, ...counts, peakKiB: peak }
  }
  if (values.delay) {
    const [result, delay] = await delayed(() => timed(root))
    return { ...sampleOf(result), delay }
  }
  const { profile } = values
  return sampleOf(await (profile === undefined ? timed(root) : profiled(profile, () => timed(root))))
}

for await (const root of ReadLine.createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await measure(root))}\n`)
}
