/**
 * Kills a process at a call that changes the disk, and checks what is left. `stress/crash-points.ts` kills at every
 * call.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import * as Fs from "node:fs"
import { world } from "@vm-sentinel/core/test/support/NodeWorld"
import type { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import * as Layout from "@vm-sentinel/core/Layout"
import * as Ownership from "@vm-sentinel/core/Ownership"
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import * as Agents from "./support/sweepers.ts"
import * as Crashes from "./support/crashes.ts"
import * as Graves from "./support/markedDirectories.ts"
import * as Owners from "./support/owners.ts"
import * as Random from "./support/random.ts"
import * as Real from "./support/realLayers.ts"
import * as Scene from "./support/scene.ts"
import * as Tree from "./support/tree.ts"

const read = Effect.fnUntraced(function* (directory: string) {
  const { look } = yield* SentinelStore
  const { sentinels } = yield* look(directory, Layout.standard)
  return yield* Effect.forEach(sentinels, ({ content }) => Effect.fromResult(content))
})

const { seed } = Random
console.info(`crash points: seed ${seed}`)

const live = (
  title: string,
  test: () => Effect.Effect<void, unknown, ProcessInspector | SentinelStore | Scope.Scope>
): void => it.live(title, () => Effect.provide(test(), Real.layer), 60_000)

/** Picks the last two points, after which only cleanup is left, and four of the others. */
const someOf = (points: ReadonlyArray<Crashes.Crash>) =>
  Random.make(seed).sample(points.slice(0, -2), 4).concat(points.slice(-2))

/** Kills sweeps at a sample of all lists of points. The sweep that follows must leave exactly what must stay. */
const sampled = Effect.fnUntraced(function* (options: Scene.Options, kills: number, count: number) {
  const scratch = yield* world.scratch
  const owners = yield* Owners.make
  const survivor = yield* Agents.start()
  const random = Random.make(seed + kills)
  const changes = yield* Crashes.inScene(scratch, owners, options, (scene) =>
    Crashes.changesOf(Crashes.sweeping(scene))
  )
  const points = Crashes.points(changes.length)
  // Later sweeps make fewer changes, so their points come from the first third.
  const lists = random
    .sample(points, count)
    .map((first) => [first].concat(random.sample(points.slice(0, points.length / 3), kills - 1)))
  let killed = 0
  yield* Effect.forEach(
    lists,
    (list) =>
      Crashes.inScene(scratch, owners, options, (scene) =>
        Effect.gen(function* () {
          const result = yield* Crashes.crashed(list, survivor, scene)
          killed += result.killed
          assert.deepStrictEqual(result.problems, [], `killed ${Crashes.describe(list)}; seed ${seed}`)
        })
      ),
    { concurrency: 2, discard: true }
  )
  return { killed, runs: lists.length }
})

describe("killed with SIGKILL", () => {
  live("a sweep, at a change: the next one loses nothing that lives, leaves nothing dead, and no litter", () =>
    Effect.gen(function* () {
      const { killed, runs } = yield* sampled({}, 1, 6)
      assert.strictEqual(killed, runs)
    })
  )

  live("a sweep that takes up what killed ones left: the next one takes it up again", () =>
    Effect.gen(function* () {
      const { killed, runs } = yield* sampled({ leftovers: true }, 1, 7)
      assert.strictEqual(killed, runs)
    })
  )

  live("two sweeps, one after the other: the third one finishes", () =>
    Effect.gen(function* () {
      const { killed, runs } = yield* sampled({ leftovers: true }, 2, 3)
      assert.isAtLeast(killed, runs)
    })
  )

  live("scenario 42: a sweep killed in the middle of a directory: it is finished, and never back under its name", () =>
    Effect.gen(function* () {
      const scratch = yield* world.scratch
      const { dead } = yield* Owners.make
      const prepare = Effect.fnUntraced(function* (name: string) {
        const root = `${scratch}/${name}`
        yield* world.file(`${root}/vm/.vm-sentinel`, Owners.inscribe(dead))
        for (const entry of ["a", "b", "c"]) yield* world.file(`${root}/vm/${entry}`, entry)
        return { op: "sweep", root } as const
      })
      const changes = yield* Crashes.changesOf(yield* prepare("undisturbed"))
      const firstFile = changes.findIndex(({ call }) => call === "unlinkat") + 1
      const task = yield* prepare("killed")
      const { root } = task
      const vm = `${root}/vm`
      assert.isTrue(yield* Agents.untilKilled(yield* Agents.start(), firstFile, "after", task))
      const [workspace = "", ...others] = Tree.entries(root)
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(Tree.entries(`${root}/${workspace}/claimed`), [])
      const grave = Graves.of(`${root}/${workspace}`, "vm")
      assert.strictEqual(grave.tags, 1)
      const left = Tree.entries(`${root}/${workspace}/${grave.path}`)
      assert.strictEqual(left.length, 3)
      assert.include(left, ".vm-sentinel")
      const { outcomes } = yield* Cleanup.sweep(root)
      assert.deepStrictEqual(
        outcomes.map(({ action, name, path, reason, verdict }) => [name, path, action, verdict, reason]),
        [["vm", vm, "removed", "dead", "resumed"]]
      )
      assert.deepStrictEqual(Tree.entries(root), [])
    })
  )

  live("scenario 38: who makes a directory, at a change: it is there with its sentinel, or not there", () =>
    Effect.gen(function* () {
      const scratch = yield* world.scratch
      const { length } = yield* Crashes.changesOf({ op: "create", directory: `${yield* world.scratch}/vm` })
      let born = 0
      yield* Effect.forEach(
        someOf(Crashes.points(length)),
        ({ at, when }) =>
          Effect.gen(function* () {
            const root = Fs.mkdtempSync(`${scratch}/root-`)
            const directory = `${root}/vm`
            const agent = yield* Agents.start()
            assert.isTrue(yield* Agents.untilKilled(agent, at, when, { op: "create", directory }), `${when} ${at}`)
            if (Fs.existsSync(directory)) {
              born += 1
              assert.deepStrictEqual(Tree.entries(directory), [".vm-sentinel"])
              assert.strictEqual((yield* read(directory)).length, 1)
            }
            Scene.aMinuteLater(root)
            yield* Cleanup.sweep(root)
            assert.deepStrictEqual(Tree.entries(root), [], `${when} ${at}`)
          }),
        { concurrency: 2, discard: true }
      )
      // Only the last two points lie after the rename. They are before and after the last change, which makes the
      // rename durable.
      assert.strictEqual(born, 2)
    })
  )

  live("who replaces a dead sentinel, at a change: the directory always says whose it is, or was", () =>
    Effect.gen(function* () {
      const scratch = yield* world.scratch
      const owners = yield* Owners.make
      const prepare = Effect.fnUntraced(function* () {
        const directory = `${Fs.mkdtempSync(`${scratch}/root-`)}/vm`
        yield* world.file(`${directory}/.vm-sentinel`, Owners.inscribe(owners.dead))
        yield* world.file(`${directory}/disk`, "data")
        return { op: "record", directory, pid: owners.live.pid } as const
      })
      const { length } = yield* Crashes.changesOf(yield* prepare())
      let finished = 0
      yield* Effect.forEach(
        someOf(Crashes.points(length)),
        ({ at, when }) =>
          Effect.gen(function* () {
            const task = yield* prepare()
            const { directory, pid } = task
            const agent = yield* Agents.start()
            const title = `${when} ${at}`
            assert.isTrue(yield* Agents.untilKilled(agent, at, when, task), title)
            const said = yield* read(directory)
            const judged = yield* Cleanup.judge(directory)
            assert.isTrue(said.length > 0, title)
            if (said.some((sentinel) => sentinel.pid === pid)) {
              finished += 1
              assert.strictEqual(judged.verdict, "alive", title)
            } else {
              assert.strictEqual(judged.verdict, "dead", title)
              yield* Ownership.record(directory, { pid: Pid.make(pid) })
            }
            const left = Tree.entries(directory).filter((entry) => !entry.startsWith(".vm-sentinel-tmp."))
            assert.includeMembers(left, [".vm-sentinel", "disk"], title)
            assert.strictEqual(Fs.readFileSync(`${directory}/disk`, "utf8"), "data", title)
            assert.strictEqual((yield* Cleanup.judge(directory)).verdict, "alive", title)
          }),
        { concurrency: 2, discard: true }
      )
      assert.isAtLeast(finished, 2)
    })
  )
})
