/** Two processes act on one directory, in every order of their calls, on the real disk. */
import { assert, describe } from "@effect/vitest"
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import type { Outcome } from "@vm-sentinel/core/Outcome"
import * as Ownership from "@vm-sentinel/core/Ownership"
import type { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import type { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import { Effect, Exit, Result, Scope } from "effect"
import * as Fs from "node:fs"
import * as LinuxDisk from "../src/LinuxDisk.ts"
import { live } from "./support/live.ts"
import * as Scratch from "./support/scratch.ts"
import { byName } from "./support/outcomes.ts"
import * as Owners from "./support/owners.ts"
import * as Random from "./support/random.ts"
import * as Real from "./support/realLayers.ts"
import * as Scene from "./support/scene.ts"
import * as Steps from "./support/steps.ts"
import * as Tree from "./support/tree.ts"
import * as Waits from "./support/waits.ts"

/** Runs a scene once for each call that it makes, with the act before that call, until a run makes fewer calls. */
const inEveryOrder = Effect.fnUntraced(function* <E, R>(
  run: (at: number) => Effect.Effect<{ readonly calls: number }, E, R>,
  from = 1,
  by = 1
) {
  for (let at = from; ; at += by) {
    const { calls } = yield* run(at)
    if (calls < at) return calls
  }
})

const write = (path: string, content: string): void => Fs.writeFileSync(path, content, { mode: 0o600 })

type Own = (
  vm: string
) => Effect.Effect<unknown, { readonly _tag: string }, ProcessInspector | SentinelStore | Scope.Scope>

/** Ways to become the owner of a directory. With `restarts` it keeps its content, otherwise the directory is new. */
const writers: ReadonlyArray<readonly [what: string, { readonly restarts: boolean; readonly own: Own }]> = [
  ["records itself in it", { restarts: true, own: (vm) => Ownership.record(vm) }],
  ["holds it", { restarts: true, own: (vm) => Ownership.hold(vm) }],
  ["makes it anew", { restarts: false, own: (vm) => Ownership.create(vm) }],
  [
    "removes it and makes it anew",
    {
      restarts: false,
      own: (vm) =>
        Effect.suspend(() => {
          Fs.rmSync(vm, { recursive: true, force: true })
          return Ownership.create(vm)
        })
    }
  ]
]

const refusals = ["AlreadyOwned", "Claimed", "Changed", "NotFound", "LockBusy"]

const makeDead = (vm: string, { dead }: Owners.Owners): void => {
  Fs.mkdirSync(`${vm}/data`, { recursive: true, mode: 0o700 })
  write(`${vm}/.vm-sentinel`, Owners.inscribe(dead))
  write(`${vm}/disk`, "data")
}

/** Checks `vm` after a writer got `vm`, was refused, or made no attempt. */
const check = Effect.fnUntraced(function* (
  root: string,
  owned: Result.Result<unknown, { readonly _tag: string }> | undefined,
  restarts: boolean,
  title: string
) {
  const vm = `${root}/vm`
  if (owned !== undefined && Result.isSuccess(owned)) {
    const files = Fs.existsSync(vm) ? Tree.entries(vm) : []
    assert.includeMembers([...files], [".vm-sentinel", "fresh", ...(restarts ? ["disk"] : [])], title)
    assert.strictEqual((yield* Cleanup.judge(vm)).verdict, "alive", title)
  } else if (owned !== undefined) {
    assert.include(refusals, owned.failure._tag, title)
  }
  yield* Cleanup.sweep(root)
  const left = Tree.entries(root)
  assert.deepStrictEqual(
    left.filter((entry) => entry !== "vm"),
    [],
    title
  )
  if (owned !== undefined && Result.isSuccess(owned)) assert.deepStrictEqual(left, ["vm"], title)
})

interface Attempt {
  readonly scope: Scope.Closeable
  /** Tries to become the owner. A successful attempt writes the owner's file at once. */
  readonly act: Effect.Effect<void, never, ProcessInspector | SentinelStore>
  readonly result: () => Result.Result<void, { readonly _tag: string }> | undefined
  /** Whether the directory still had its name at the end of the attempt. */
  readonly wasThere: () => boolean
}

const attempt = Effect.fnUntraced(function* (vm: string, own: Own): Effect.fn.Return<Attempt> {
  const scope = yield* Scope.make()
  let owned: Result.Result<void, { readonly _tag: string }> | undefined
  let isThere = false
  const act = Effect.gen(function* () {
    const result = yield* Effect.result(Scope.provide(own(vm), scope))
    owned = Result.map(result, () => {})
    isThere = Fs.existsSync(vm)
    if (Result.isSuccess(result)) write(`${vm}/fresh`, "fresh")
  })
  return { scope, act, result: () => owned, wasThere: () => isThere }
})

for (const isFull of [false, true]) {
  describe(isFull ? "in place, on a full file system" : "in a workspace", () => {
    for (const [what, { own, restarts }] of writers) {
      live(`scenario 41: somebody ${what}, at every call of a sweep: nothing of theirs is lost`, () =>
        Effect.gen(function* () {
          const scratch = yield* Scratch.scratch
          const owners = yield* Owners.make
          let [busy, successes] = [0, 0]
          const calls = yield* inEveryOrder((at) =>
            Effect.gen(function* () {
              const root = `${scratch}/${at}`
              makeDead(`${root}/vm`, owners)
              const { act, result, scope, wasThere } = yield* attempt(`${root}/vm`, own)
              const steps: Steps.Steps = { calls: 0, at, act: Waits.inVain(Effect.provide(act, Real.layer)), isFull }
              const { outcomes } = yield* Effect.provide(Cleanup.sweep(root), Steps.store(steps))
              assert.notInclude(Object.values(byName(outcomes)).join(), "failed", `call ${at}`)
              const owned = result()
              if (owned !== undefined && Result.isSuccess(owned)) successes += 1
              if (owned !== undefined && Result.isFailure(owned) && owned.failure._tag === "LockBusy") {
                busy += 1
                // The sweep holds the lock and hasn't renamed the directory yet. A sweep never gives up a directory
                // that it has condemned.
                assert.isTrue(wasThere(), `call ${at}`)
                assert.deepStrictEqual(byName(outcomes), { vm: "removed pid-dead" }, `call ${at}`)
              }
              yield* check(root, owned, restarts, `call ${at}`)
              yield* Scope.close(scope, Exit.void)
              return steps
            })
          )
          assert.isAbove(calls, 10)
          assert.isAbove(successes, 0)
          assert.strictEqual(busy > 0, restarts)
        })
      )
    }

    live(
      "scenario 40: a sweep at a third of the calls of another: each directory is removed by one of them, none is an error",
      () =>
        Effect.gen(function* () {
          const scratch = yield* Scratch.scratch
          const owners = yield* Owners.make
          const calls = yield* inEveryOrder(
            (at) =>
              Effect.gen(function* () {
                Fs.mkdirSync(`${scratch}/${at}`)
                const scene = Scene.make(`${scratch}/${at}`, owners, { leftovers: true, longNames: !isFull })
                const other: Array<Outcome> = []
                const act = Effect.orDie(
                  Effect.map(Cleanup.sweep(scene.root), ({ outcomes }) => other.push(...outcomes))
                )
                const steps: Steps.Steps = { calls: 0, at, act: Effect.provide(act, Real.layer), isFull }
                const { outcomes } = yield* Effect.provide(
                  Cleanup.sweep(scene.root, { concurrency: 1 }),
                  Steps.store(steps)
                )
                const last = yield* Cleanup.sweep(scene.root)
                const all = [...outcomes, ...other, ...last.outcomes]
                const removed = all.filter(({ action }) => action === "removed").map(({ name }) => name)
                assert.deepStrictEqual(removed.toSorted(), [...scene.dead].toSorted(), `call ${at}`)
                assert.deepStrictEqual(
                  all.filter(({ action }) => action === "failed"),
                  [],
                  `call ${at}`
                )
                assert.deepStrictEqual(Scene.problems(scene), [], `call ${at}`)
                return steps
              }),
            1 + (Random.seed % 3),
            3
          )
          assert.isAbove(calls, 50)
        })
    )
  })
}

/** Makes a workspace as a killed sweep leaves it, with a directory in `dead/`. */
const makeRemains = (root: string, owners: Owners.Owners): string => {
  const workspace = `${root}/.vm-sentinel-reap.${"0123456789abcdef".repeat(2)}`
  makeDead(`${workspace}/dead/vm`, owners)
  write(`${workspace}/.vm-sentinel`, Owners.inscribe(owners.dead, { role: "reaper" }))
  return `${workspace}/dead/vm`
}

describe("a moved directory", () => {
  for (const pool of [false, true]) {
    for (const isResumed of [false, true]) {
      for (const entry of [".vm-sentinel", ".bbox-sentinel"]) {
        const what = `${isResumed ? "a resumed" : "a fresh"} deletion${pool ? ", by threads of the pool" : ""}`
        live(`scenario 108: an owner without locks publishes ${entry} by its working directory: ${what}`, () =>
          Effect.gen(function* () {
            const scratch = yield* Scratch.scratch
            const owners = yield* Owners.make
            const record = Owners.inscribe(owners.live, entry === ".bbox-sentinel" ? { format: "v2" } : {})
            let failures = 0
            yield* inEveryOrder((at) =>
              Effect.gen(function* () {
                const root = `${scratch}/${at}`
                if (!isResumed) makeDead(`${root}/vm`, owners)
                const vm = isResumed ? makeRemains(root, owners) : `${root}/vm`
                const fd = Fs.openSync(vm, "r")
                const here = `/proc/self/fd/${fd}`
                let hasCome = false
                const act = Effect.sync(() => {
                  hasCome = Fs.fstatSync(fd).nlink > 0
                  if (!hasCome) return
                  write(`${here}/.t`, record)
                  Fs.renameSync(`${here}/.t`, `${here}/${entry}`)
                  write(`${here}/fresh`, "fresh")
                })
                const steps: Steps.Steps = { calls: 0, at, act, isFull: false }
                const store = Steps.store(steps, LinuxDisk.layerWith({ pool }))
                const { outcomes } = yield* Effect.provide(Cleanup.sweep(root), store)
                const isGone = Fs.fstatSync(fd).nlink === 0
                const title = `call ${at}: ${Object.values(byName(outcomes)).join()}`
                if (!isGone) {
                  assert.strictEqual(Fs.readFileSync(`${here}/${entry}`, "utf8"), record, title)
                  assert.strictEqual(Fs.readFileSync(`${here}/fresh`, "utf8"), "fresh", title)
                  assert.include(Fs.readdirSync(here), "disk", title)
                  yield* Cleanup.sweep(root)
                  assert.include(Fs.readdirSync(here), "fresh", title)
                }
                for (const outcome of outcomes.filter(({ action }) => action === "failed")) {
                  assert.strictEqual(outcome.reason, "owner-inside", title)
                  assert.strictEqual(outcome.evidence.below?.recorded, ".", title)
                  failures += 1
                }
                Fs.closeSync(fd)
                assert.strictEqual(isGone, !hasCome, title)
                return steps
              })
            )
            assert.isAbove(failures, 0)
          })
        )
      }
    }
  }
})

describe("a sweep at every call of", () => {
  for (const [what, { own, restarts }] of writers) {
    live(`scenario 41: somebody who ${what}: nothing of theirs is lost`, () =>
      Effect.gen(function* () {
        const scratch = yield* Scratch.scratch
        const owners = yield* Owners.make
        let [removals, successes] = [0, 0]
        const calls = yield* inEveryOrder((at) =>
          Effect.gen(function* () {
            const root = `${scratch}/${at}`
            makeDead(`${root}/vm`, owners)
            if (what === "makes it anew") Fs.rmSync(`${root}/vm`, { recursive: true })
            const { act, result, scope } = yield* attempt(`${root}/vm`, own)
            const sweep = Effect.orDie(
              Effect.map(Cleanup.sweep(root), ({ outcomes }) => {
                assert.notInclude(Object.values(byName(outcomes)).join(), "failed", `call ${at}`)
                removals += outcomes.filter(({ action }) => action === "removed").length
              })
            )
            const steps: Steps.Steps = { calls: 0, at, act: Effect.provide(sweep, Real.layer), isFull: false }
            yield* Effect.provide(act, Steps.store(steps))
            const owned = result()
            if (owned !== undefined && Result.isSuccess(owned)) successes += 1
            yield* check(root, owned, restarts, `call ${at}`)
            yield* Scope.close(scope, Exit.void)
            return steps
          })
        )
        assert.isAbove(calls, 8)
        assert.isAbove(successes, 0)
        if (restarts) assert.isAbove(removals, 0)
      })
    )
  }
})
