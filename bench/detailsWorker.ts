/**
 * Times single steps: `detailsWorker.ts LIVE_PID DEAD_PID V2_ROOT V3_ROOT MILLISECONDS`. Both roots hold only
 * directories with live owners. Each step is repeated for at least MILLISECONDS.
 */
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import * as Layout from "@vm-sentinel/core/Layout"
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import * as Sentinel from "@vm-sentinel/core/Sentinel"
import { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import * as Verdict from "@vm-sentinel/core/Verdict"
import * as LinuxProcessInspector from "@vm-sentinel/platform-linux/LinuxProcessInspector"
import * as LinuxSentinelStore from "@vm-sentinel/platform-linux/LinuxSentinelStore"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Result from "effect/Result"
import * as Fs from "node:fs"
import type { Figure } from "./details.ts"
import { median } from "./statistics.ts"

const [live = "", dead = "", v2Root = "", v3Root = "", budget = ""] = process.argv.slice(2)
const [livePid, deadPid] = [Pid.make(Number(live)), Pid.make(Number(dead))]

const figures: Array<Figure> = []

/**
 * Runs batches of about 1 ms. The figure is the median of the second half of the batches, when V8 has optimised the
 * code.
 */
const time = async (name: string, run: (times: number) => Promise<void> | void): Promise<void> => {
  const batches: Array<number> = []
  let times = 1
  const end = performance.now() + Number(budget)
  while (performance.now() < end || batches.length < 10) {
    const start = performance.now()
    await run(times)
    const ms = performance.now() - start
    batches.push((ms * 1000) / times)
    times = Math.max(1, Math.min(100_000, Math.round(times / Math.max(ms, 0.1))))
  }
  figures.push({ name, microseconds: median(batches.slice(batches.length >> 1)) })
}

const repeat =
  <A, E>(effect: Effect.Effect<A, E>) =>
  (times: number): Promise<void> =>
    Effect.runPromise(
      Effect.gen(function* () {
        for (let i = 0; i < times; i++) yield* effect
      })
    )

const inspectors = [
  { name: "with pidfds", layer: LinuxProcessInspector.layer },
  { name: "procfs alone", layer: LinuxProcessInspector.layerProcfs }
]
for (const { layer, name } of inspectors) {
  const inspector = await Effect.runPromise(Effect.provide(ProcessInspector, layer))
  for (const wanted of ["existence", "identity", "executable", "all"] as const) {
    await time(`inspector.observe, ${wanted}, living (${name})`, repeat(inspector.observe(livePid, wanted)))
  }
  for (const wanted of ["identity", "executable"] as const) {
    await time(`inspector.observe, ${wanted}, exited (${name})`, repeat(inspector.observe(deadPid, wanted)))
  }
}

const runtime = ManagedRuntime.make(Layer.mergeAll(LinuxProcessInspector.layer, LinuxSentinelStore.layer))
const inspector = await runtime.runPromise(ProcessInspector)
const store = await runtime.runPromise(SentinelStore)
const host = await runtime.runPromise(inspector.host)

const directoriesOf = (root: string) => Fs.readdirSync(root).map((name) => `${root}/${name}`)

for (const root of [v2Root, v3Root]) {
  const directories = directoriesOf(root)
  const [directory = ""] = directories
  const bytes = Fs.readFileSync(`${directory}/.vm-sentinel`)
  const sentinel = Result.getOrThrow(Sentinel.parse(bytes))
  const kind = sentinel._tag.toLowerCase()
  const process = await runtime.runPromise(inspector.observe(sentinel.pid, Verdict.depthFor(sentinel)))
  const id = { dev: "1", ino: "2" }
  const frame = { id, fileSystem: { type: "ext4", oneKernel: true } } as const
  const reader = { host, frame, knowledge: { lock: "self", shared: "keep", legacy: "trust" } } as const
  const inputs = { changedAt: Date.now(), observed: { process } }
  await time(`Sentinel.parse, ${kind}`, (times) => {
    for (let i = 0; i < times; i++) Sentinel.parse(bytes)
  })
  await time(`Verdict.judge, ${kind}, living`, (times) => {
    for (let i = 0; i < times; i++) Verdict.judge(sentinel, inputs, reader)
  })
  let next = 0
  const nextDirectory = Effect.sync(() => directories[next++ % directories.length] ?? directory)
  await time(
    `SentinelStore.look, ${kind}`,
    repeat(Effect.flatMap(nextDirectory, (path) => store.look(path, Layout.standard)))
  )
  const judged = Effect.flatMap(nextDirectory, (path) => Cleanup.judge(path))
  await time(`Cleanup.judge, ${kind}, living`, async (times) => {
    for (let i = 0; i < times; i++) await runtime.runPromise(judged)
  })
}
process.stdout.write(JSON.stringify(figures))
