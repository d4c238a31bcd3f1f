/**
 * A process that calls `execve(2)` on itself over and over, from a thread that isn't its leader, is never judged dead:
 * `node stress/inspector-exec.ts [COUNT]`, default 100 000. `/proc/<pid>/stat` is no snapshot. During such a call its
 * fields together can show the leader as a zombie without threads.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { Pid, ProcessIdentity } from "../packages/core/src/ProcessIdentity.ts"
import { ProcessInspector } from "../packages/core/src/ProcessInspector.ts"
import * as Sentinel from "../packages/core/src/Sentinel.ts"
import * as Verdict from "../packages/core/src/Verdict.ts"
import * as LinuxProcessInspector from "../packages/platform-linux/src/LinuxProcessInspector.ts"
import { Programs } from "@vm-sentinel/platform-linux/test/support/programs"
import { piped } from "@vm-sentinel/platform-linux/test/support/processes"

const count = Number(process.argv[2] ?? 100_000)

const recordOf = (identity: ProcessIdentity): Sentinel.Sentinel =>
  Result.getOrThrow(Sentinel.fromIdentity(identity, "v3", { nonce: "stress-nonce", role: "owner", createdAt: "" }))

const frame = { id: { dev: "1", ino: "2" }, fileSystem: { type: "ext4", oneKernel: true } } as const
const knowledge = { lock: "self", shared: "keep", legacy: "trust" } as const

const program = Effect.gen(function* () {
  const { host, identify, observe } = yield* ProcessInspector
  const reader = { host: yield* host, frame, knowledge }
  const owner = yield* piped((yield* Programs).helper("reexec"))
  yield* owner.line
  const identity = yield* identify(Pid.make(owner.pid))
  const { processId64: _, ...weak } = identity
  const seen: Record<string, number> = {}
  for (let look = 0; look < count; look++) {
    for (const sentinel of [recordOf(identity), recordOf(new ProcessIdentity(weak))]) {
      const process = yield* observe(identity.pid, Verdict.depthFor(sentinel))
      const { reason, verdict } = Verdict.judge(sentinel, { observed: { process } }, reader)
      seen[`${verdict} ${reason}`] = (seen[`${verdict} ${reason}`] ?? 0) + 1
    }
  }
  return seen
})

for (const [kind, layer] of [
  ["pidfd", LinuxProcessInspector.layer],
  ["procfs", LinuxProcessInspector.layerProcfs]
] as const) {
  const seen = await Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(Layer.merge(layer, Programs.layer))))
  console.log(kind, seen)
  if (Object.keys(seen).some((verdict) => verdict.startsWith("dead"))) process.exitCode = 1
}
