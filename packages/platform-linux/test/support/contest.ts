/** Several processes sweep one root while an owner takes the names of the directories that they remove. */
import type { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import type { Outcome } from "@vm-sentinel/core/Outcome"
import { Effect, Fiber, type Scope } from "effect"
import * as Fs from "node:fs"
import * as Agents from "./sweepers.ts"
import * as Owners from "./owners.ts"
import { Settled } from "../agents/sweeperProtocol.ts"
import type { Random } from "./random.ts"
import * as Tree from "./tree.ts"

export interface Options {
  readonly sweepers: number
  readonly dead: number
  readonly live: number
  readonly rounds: number
  /** Whether owners also take directories that aren't removed yet. */
  readonly restart: boolean
  /** If given, one sweep of each round runs in a process that is killed before its end. */
  readonly kill?: Random
}

export interface Result {
  readonly removed: number
  readonly restarted: number
  readonly taken: number
  readonly changed: number
  readonly refusals: Readonly<Record<string, number>>
  readonly problems: ReadonlyArray<string>
}

const furnish = (directory: string, sentinel: string): void => {
  Fs.mkdirSync(`${directory}/data`, { recursive: true, mode: 0o700 })
  Fs.chmodSync(directory, 0o700)
  Fs.writeFileSync(`${directory}/.vm-sentinel`, sentinel, { mode: 0o600 })
  for (const file of ["console.log", "data/disk.img", "data/other"]) Fs.writeFileSync(`${directory}/${file}`, file)
}

const counts = (values: ReadonlyArray<string>): Readonly<Record<string, number>> => {
  const found: Record<string, number> = {}
  for (const value of values) found[value] = (found[value] ?? 0) + 1
  return found
}

/**
 * Runs the rounds. In each one all sweepers start at once, while one owner takes each dead directory's name. Then a
 * last sweep runs, and the root is checked.
 */
export const run = Effect.fnUntraced(function* (
  scratch: string,
  { dead, kill, live, restart, rounds, sweepers }: Options
): Effect.fn.Return<Result, unknown, ProcessInspector | Scope.Scope> {
  const root = `${scratch}/root`
  Fs.mkdirSync(root, { mode: 0o700 })
  const owners = yield* Owners.make
  const nameOf = (index: number) => `vm-${index}`
  const names = Array.from({ length: dead }, (_, index) => nameOf(index))
  for (const name of names) furnish(`${root}/${name}`, Owners.inscribe(owners.dead))
  const lives = Array.from({ length: live }, (_, index) => `live-${index}`)
  for (const name of lives) furnish(`${root}/${name}`, Owners.inscribe(owners.live))
  const before = lives.map((name) => Tree.of(`${root}/${name}`))
  const agents = yield* Effect.all(
    Array.from({ length: sweepers }, (_, index) => Agents.start(index % 2 === 0 ? [] : Agents.withPool))
  )
  const problems: Array<string> = []
  const refusals: Record<string, number> = {}
  let [removed, restarted, taken, changed] = [0, 0, 0, 0]

  const round = Effect.fnUntraced(function* (number: number) {
    const blame = (problem: string) => problems.push(`round ${number}: ${problem}`)
    const stop = `${scratch}/stop-${number}`
    // The owner ends with its round, so its directories are the dead ones of the next round.
    const owner = yield* Agents.start()
    const pid = yield* Agents.pid(owner)
    const settling = yield* Effect.forkChild(owner.ask(Settled, { op: "settle", root, names, restart, stop }))
    const victim = kill === undefined ? undefined : kill.below(sweepers)
    const sweepOf = Effect.fnUntraced(function* (agent: Agents.Agent, index: number) {
      if (index !== victim || kill === undefined) return (yield* Agents.sweep(agent, root)).outcomes
      const doomed = yield* Agents.start(index % 2 === 0 ? [] : Agents.withPool)
      yield* Agents.untilKilled(doomed, 1 + kill.below(10 * dead), "before", { op: "sweep", root })
      return []
    }, Effect.scoped)
    const reports = yield* Effect.all(agents.map(sweepOf), { concurrency: "unbounded" })
    const [first] = agents
    const lastWords = first === undefined ? [] : (yield* Agents.sweep(first, root)).outcomes
    // The owner ends by itself unless it can't take a directory that is left.
    yield* Effect.timeoutOption(Fiber.await(settling), "10 seconds")
    Fs.writeFileSync(stop, "")
    const settled = yield* Fiber.join(settling)
    const outcomes: ReadonlyArray<Outcome> = [...reports.flat(), ...lastWords]

    for (const { action, error, name } of outcomes) {
      if (action === "failed" || error !== undefined) blame(`${name}: ${action}, ${error?.message ?? "no error"}`)
    }
    const gone = outcomes.filter(({ action }) => action === "removed")
    const times = counts(gone.map(({ name }) => name))
    for (const name of names) {
      const expected = settled.restarted.includes(name) ? 0 : 1
      const actual = times[name] ?? 0
      // The outcomes of a killed sweep are lost, so the count of a name that it removed is 0.
      if (actual !== expected && !(actual === 0 && kill !== undefined)) {
        blame(`${name} was removed ${actual} times, not ${expected}`)
      }
    }
    for (const name of Object.keys(times)) if (!names.includes(name)) blame(`${name} was removed`)
    lives.forEach((name, index) => {
      for (const difference of Tree.differences(before[index] ?? {}, Tree.of(`${root}/${name}`))) {
        blame(`${name}: ${difference}`)
      }
    })
    const owned = [...settled.made, ...settled.restarted]
    if (owned.length !== names.length) blame(`${owned.length} of ${names.length} have a new owner`)
    for (const name of owned) {
      const files = Fs.existsSync(`${root}/${name}`) ? Tree.entries(`${root}/${name}`) : []
      const old = settled.restarted.includes(name) && number === 1 ? ["console.log", "data"] : []
      for (const file of [".vm-sentinel", "payload", ...old]) {
        if (!files.includes(file)) blame(`${name}: ${file} is lost`)
      }
      if (files.includes("payload") && Fs.readFileSync(`${root}/${name}/payload`, "utf8") !== `${pid} ${name}`) {
        blame(`${name}: another owner's payload`)
      }
    }
    for (const entry of Tree.entries(root)) {
      if (!names.includes(entry) && !lives.includes(entry)) blame(`left over: ${entry}`)
    }
    removed += gone.length
    restarted += settled.restarted.length
    taken += outcomes.filter(({ reason }) => reason === "taken").length
    changed += outcomes.filter(({ reason }) => reason === "changed" || reason === "name-taken").length
    for (const [tag, count] of Object.entries(settled.refusals)) refusals[tag] = (refusals[tag] ?? 0) + count
  }, Effect.scoped)

  for (let number = 1; number <= rounds; number++) yield* round(number)
  return { removed, restarted, taken, changed, refusals, problems }
})
