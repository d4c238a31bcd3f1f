/** Kills sweeps at one change after another, and checks the sweep that follows. */
import { Effect, Schema } from "effect"
import * as Fs from "node:fs"
import * as Agents from "./sweepers.ts"
import type { Owners } from "./owners.ts"
import { Change, type Task } from "../agents/sweeperProtocol.ts"
import * as Scene from "./scene.ts"

export interface Crash {
  readonly at: number
  readonly when: "before" | "after"
}

export const describe = (crashes: ReadonlyArray<Crash>): string =>
  crashes.map(({ at, when }) => `${when} ${at}`).join(", then ")

/** Makes a scene in a new directory in `scratch`, and removes the directory after use. */
export const inScene = <A, E, R>(
  scratch: string,
  owners: Owners,
  options: Scene.Options,
  use: (scene: Scene.Scene) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.sync(() => Scene.make(Fs.mkdtempSync(`${scratch}/scene-`), owners, options)),
    use,
    ({ root }) => Effect.sync(() => Fs.rmSync(root.slice(0, root.lastIndexOf("/")), { recursive: true, force: true }))
  )

/** The calls of an undisturbed task that change the file system. */
export const changesOf = Effect.fnUntraced(function* (task: Task) {
  const agent = yield* Agents.start()
  yield* agent.ask(Schema.Null, { op: "watch" })
  yield* agent.ask(Schema.Unknown, task)
  return yield* agent.ask(Schema.Array(Change), { op: "changes" })
}, Effect.scoped)

export const sweeping = ({ root }: Scene.Scene): Task => ({ op: "sweep", root, concurrency: 1 })

/** Runs a sweep in a process of its own, and kills it at a change. `false` if the sweep ended before that change. */
export const killed = ({ at, when }: Crash, scene: Scene.Scene) =>
  Effect.gen(function* () {
    const isKilled = yield* Agents.untilKilled(yield* Agents.start(), at, when, sweeping(scene))
    Scene.aMinuteLater(scene.root)
    return isKilled
  }).pipe(Effect.scoped)

/**
 * Kills one sweep after another, each in a process of its own. Then the survivor sweeps. Returns the number of kills
 * and a description of everything that is wrong at the end.
 */
export const crashed = Effect.fnUntraced(function* (
  crashes: ReadonlyArray<Crash>,
  survivor: Agents.Agent,
  scene: Scene.Scene
) {
  let count = 0
  for (const crash of crashes) count += (yield* killed(crash, scene)) ? 1 : 0
  const { outcomes } = yield* Agents.sweep(survivor, scene.root)
  const failed = outcomes.filter(({ action }) => action === "failed").map(({ name }) => `failed: ${name}`)
  return { killed: count, problems: [...failed, ...Scene.problems(scene)] }
})

/** Every point at which a task with this many changes can be killed: before each change, and after the last. */
export const points = (count: number): ReadonlyArray<Crash> =>
  Array.from({ length: count + 1 }, (_, index): Crash =>
    index < count ? { at: index + 1, when: "before" } : { at: count, when: "after" }
  )
