/**
 * An inspector for macOS over its stand-ins, in a process of its own. It speaks the protocol of
 * `platform-linux/test/agents/inspectorProtocol.ts`. Argument: the options of the Layer as JSON. Without `libraryPath`
 * the Layer is `layerPs`.
 */
import { Pid, ProcessIdentity } from "@vm-sentinel/core/ProcessIdentity"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import { Effect, Layer, Schema } from "effect"
import { orUndefined } from "@vm-sentinel/core/test/support/able"
import { Programs } from "@vm-sentinel/platform-linux/test/support/programs"
import { Request } from "@vm-sentinel/platform-linux/test/agents/inspectorProtocol"
import { makeWorld, until } from "@vm-sentinel/platform-linux/test/support/processes"
import * as DarwinProcessInspector from "../../src/DarwinProcessInspector.ts"
import { answerLines } from "@vm-sentinel/platform-linux/test/agents/answering"

const Options = Schema.Struct({
  libraryPath: Schema.optionalKey(Schema.String),
  psPath: Schema.optionalKey(Schema.String),
  sysctlPath: Schema.optionalKey(Schema.String),
  ioregPath: Schema.optionalKey(Schema.String),
  maxPid: Schema.optionalKey(Schema.Int)
})

const options = Schema.decodeUnknownSync(Schema.fromJsonString(Options))(process.argv[2])
const isPs = options.libraryPath === undefined
const inspector = isPs ? DarwinProcessInspector.layerPsWith(options) : DarwinProcessInspector.layerWith(options)
const layer = Layer.merge(Programs.layer, inspector)

const world = makeWorld({ recycles: true })
const execs = new Map<number, Effect.Effect<void, unknown>>()
const encodeIdentity = Schema.encodeEffect(ProcessIdentity)

const ability = <A>(value: A | undefined): Effect.Effect<A> =>
  value === undefined ? Effect.die("this world can't") : Effect.succeed(value)

/** `ps` shows start times in whole seconds, so the next process with the number must start in another second. */
const nextSecond = Effect.suspend(() => {
  const begun = Date.now()
  return until("another second", () => Date.now() > begun + 1000)
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
    case "lockHolders":
      return yield* lockHolders(request.directory)
    case "spawn":
      return yield* world.spawn
    case "exit":
      return yield* Effect.flatMap(ability(world.exit), (exit) => exit(request.pid))
    case "zombify":
      return yield* Effect.flatMap(ability(world.zombify), (zombify) => zombify(request.pid))
    case "stop":
      return yield* Effect.flatMap(ability(world.stop), (stop) => stop(request.pid))
    case "recycle":
      if (isPs) yield* nextSecond
      return yield* Effect.flatMap(ability(world.recycle), (recycle) => recycle(request.pid, request.executable))
    case "leaderExited":
      return yield* Effect.flatten(ability(orUndefined(world.leaderExited)))
    case "reexec": {
      const { exec, pid } = yield* Effect.flatten(ability(world.reexec))
      const context = yield* Effect.context<Programs>()
      execs.set(pid, Effect.scoped(Effect.provide(exec, context)))
      return pid
    }
    case "exec":
      return yield* execs.get(Pid.make(request.pid)) ?? Effect.die("not a process that can")
    default:
      return yield* Effect.die(`${request.op} isn't asked of this agent`)
  }
})

await Effect.runPromise(Effect.scoped(answerLines(Request, answer)).pipe(Effect.provide(layer)))
