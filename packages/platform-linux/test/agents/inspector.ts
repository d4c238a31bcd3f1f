/**
 * An inspector in a process somewhere else in the system: in a namespace, as another user, under another `/proc`.
 * Answers lines of JSON, see `inspectorProtocol.ts`. Argument: `pidfd` or `procfs`.
 */
import { PidNamespaces } from "@vm-sentinel/core/PidNamespaces"
import { Pid, ProcessIdentity } from "@vm-sentinel/core/ProcessIdentity"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import { Effect, Layer, Schema } from "effect"
import { orUndefined } from "@vm-sentinel/core/test/support/able"
import * as LinuxProcessInspector from "../../src/LinuxProcessInspector.ts"
import { recycle } from "../../src/testing/PidNamespace.ts"
import { Request } from "./inspectorProtocol.ts"
import { Programs } from "../support/programs.ts"
import { makeWorld } from "../support/processes.ts"
import { answerLines } from "./answering.ts"

const inspector = process.argv[2] === "procfs" ? LinuxProcessInspector.layerProcfs : LinuxProcessInspector.layer
const layer = Layer.merge(inspector, Programs.layer)

const world = makeWorld({ recycles: true })
const execs = new Map<number, Effect.Effect<void, unknown, never>>()
const frees = new Map<number, Effect.Effect<void, unknown, never>>()
const encodeIdentity = Schema.encodeEffect(ProcessIdentity)

const ability = <A>(value: A | undefined): Effect.Effect<A> =>
  value === undefined ? Effect.die("this world can't") : Effect.succeed(value)

/**
 * Gives one number to process after process as fast as possible. Returns the identity of each process and, once its
 * successor runs, two observations of the number.
 */
const recycles = Effect.fnUntraced(function* (count: number) {
  const { identify, observe } = yield* ProcessInspector
  const { one } = yield* Programs
  const program = { file: one, args: ["1000000"] }
  const pid = Pid.make(20_000)
  const rounds: Array<unknown> = []
  let child = yield* recycle(pid, program)
  for (let round = 0; round < count; round++) {
    const recorded = yield* Effect.flatMap(identify(pid), encodeIdentity)
    yield* child.end
    child = yield* recycle(pid, program)
    rounds.push({ recorded, identity: yield* observe(pid, "identity"), all: yield* observe(pid, "all") })
  }
  yield* child.end
  return rounds
})

const answer = Effect.fnUntraced(function* (request: Request) {
  const { host, identify, lockHolders, observe, self } = yield* ProcessInspector
  switch (request.op) {
    case "pid":
      return process.pid
    case "host":
      return yield* host
    case "self":
      return yield* Effect.flatMap(self, encodeIdentity)
    case "identify":
      return yield* Effect.flatMap(identify(request.pid), encodeIdentity)
    case "observe":
      return yield* observe(request.pid, request.wanted)
    case "prove":
      return yield* (yield* PidNamespaces).prove(request.sought, request.wanted)
    case "lockHolders":
      return yield* lockHolders(request.directory)
    case "lockHolder": {
      const { directory, free, pid } = yield* Effect.flatten(ability(orUndefined(world.lockHolder)))
      const context = yield* Effect.context<Programs>()
      frees.set(pid, Effect.scoped(Effect.provide(free, context)))
      return { pid, directory }
    }
    case "free":
      return yield* frees.get(request.pid) ?? Effect.die("not a process that holds a lock")
    case "spawn":
      return yield* world.spawn
    case "exit":
      return yield* Effect.flatMap(ability(world.exit), (exit) => exit(request.pid))
    case "zombify":
      return yield* Effect.flatMap(ability(world.zombify), (zombify) => zombify(request.pid))
    case "stop":
      return yield* Effect.flatMap(ability(world.stop), (stop) => stop(request.pid))
    case "recycle":
      return yield* Effect.flatMap(ability(world.recycle), (recycle) => recycle(request.pid, request.executable))
    case "thread":
      return yield* Effect.flatten(ability(world.thread))
    case "leaderExited":
      return yield* Effect.flatten(ability(orUndefined(world.leaderExited)))
    case "reexec": {
      const { exec, pid } = yield* Effect.flatten(ability(world.reexec))
      const context = yield* Effect.context<Programs>()
      execs.set(pid, Effect.scoped(Effect.provide(exec, context)))
      return pid
    }
    case "exec":
      return yield* execs.get(request.pid) ?? Effect.die("not a process that can")
    case "recycles":
      return yield* recycles(request.count)
  }
})

await Effect.runPromise(Effect.scoped(answerLines(Request, answer)).pipe(Effect.provide(layer)))
