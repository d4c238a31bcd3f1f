/** Starts sweeper agents and sends requests to them. */
import { Data, Effect, Schema, type Scope, Semaphore } from "effect"
import { join } from "node:path"
import { type PidNamespaceError, sessionUnder } from "../../src/testing/PidNamespace.ts"
import { scriptOf } from "./prebuilt.ts"
import * as Protocol from "../agents/sweeperProtocol.ts"

const { SENTINEL_TEST_PREBUILT: prebuilt } = process.env
export const script = scriptOf(join(import.meta.dirname, "../agents/sweeper.ts"), "sweeper")

/** The `vm-sentinel` command, as a script for Node. */
export const command =
  prebuilt === undefined ? join(import.meta.dirname, "../../../cli/src/bin.ts") : `${prebuilt}/command/bin.cjs`

// Tests start a hundred agents. A compile cache halves the start time of each.
const cache =
  prebuilt === undefined
    ? join(import.meta.dirname, "../../../../node_modules/.cache/vm-sentinel-agents")
    : `${prebuilt}/compiled`
export const compiled: ReadonlyArray<string> = ["env", `NODE_COMPILE_CACHE=${cache}`]

/** The failure of an agent's task. */
export class Refused extends Data.TaggedError("Refused")<{ readonly failed: string; readonly message: string }> {}

export interface Agent {
  /** Fails with `PidNamespaceError` if the agent has ended. */
  readonly ask: <A>(
    schema: Schema.Codec<A, unknown>,
    request: Protocol.Request
  ) => Effect.Effect<A, Refused | PidNamespaceError | Schema.SchemaError>
}

/** Starts an agent, under a command such as `unshare` with its arguments. The end of the scope kills it. */
export const start = Effect.fnUntraced(function* (
  command: ReadonlyArray<string> = []
): Effect.fn.Return<Agent, PidNamespaceError, Scope.Scope> {
  const session = yield* sessionUnder([...compiled, ...command], script)
  // An agent answers one request at a time.
  const turn = Semaphore.makeUnsafe(1)
  return {
    ask: (schema, request) =>
      Effect.gen(function* () {
        const said = yield* turn.withPermit(session.request(request))
        const reply = yield* Schema.decodeUnknownEffect(Protocol.Reply)(said)
        return "ok" in reply ? yield* Schema.decodeUnknownEffect(schema)(reply.ok) : yield* new Refused(reply)
      })
  }
})

/** Command for {@link start}. The agent removes by threads of Node's pool. */
export const withPool = ["env", "SENTINEL_TEST_POOL=1"]

/** Command for {@link start}. The agent has its own mount namespace, so mounts made inside are invisible outside. */
export const ownMounts = ["unshare", "--mount", "--propagation", "private"]

export const sweep = (
  agent: Agent,
  root: string,
  options: { readonly dryRun?: boolean; readonly concurrency?: number } = {}
) => agent.ask(Protocol.Report, { op: "sweep", root, ...options })

export const run = (agent: Agent, ...command: ReadonlyArray<string>) => agent.ask(Schema.String, { op: "run", command })

export const pid = (agent: Agent) => agent.ask(Schema.Number, { op: "pid" })

export const create = (agent: Agent, directory: string) => agent.ask(Protocol.Lock, { op: "create", directory })

export const hold = (agent: Agent, directory: string, role = "owner") =>
  agent.ask(Protocol.Lock, { op: "hold", directory, role })

export const probe = (agent: Agent, directory: string) => agent.ask(Schema.String, { op: "probe", directory })

/** Kills the agent at a change of the task. `false` if the task ends before that. Fails if the agent ends otherwise. */
export const untilKilled = (
  agent: Agent,
  at: number,
  when: "before" | "after",
  task: Protocol.Task
): Effect.Effect<boolean, Refused | Schema.SchemaError | PidNamespaceError> =>
  Effect.andThen(
    agent.ask(Schema.Unknown, { op: "arm", at, when }),
    agent.ask(Schema.Unknown, task).pipe(
      Effect.as(false),
      Effect.catchIf(
        (error) => error._tag === "PidNamespaceError" && error.problem === "the script ended: ",
        () => Effect.succeed(true)
      )
    )
  )
