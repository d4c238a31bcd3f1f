/**
 * An owner that reaches a directory by its own way and takes it, or is refused. The directory that it took must stay as
 * long as this process lives. Answers lines of JSON, see `takerProtocol.ts`.
 */
import * as Ownership from "@vm-sentinel/core/Ownership"
import { Effect, Exit, Result, Schema, Scope } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import { createInterface } from "node:readline"
import * as Real from "../support/realLayers.ts"
import { type Come, Request, type Seen, type Take } from "./takerProtocol.ts"

let scope = Scope.makeUnsafe()
/** This process's path to the directory. `undo` ends the use of this path. */
let way = ""
let undo: () => void = () => undefined

const come = ({ directory, how, volume }: Come): void => {
  switch (how) {
    case "path":
      way = directory
      return
    case "working directory":
      process.chdir(directory)
      way = "."
      undo = () => process.chdir("/")
      return
    case "bind mount":
      Fs.mkdirSync(volume, { recursive: true })
      execFileSync("mount", ["--bind", directory, volume])
      way = volume
      undo = () => execFileSync("umount", [volume])
      return
    case "descriptor": {
      const fd = Fs.openSync(directory, Fs.constants.O_RDONLY | Fs.constants.O_DIRECTORY)
      way = `/proc/self/fd/${fd}/.`
      undo = () => Fs.closeSync(fd)
    }
  }
}

const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

/** Number of attempts of `create`, which fails while the name is in use. */
const tries = 10

const acquire = ({ by, role }: Take) => {
  switch (by) {
    case "record":
      return Effect.asVoid(Ownership.record(way, { role }))
    case "hold":
      return Effect.asVoid(Scope.provide(Ownership.hold(way, { role }), scope))
    case "create":
      return Scope.provide(Ownership.create(way, { role }), scope).pipe(
        Effect.tapErrorTag("AlreadyOwned", () => turn),
        Effect.retry({ while: ({ _tag }) => _tag === "AlreadyOwned", times: tries }),
        Effect.asVoid
      )
  }
}

const isAbsent = (cause: unknown): boolean => cause instanceof Error && "code" in cause && cause.code === "ENOENT"

/**
 * A sweep that judged the directory before this process recorded itself moves the directory away for a moment and back,
 * so ENOENT is retried.
 */
const furnish = (role: string) =>
  Effect.try({
    try: () => Fs.writeFileSync(`${way}/payload.${role}`, `${process.pid}`),
    catch: (cause) => cause
  }).pipe(
    Effect.tapError(() => turn),
    Effect.retry({ while: isAbsent, times: 1000 }),
    Effect.orDie
  )

const take = Effect.fnUntraced(function* (request: Take) {
  yield* Effect.sleep(request.delay)
  const taken = yield* Effect.result(acquire(request))
  if (Result.isFailure(taken)) return taken.failure._tag
  yield* furnish(request.role)
  return "taken"
})

const look = (role: string): Seen => {
  const name = role === "owner" ? ".vm-sentinel" : `.vm-sentinel.${role}`
  const said = (file: string): string => {
    try {
      return Fs.readFileSync(`${way}/${file}`, "utf8").split("\n")[0] ?? ""
    } catch (error) {
      return String(error)
    }
  }
  try {
    const { dev, ino, nlink } = Fs.statSync(way)
    return { id: `${dev}:${ino}`, isLinked: nlink > 0, owner: said(name), payload: said(`payload.${role}`) }
  } catch (error) {
    return { id: "", isLinked: false, owner: String(error), payload: "" }
  }
}

const answer = Effect.fnUntraced(function* (request: Request) {
  switch (request.op) {
    case "come":
      return come(request)
    case "take":
      return yield* take(request)
    case "look":
      return look(request.role)
    case "leave":
      yield* Scope.close(scope, Exit.void)
      scope = Scope.makeUnsafe()
      undo()
      undo = () => undefined
      return undefined
    case "pid":
      return process.pid
  }
})

const program = Effect.gen(function* () {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
  for (;;) {
    const next = yield* Effect.promise(() => lines.next())
    if (next.done === true) return
    const request = yield* Schema.decodeEffect(Schema.fromJsonString(Request))(next.value)
    process.stdout.write(`${JSON.stringify((yield* answer(request)) ?? null)}\n`)
  }
})

await Effect.runPromise(Effect.provide(program, Real.layer))
