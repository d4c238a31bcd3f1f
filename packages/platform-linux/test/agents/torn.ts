/**
 * Observes one number while two programs give it to process after process as fast as they can. Each process belongs to
 * one program in name, executable and uid, so an observation must not mix them. Usage, in a PID namespace: `torn.ts
 * pidfd|procfs COUNT`. Prints JSON.
 */
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import type { Observation, ObserveDepth } from "@vm-sentinel/core/Observation"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import { Effect, Layer } from "effect"
import { basename } from "node:path"
import * as LinuxProcessInspector from "../../src/LinuxProcessInspector.ts"
import { Programs } from "../support/programs.ts"
import { piped } from "../support/processes.ts"

const [kind, count] = [process.argv[2], Number(process.argv[3])]
const inspector = kind === "procfs" ? LinuxProcessInspector.layerProcfs : LinuxProcessInspector.layer

const pid = Pid.make(20_000)
const sides = { left: 1001, right: 1002 } as const
const depths: ReadonlyArray<ObserveDepth> = ["existence", "identity", "path", "executable", "all", "all", "all"]

/** The sides that an observation shows, by name, executable and uid. A consistent observation shows one side. */
const sidesOf = (observation: Observation): ReadonlyArray<string> => {
  if (observation._tag !== "Present") return []
  const { comm, exe, uid } = observation
  const byUid = Object.entries(sides).find(([, number]) => number === uid)?.[0]
  return [
    ...(comm === undefined ? [] : [comm]),
    ...(exe === undefined ? [] : [basename(exe.path)]),
    ...(uid === undefined ? [] : [byUid ?? `uid ${uid}`])
  ]
}

const program = Effect.gen(function* () {
  const { observe } = yield* ProcessInspector
  const { copy, helper } = yield* Programs
  for (const [name, uid] of Object.entries(sides)) {
    const churn = yield* piped(copy(helper("churn"), name), [`${pid}`, `${uid}`])
    yield* churn.line
  }
  const seen: Record<string, number> = {}
  const mixtures: Array<Observation> = []
  const byId = new Map<string, string>()
  for (let look = 0; look < count; look++) {
    const observation = yield* observe(pid, depths[look % depths.length])
    const answers = new Set(sidesOf(observation))
    const key = [observation._tag, ...answers].join(" ")
    seen[key] = (seen[key] ?? 0) + 1
    let torn = answers.size > 1
    if (observation._tag === "Present" && observation.processId64 !== undefined) {
      // An id belongs to one process, which has one start time and one side.
      for (const [kind, value] of [["start", observation.startTime] as const, ["side", [...answers][0]] as const]) {
        if (value === undefined) continue
        const key = `${kind} ${observation.processId64}`
        torn ||= (byId.get(key) ?? value) !== value
        byId.set(key, value)
      }
    }
    if (torn) mixtures.push(observation)
  }
  return { count, seen, ids: byId.size, mixtures: mixtures.length, examples: mixtures.slice(0, 5) }
})

const result = await Effect.runPromise(
  Effect.scoped(program).pipe(Effect.provide(Layer.merge(inspector, Programs.layer)))
)
process.stdout.write(JSON.stringify(result))
