/** Owners take dead directories, by several ways, while sweeps remove the directories. */
import type { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import { Effect, Fiber, Schema, type Scope } from "effect"
import * as Fs from "node:fs"
import { join } from "node:path"
import { type PidNamespaceError, sessionUnder } from "../../src/testing/PidNamespace.ts"
import { scriptOf } from "./prebuilt.ts"
import * as Agents from "./sweepers.ts"
import * as Owners from "./owners.ts"
import type { Random } from "./random.ts"
import { type Come, Seen, type Request, type Take } from "../agents/takerProtocol.ts"
import * as Tree from "./tree.ts"

export interface Options {
  readonly rounds: number
  readonly sweepers: number
  readonly takers: number
  readonly directories: number
  readonly random: Random
}

export interface Result {
  /** Number of attempts by way and means: `bind mount, hold`. */
  readonly taken: Readonly<Record<string, number>>
  readonly refused: Readonly<Record<string, number>>
  readonly removed: number
  readonly problems: ReadonlyArray<string>
}

const script = scriptOf(join(import.meta.dirname, "../agents/taker.ts"), "taker")

interface Taker {
  readonly ask: <A>(
    schema: Schema.Codec<A, unknown>,
    request: Request
  ) => Effect.Effect<A, PidNamespaceError | Schema.SchemaError>
  readonly pid: number
}

const startTaker = Effect.gen(function* () {
  const session = yield* sessionUnder([...Agents.compiled, ...Agents.ownMounts], script)
  const ask: Taker["ask"] = (schema, request) =>
    Effect.flatMap(session.request(request), Schema.decodeUnknownEffect(schema))
  return { ask, pid: yield* ask(Schema.Number, { op: "pid" }) }
})

/** Makes a directory whose removal takes about as long as a takeover. */
const furnish = (directory: string, sentinel: string): void => {
  Fs.mkdirSync(`${directory}/data/inner`, { recursive: true, mode: 0o700 })
  Fs.writeFileSync(`${directory}/.vm-sentinel`, sentinel, { mode: 0o600 })
  for (let file = 0; file < 30; file++) Fs.writeFileSync(`${directory}/data/inner/file-${file}`, "")
}

/** Errors of an owner that came too late, when the directory is being removed, is gone, or has another owner. */
const refusals = new Set(["Claimed", "AlreadyOwned", "LockBusy", "NotFound", "Changed"])

const ways = ["path", "working directory", "bind mount", "descriptor"] as const
const means = ["hold", "record"] as const

interface Attempt {
  readonly taker: Taker
  readonly name: string
  readonly how: Come["how"]
  readonly by: Take["by"]
  readonly role: string
  readonly delay: number
}

const count = (counts: Record<string, number>, key: string): void => void (counts[key] = (counts[key] ?? 0) + 1)

const idOf = (path: string): string | undefined => {
  const stat = Fs.lstatSync(path, { throwIfNoEntry: false })
  return stat === undefined ? undefined : `${stat.dev}:${stat.ino}`
}

/** Runs the rounds. Each round has a root of its own, in which all directories are dead at first. */
export const run = Effect.fnUntraced(function* (
  scratch: string,
  { directories, random, rounds, sweepers, takers }: Options
): Effect.fn.Return<Result, unknown, ProcessInspector | Scope.Scope> {
  const { dead } = yield* Owners.make
  const agents = yield* Effect.all(
    Array.from({ length: sweepers }, (_, index) => Agents.start(index % 2 === 0 ? [] : Agents.withPool))
  )
  const all = yield* Effect.all(Array.from({ length: takers }, () => startTaker))
  const names = Array.from({ length: directories }, (_, index) => `vm-${index}`)
  const [taken, refused]: [Record<string, number>, Record<string, number>] = [{}, {}]
  const problems: Array<string> = []
  let removed = 0

  /** 3 of 4 attempts want the same role, of few directories. No two of them may get the same role of one directory. */
  const attemptOf = (taker: Taker): Attempt => {
    const isNew = random.below(6) === 0
    return {
      taker,
      name: names[random.below(directories)] ?? "",
      how: isNew ? "path" : random.pick(ways),
      by: isNew ? "create" : random.pick(means),
      role: random.below(4) === 0 ? "other" : "owner",
      delay: random.below(150)
    }
  }

  const round = Effect.fnUntraced(function* (number: number) {
    const blame = (problem: string) => problems.push(`round ${number}: ${problem}`)
    const root = `${scratch}/round-${number}`
    Fs.mkdirSync(root, { mode: 0o700 })
    for (const name of names) furnish(`${root}/${name}`, Owners.inscribe(dead))
    const attempts = all.map(attemptOf)
    yield* Effect.forEach(attempts, ({ how, name, taker }, index) =>
      taker.ask(Schema.Null, { op: "come", how, directory: `${root}/${name}`, volume: `${scratch}/volume-${index}` })
    )
    const sweeping = yield* Effect.forkChild(
      Effect.forEach(agents, (agent) => Agents.sweep(agent, root), { concurrency: "unbounded" })
    )
    const answers = yield* Effect.forEach(
      attempts,
      ({ by, delay, role, taker }) => taker.ask(Schema.String, { op: "take", by, role, delay }),
      { concurrency: "unbounded" }
    )
    const reports = yield* Fiber.join(sweeping)
    // A last sweep removes every directory without an owner, and no other.
    const [first] = agents
    const last = first === undefined ? [] : [yield* Agents.sweep(first, root)]
    for (const { action, error, name } of [...reports, ...last].flatMap(({ outcomes }) => outcomes)) {
      if (action === "removed") removed += 1
      // A directory that can't be read is kept and not failed, because an owner may replace a record during a look.
      if (action === "failed") blame(`${name}: ${action}, ${error?.message ?? ""}`)
    }
    const owners = new Map<string, string>()
    for (const [index, { by, how, name, role, taker }] of attempts.entries()) {
      const answer = answers[index] ?? ""
      const who = `${taker.pid}, by ${how}, ${by}, ${role} of ${name}`
      if (answer !== "taken") {
        count(refused, answer)
        if (!refusals.has(answer)) blame(`${who}: ${answer}`)
        continue
      }
      count(taken, `${how}, ${by}`)
      const seen = yield* taker.ask(Seen, { op: "look", role })
      const { id, isLinked, owner, payload } = seen
      if (!isLinked) blame(`${who}: what it was told it has is gone`)
      if (owner !== `${taker.pid}`) blame(`${who}: the record is ${owner}'s`)
      if (payload !== `${taker.pid}`) blame(`${who}: what it wrote is ${payload}`)
      if (id !== idOf(`${root}/${name}`)) blame(`${who}: it isn't where it was`)
      const key = `${id} ${role}`
      const other = owners.get(key)
      if (other !== undefined) blame(`${who}: so has ${other}`)
      owners.set(key, who)
    }
    const owned = new Set(attempts.filter((_, index) => answers[index] === "taken").map(({ name }) => name))
    for (const entry of Tree.entries(root)) if (!owned.has(entry)) blame(`left over: ${entry}`)
    yield* Effect.forEach(attempts, ({ taker }) => taker.ask(Schema.Null, { op: "leave" }))
    Fs.rmSync(root, { recursive: true })
  })

  for (let number = 1; number <= rounds; number++) yield* round(number)
  return { taken, refused, removed, problems }
})
