/** The inspector of an agent, as a local Layer. */
import { Pid, ProcessIdentity } from "@vm-sentinel/core/ProcessIdentity"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import type { ObserveDepth } from "@vm-sentinel/core/Observation"
import { Context, Effect, Layer, Schema, type Scope } from "effect"
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { ProcessWorld } from "@vm-sentinel/core/test/support/ProcessInspectorTest"
import * as PidNamespace from "../../src/testing/PidNamespace.ts"
import * as Protocol from "../agents/inspectorProtocol.ts"
import { scriptOf } from "./prebuilt.ts"
import { hasCompiler, hasFlock, noCompiler, noFlock } from "./programs.ts"

export const script = scriptOf(join(import.meta.dirname, "../agents/inspector.ts"), "inspector")

export type Kind = "pidfd" | "procfs"

/** Sends a request to an agent. The inspector's failures arrive unchanged. Every other failure is a defect. */
const talk =
  (session: PidNamespace.Session) =>
  <A>(schema: Schema.Codec<A, unknown>, request: Protocol.Request) =>
    Effect.gen(function* () {
      const reply = yield* Effect.orDie(
        session.request(request).pipe(Effect.flatMap(Schema.decodeUnknownEffect(Protocol.Reply)))
      )
      if ("ok" in reply) return yield* Effect.orDie(Schema.decodeUnknownEffect(schema)(reply.ok))
      const failure = yield* Schema.decodeUnknownEffect(Protocol.Failure)(reply.failed).pipe(
        Effect.mapError(() => `${JSON.stringify(request)}: ${reply.message} ${JSON.stringify(reply.failed)}`),
        Effect.orDie
      )
      return yield* Effect.fail(failure)
    })

type Talk = ReturnType<typeof talk>

export class Agent extends Context.Service<Agent, { readonly ask: Talk; readonly pid: Pid }>()("test/Agent") {}

export const layer = <E>(
  start: Effect.Effect<PidNamespace.Session, E, Scope.Scope>
): Layer.Layer<ProcessInspector | Agent, E> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const ask = talk(yield* start)
      const inspector = ProcessInspector.of({
        host: Effect.orDie(ask(Protocol.Host, { op: "host" })),
        self: ask(ProcessIdentity, { op: "self" }).pipe(
          Effect.catchTag(["NotFound", "PermissionDenied"], (error) => Effect.die(error))
        ),
        identify: (pid) => ask(ProcessIdentity, { op: "identify", pid }),
        observe: (pid, wanted: ObserveDepth = "all") =>
          Effect.orDie(ask(Protocol.Observed, { op: "observe", pid, wanted })),
        lockHolders: (directory) => Effect.orDie(ask(Protocol.Holders, { op: "lockHolders", directory }))
      })
      const pid = yield* Effect.orDie(ask(Pid, { op: "pid" }))
      return Context.mergeAll(Context.make(ProcessInspector, inspector), Context.make(Agent, { ask, pid }))
    })
  )

/** Directory for the files of an agent. The agent is killed, so it can't remove them. */
const folder = Effect.acquireRelease(
  Effect.sync(() => {
    const path = mkdtempSync(join(tmpdir(), "vm-sentinel-agent-"))
    chmodSync(path, 0o777)
    return path
  }),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** A session of an agent. The end of the session removes the directory of its files. */
export const tidySession = Effect.fnUntraced(function* (
  command: ReadonlyArray<string>,
  agent: string,
  args: ReadonlyArray<string>
) {
  return yield* PidNamespace.sessionUnder(["env", `TMPDIR=${yield* folder}`, ...command], agent, args)
})

const start = (command: ReadonlyArray<string>, kind: Kind) => tidySession(command, script, [kind])

/** An agent in a PID namespace of its own. */
export const inNamespace = (kind: Kind) =>
  layer(Effect.flatMap(PidNamespace.unshareArguments, (args) => start(["unshare", ...args], kind)))

/** An agent that runs under a command, such as `unshare`. */
export const under = (command: ReadonlyArray<string>, kind: Kind) => layer(start(command, kind))

const ask = <A>(schema: Schema.Codec<A, unknown>, request: Protocol.Request) =>
  Agent.use((agent) => agent.ask(schema, request))

/** Makes processes in the agent's namespace. They end with the agent. */
export const world: ProcessWorld<Agent> = {
  spawn: ask(Pid, { op: "spawn" }),
  exit: (pid) => ask(Protocol.Nothing, { op: "exit", pid }),
  zombify: (pid) => ask(Protocol.Nothing, { op: "zombify", pid }),
  stop: (pid) => ask(Protocol.Nothing, { op: "stop", pid }),
  recycle: (pid, executable) => ask(Protocol.Nothing, { op: "recycle", pid, executable }),
  thread: ask(Schema.Struct({ process: Pid, thread: Pid }), { op: "thread" }),
  leaderExited: hasCompiler ? ask(Pid, { op: "leaderExited" }) : noCompiler,
  reexec: Effect.map(ask(Pid, { op: "reexec" }), (pid) => ({ pid, exec: ask(Protocol.Nothing, { op: "exec", pid }) })),
  lockHolder: hasFlock
    ? Effect.map(ask(Protocol.Holder, { op: "lockHolder" }), (holder) => ({
        ...holder,
        free: ask(Protocol.Nothing, { op: "free", pid: holder.pid })
      }))
    : noFlock
}
