/** A process that owns directories, sweeps and may be killed. Answers lines of JSON, see `sweeperProtocol.ts`. */
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import * as Ownership from "@vm-sentinel/core/Ownership"
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import { Effect, Exit, Result, Schema, Scope } from "effect"
import { execFileSync, spawn } from "node:child_process"
import * as Fs from "node:fs"
import { flushCompileCache } from "node:module"
import * as Faults from "../support/faults.ts"
import { Report, Request } from "./sweeperProtocol.ts"
import * as Real from "../support/realLayers.ts"
import * as Tree from "../support/tree.ts"
import { answerLines } from "./answering.ts"

const encodeReport = Schema.encodeEffect(Report)

let held = Scope.makeUnsafe()
/** Descriptors of the locks, by held directory. `undefined` if the directory has no lock. */
const locks = new Map<string, number | undefined>()
let changes: () => ReadonlyArray<Faults.Change> = () => []

const start = ({ command: [file = "", ...args], giving }: Extract<Request, { op: "start" }>) =>
  Effect.callback<number>((resume) => {
    const lock = giving === undefined ? undefined : locks.get(giving)
    if (giving !== undefined && lock === undefined) return resume(Effect.die(`${giving} isn't held`))
    const stdio = ["ignore", "ignore", "ignore", ...(lock === undefined ? [] : [lock])] as const
    const child = spawn(file, args, { stdio: [...stdio], detached: true })
    child.once("spawn", () => resume(Effect.succeed(child.pid ?? 0)))
    child.once("error", (error) => resume(Effect.die(error)))
  })

const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

/**
 * Writes the file that an owner must find in its directory as long as the owner lives. A sweep that judged the
 * directory before its owner came moves the directory away for a moment and back, so ENOENT is retried.
 */
const furnish = (directory: string, name: string) =>
  Effect.try({
    try: () => Fs.writeFileSync(`${directory}/payload`, `${process.pid} ${name}`),
    catch: (cause) => cause
  }).pipe(
    Effect.tapError(() => turn),
    Effect.retry({
      while: (cause) => cause instanceof Error && "code" in cause && cause.code === "ENOENT",
      times: 1000
    }),
    Effect.orDie
  )

const settle = Effect.fnUntraced(function* ({ names, restart, root, stop }: Extract<Request, { op: "settle" }>) {
  const wanted = new Set(names)
  const [made, restarted]: [Array<string>, Array<string>] = [[], []]
  const refusals: Record<string, number> = {}
  while (wanted.size > 0 && !Fs.existsSync(stop)) {
    for (const name of wanted) {
      const directory = `${root}/${name}`
      const isThere = Fs.existsSync(directory)
      if (isThere && !restart) continue
      const result = yield* isThere
        ? Effect.result(Effect.asVoid(Ownership.record(directory)))
        : Effect.result(Effect.asVoid(Scope.provide(Ownership.create(directory), held)))
      if (Result.isSuccess(result)) {
        yield* furnish(directory, name)
        wanted.delete(name)
        const settled = isThere ? restarted : made
        settled.push(name)
      } else {
        const { _tag } = result.failure
        refusals[_tag] = (refusals[_tag] ?? 0) + 1
      }
      yield* Effect.yieldNow
    }
    yield* turn
  }
  return { made, restarted, refusals }
})

const answer = Effect.fnUntraced(function* (request: Request) {
  switch (request.op) {
    case "sweep": {
      const { root, op: _, ...options } = request
      const report = yield* Cleanup.sweep(root, options)
      Faults.observe(() => {})
      return yield* encodeReport(report)
    }
    case "record":
    case "create":
    case "hold": {
      const { directory, op, pid, ...rest } = request
      const options = { ...rest, ...(pid === undefined ? {} : { pid: Pid.make(pid) }) }
      if (op === "record") {
        yield* Ownership.record(directory, options)
        Faults.observe(() => {})
        return null
      }
      const own = op === "hold" ? Ownership.hold : Ownership.create
      const { file, lock } = yield* Scope.provide(own(directory, rest), held)
      if (pid !== undefined) {
        yield* Ownership.release(directory, file)
        yield* Ownership.record(directory, { ...options, ...(lock === undefined ? {} : { lock }) })
      }
      Faults.observe(() => {})
      locks.set(directory, lock?.fd)
      return lock === undefined ? null : { tested: lock.tested }
    }
    case "settle":
      return yield* settle(request)
    case "arm":
      return Faults.killAt(request.at, request.when)
    case "watch":
      changes = Faults.record()
      return null
    case "changes":
      return changes()
    case "release":
      yield* Scope.close(held, Exit.void)
      held = Scope.makeUnsafe()
      locks.clear()
      return null
    case "probe":
      return yield* SentinelStore.use(({ probeLock }) => probeLock(request.directory))
    case "start":
      return yield* start(request)
    case "run": {
      const [file = "", ...args] = request.command
      return yield* Effect.try(() => execFileSync(file, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }))
    }
    case "exec": {
      const [file = "", ...args] = request.command
      return process.execve?.(file, [file, ...args], {})
    }
    case "descriptors":
      return Tree.descriptors()
    case "pid":
      return process.pid
  }
})

const tagOf = (failed: unknown): string =>
  typeof failed === "object" && failed !== null && "_tag" in failed ? String(failed._tag) : "Error"

// Node must write the compile cache now, because a kill at any later time would lose it.
flushCompileCache()
await Effect.runPromise(Effect.provide(answerLines(Request, answer, tagOf), Real.layer))
