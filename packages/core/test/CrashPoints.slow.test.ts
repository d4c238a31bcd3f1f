import { assert, describe, it, vi } from "@effect/vitest"
import { Cause, Effect, Layer, Logger, Option, Random, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Cleanup from "../src/Cleanup.ts"
import * as Ownership from "../src/Ownership.ts"
import type { ProcessInspector } from "../src/ProcessInspector.ts"
import { SentinelStore } from "../src/SentinelStore.ts"
import { MemoryDisk, untilKilled } from "../src/testing/MemoryDisk.ts"
import * as Simulation from "../src/testing/Simulation.ts"
import * as Races from "./support/Races.ts"
import { read } from "./support/looking.ts"

// A test has hundreds of runs, and the machine may be busy.
vi.setConfig({ testTimeout: 60_000 })

const root = "/srv/vms"

type Act<A = unknown> = Effect.Effect<A, unknown, Simulation.Services | Scope.Scope>
type Program<A = unknown> = Effect.Effect<A, unknown, ProcessInspector | SentinelStore>

const sweep = Cleanup.sweep(root)

/** Puts more than a sentinel into a directory. */
const furnish = (name: string) =>
  Simulation.seed({
    [`${root}/${name}/console.log`]: `log of ${name}`,
    [`${root}/${name}/rootfs/etc/passwd`]: "root",
    [`${root}/${name}/rootfs/link`]: { type: "symlink", target: "/" }
  })

const dead = (name: string) => Effect.andThen(furnish(name), Simulation.crashed(`${root}/${name}`))
const alive = (name: string) => Effect.andThen(furnish(name), Simulation.owned(`${root}/${name}`))

/** A root, and the names of the directories whose owners live. */
interface Scenario {
  readonly arrange: Act
  readonly live: ReadonlyArray<string>
  readonly stage?: Simulation.Options
  /** Directories that a sweep which is killed right before its last `rmdir` may leave empty. */
  readonly emptied?: ReadonlyArray<string>
  /** Runs beside the first sweep. Returns an effect for the names of directories that got an owner meanwhile. */
  readonly meanwhile?: (sweeper: Simulation.Actor) => Act<Effect.Effect<ReadonlyArray<string>>>
}

const plain: Scenario = {
  arrange: Effect.gen(function* () {
    yield* dead("a")
    yield* alive("b")
    yield* dead("c")
    yield* Simulation.crashed(`${root}/c`, { role: "helper" })
    yield* dead("d")
    yield* Simulation.owned(`${root}/d`, { role: "helper" })
  }),
  live: ["b", "d"]
}

const moveTo = (name: string, to: string) => MemoryDisk.use(({ move }) => move(`${root}/${name}`, `${root}/${to}`))

const leftovers: Scenario = {
  arrange: Effect.gen(function* () {
    const workspace = `${root}/.vm-sentinel-reap.0`
    // Only a sweep records itself in a workspace, so the workspace is made from a crashed owner's directory.
    yield* Simulation.crashed(`${root}/workspace`)
    yield* MemoryDisk.use(({ remove }) => remove(`${root}/workspace/disk`))
    yield* moveTo("workspace", ".vm-sentinel-reap.0")
    yield* Simulation.seed({
      [`${workspace}/claimed`]: { type: "directory" },
      [`${workspace}/dead`]: { type: "directory" }
    })
    for (const name of ["a", "b"])
      yield* Effect.andThen(dead(name), moveTo(name, `.vm-sentinel-reap.0/claimed/${name}`))
    yield* Effect.andThen(alive("c"), moveTo("c", ".vm-sentinel-reap.0/claimed/c"))
    yield* Effect.andThen(dead("d"), moveTo("d", ".vm-sentinel-reap.0/dead/d"))
  }),
  live: ["c"]
}

/** Without locks, an owner returns between the judgement and the claim. The sweep must put its directory back. */
const phoenix: Scenario = {
  stage: { locks: false },
  arrange: Effect.andThen(dead("a"), dead("b")),
  live: [],
  meanwhile: Effect.fnUntraced(function* ({ memory }) {
    const owner = yield* Simulation.actor()
    let risen: ReadonlyArray<string> = []
    const rise = Effect.tap(owner.run(Ownership.record(`${root}/a`)), () => Effect.sync(() => (risen = ["a"])))
    // The record may fail, because a leftover that the sweep couldn't remove may be at the path.
    yield* memory.before(({ to }) => /claimed[/=]a$/.test(to ?? ""), Effect.ignore(rise))
    return Effect.sync(() => risen)
  })
}

const fill = MemoryDisk.use(({ fill }) => fill())

const inPlace: Scenario = {
  arrange: Effect.gen(function* () {
    yield* leftovers.arrange
    yield* Effect.andThen(dead("e"), moveTo("e", ".vm-sentinel-reap.00000000.claimed=e"))
    yield* Effect.andThen(dead("f"), moveTo("f", ".vm-sentinel-reap.00000001.dead=f"))
    yield* Effect.andThen(alive("g"), moveTo("g", ".vm-sentinel-reap.00000002.claimed=g"))
    yield* fill
  }),
  live: ["c", "g"]
}

/** Makes a directory one of a lower layer of overlayfs, which can't be renamed. */
const pin = (name: string) => MemoryDisk.use(({ setAttributes }) => setAttributes(`${root}/${name}`, { isLower: true }))

const unmoved: Scenario = {
  arrange: Effect.gen(function* () {
    yield* Effect.andThen(dead("a"), pin("a"))
    yield* Effect.andThen(alive("b"), pin("b"))
    yield* dead("c")
    yield* Simulation.crashed(`${root}/c`, { role: "helper" })
    yield* pin("c")
  }),
  live: ["b"]
}

/** A name that leaves no room for any longer one. */
const long = (name: string) => name.repeat(240)

const unmovedOnFullDisk: Scenario = {
  arrange: Effect.gen(function* () {
    for (const name of ["a", "c"]) yield* dead(long(name))
    yield* alive(long("b"))
    yield* fill
  }),
  live: [long("b")],
  emptied: [long("a"), long("c")]
}

const scenarios: Readonly<Record<string, Scenario>> = {
  "a root with live and dead directories": plain,
  "what a killed sweep left": leftovers,
  "an owner that comes back": phoenix,
  "a full file system": { ...plain, arrange: Effect.andThen(plain.arrange, fill) },
  "an owner that comes back, on a file system that is full": {
    ...phoenix,
    arrange: Effect.andThen(
      phoenix.arrange,
      MemoryDisk.use(({ fill }) => fill(1))
    )
  },
  "what a killed sweep left on a full file system": inPlace,
  "directories that can't be renamed": unmoved,
  "directories whose names leave no room for a longer one, on a full file system": unmovedOnFullDisk
}

const inWorld = <A>(act: Act<A>, { stage = {} }: Pick<Scenario, "stage"> = {}) =>
  Effect.scoped(Effect.provide(act, Layer.mergeAll(Simulation.layerWith(stage), Logger.layer([]))))

/** Adds the call to the message of a failure. */
const at =
  (...calls: ReadonlyArray<string>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, never, R> =>
    Effect.catchCause(effect, (cause) => Effect.die(new Error(calls.join(", then "), { cause: Cause.squash(cause) })))

/** The content of every living directory, without its sentinels, which the owner may have renewed. */
const contents = (live: ReadonlyArray<string>) =>
  Effect.map(
    MemoryDisk.use(({ snapshot }) => snapshot(root)),
    (found) =>
      Object.fromEntries(
        Object.entries(found).filter(
          ([path]) => live.some((name) => path.startsWith(`${root}/${name}/`)) && !path.includes("/.vm-sentinel")
        )
      )
  )

const removals = ({ outcomes }: Cleanup.Report) =>
  outcomes.flatMap(({ action, name }) => (action === "removed" ? [name] : []))

const failures = ({ outcomes }: Cleanup.Report) =>
  outcomes.flatMap(({ action, error, name, reason }) =>
    action === "failed" || error !== undefined ? [`${name} ${reason} ${error?.message}`] : []
  )

/**
 * Runs one stopped sweep after another, then two that aren't stopped. No living directory is lost, no dead one is left,
 * none is reported twice, and no litter remains.
 */
const check = Effect.fnUntraced(function* (
  { arrange, emptied = [], live, meanwhile }: Scenario,
  stops: ReadonlyArray<(memory: MemoryDisk["Service"]) => Effect.Effect<void>>
) {
  yield* arrange
  let risen: Effect.Effect<ReadonlyArray<string>> = Effect.succeed([])
  const removed: Array<string> = []
  for (const [index, stop] of stops.entries()) {
    const sweeper = yield* Simulation.actor()
    if (index === 0 && meanwhile !== undefined) risen = yield* meanwhile(sweeper)
    yield* stop(sweeper.memory)
    const report = yield* Effect.option(sweeper.run(untilKilled(sweep)))
    removed.push(...Option.match(Option.flatten(report), { onNone: () => [], onSome: removals }))
    yield* sweeper.kill
  }
  let failed: ReadonlyArray<string> = ["not swept"]
  // A sweep leaves unfinished workspaces alone for a minute, so the last sweep comes two minutes later.
  for (const wait of ["0 seconds", "2 minutes"] as const) {
    yield* TestClock.adjust(wait)
    const sweeper = yield* Simulation.actor()
    const report = yield* sweeper.run(sweep)
    yield* sweeper.kill
    removed.push(...removals(report))
    failed = failures(report)
  }
  const survivors = [...live, ...(yield* risen)]
  const paths = yield* Simulation.paths(root)
  const empty = emptied.filter((name) => paths.filter((path) => path.startsWith(name)).length === 1)
  assert.isAtMost(empty.length, stops.length)
  assert.sameMembers(yield* Simulation.names(root), [...survivors, ...empty])
  for (const name of survivors) {
    const kept = yield* contents([name])
    assert.strictEqual(kept[`${root}/${name}/console.log`]?.content, `log of ${name}`)
    assert.strictEqual(kept[`${root}/${name}/rootfs/etc/passwd`]?.content, "root")
    assert.strictEqual(kept[`${root}/${name}/disk`]?.type, "file")
  }
  assert.deepStrictEqual(failed, [])
  assert.strictEqual(new Set(removed).size, removed.length, `removed twice: ${removed.join(" ")}`)
})

/** The calls with which an undisturbed sweep changes something. */
const callsOf = ({ arrange, meanwhile, stage }: Scenario) =>
  inWorld(
    Effect.gen(function* () {
      yield* arrange
      const sweeper = yield* Simulation.actor()
      const risen = meanwhile === undefined ? undefined : yield* meanwhile(sweeper)
      yield* sweeper.run(sweep)
      if (risen !== undefined) assert.deepStrictEqual(yield* risen, ["a"])
      const calls = yield* Races.mutations(sweeper.memory)
      return calls.map(({ operation, path, to }, index) => `${index + 1}: ${operation} ${path} ${to ?? ""}`)
    }),
    stage === undefined ? {} : { stage }
  )

describe("a sweep that is stopped", () => {
  for (const [title, scenario] of Object.entries(scenarios)) {
    // No other process changes anything, so a kill after a call equals a kill before the next call.
    it.effect(`scenario 42: killed at each call that changes something: ${title}`, () =>
      Effect.gen(function* () {
        const calls = yield* callsOf(scenario)
        assert.isAbove(calls.length, 8)
        for (const [index, call] of calls.entries()) {
          yield* inWorld(check(scenario, [({ killAt }) => killAt(index + 1)]), scenario).pipe(at(call))
        }
        yield* inWorld(check(scenario, [({ killAt }) => killAt(calls.length, "after")]), scenario).pipe(
          at("after the last")
        )
      })
    )

    for (const [errno, operations] of [
      ["EIO", /./],
      ["ENOSPC", / (mkdir|create|write|link) /]
    ] as const) {
      it.effect(`${errno} at each call that may say so: ${title}`, () =>
        Effect.gen(function* () {
          for (const [index, call] of (yield* callsOf(scenario)).entries()) {
            if (!operations.test(call)) continue
            yield* inWorld(check(scenario, [({ failAt }) => failAt(index + 1, errno)]), scenario).pipe(at(call))
          }
        })
      )
    }

    it.effect(`killed again and again, wherever it has come to: ${title}`, () =>
      Effect.gen(function* () {
        for (let round = 0; round < 15; round += 1) {
          const stops: Array<(memory: MemoryDisk["Service"]) => Effect.Effect<void>> = []
          const told: Array<string> = []
          for (let sweeps = 0; sweeps < 4; sweeps += 1) {
            const n = yield* Random.nextIntBetween(1, 30)
            const when = (yield* Random.nextBoolean) ? "before" : "after"
            stops.push(({ killAt }) => killAt(n, when))
            told.push(`${when} ${n}`)
          }
          yield* inWorld(check(scenario, stops), scenario).pipe(at(...told))
        }
      }).pipe(Random.withSeed("crash points"))
    )
  }
})

describe("an owner that is killed", () => {
  const vm = `${root}/vm`

  interface Writing {
    readonly arrange: Act
    readonly act: Program
    /** Outcomes that a later sweep may report for the directory. */
    readonly says: ReadonlyArray<string>
    readonly options?: Cleanup.SweepOptions & Ownership.RecordOptions
  }

  const both = { sentinelNames: [".vm-sentinel", ".bbox-sentinel"], sentinelName: ".bbox-sentinel" }

  const writings: Readonly<Record<string, Writing>> = {
    "writing its sentinel in a directory without": {
      arrange: furnish("vm"),
      act: Ownership.record(vm),
      says: ["kept no-sentinel", "removed pid-dead"]
    },
    "writing its sentinel over a dead owner's": {
      arrange: dead("vm"),
      act: Ownership.record(vm),
      says: ["removed pid-dead"]
    },
    "writing brood-box's sentinel over a dead owner's": {
      arrange: Effect.andThen(furnish("vm"), Simulation.crashed(vm, { sentinelName: ".bbox-sentinel" })),
      act: Ownership.record(vm, both),
      says: ["removed pid-dead"],
      options: both
    },
    "writing its sentinel over a dead owner's, in a role": {
      arrange: Effect.andThen(dead("vm"), Simulation.crashed(vm, { role: "helper" })),
      act: Ownership.record(vm, { role: "helper" }),
      says: ["removed pid-dead"],
      options: { role: "helper" }
    },
    "taking its sentinel back": {
      arrange: furnish("vm"),
      act: Effect.flatMap(Ownership.record(vm), (file) => Ownership.release(vm, file)),
      says: ["kept no-sentinel", "removed pid-dead"]
    }
  }

  const callsOf = ({ act, arrange }: Writing) =>
    inWorld(
      Effect.gen(function* () {
        yield* arrange
        const owner = yield* Simulation.actor()
        yield* owner.run(act)
        const calls = yield* Races.mutations(owner.memory)
        return calls.map(({ operation, path, to }, index) => `${index + 1}: ${operation} ${path} ${to ?? ""}`)
      })
    )

  const said = ({ outcomes }: Cleanup.Report) => outcomes.map(({ action, reason }) => `${action} ${reason}`)

  for (const [title, writing] of Object.entries(writings)) {
    for (const when of ["before", "after"] as const) {
      const killed = (index: number) =>
        Effect.gen(function* () {
          yield* writing.arrange
          const owner = yield* Simulation.actor()
          yield* owner.memory.killAt(index + 1, when)
          assert.deepStrictEqual(yield* owner.run(untilKilled(writing.act)), Option.none())
          yield* owner.kill
        })

      it.effect(`${title}, ${when} each call: the directory can be judged`, () =>
        Effect.gen(function* () {
          for (const [index, call] of (yield* callsOf(writing)).entries()) {
            const judged = Effect.gen(function* () {
              yield* killed(index)
              const report = yield* Cleanup.sweep(root, writing.options)
              assert.include(writing.says, said(report)[0])
              assert.strictEqual(report.outcomes.length, 1)
            })
            yield* inWorld(judged).pipe(at(call))
          }
        })
      )

      it.effect(`${title}, ${when} each call: the directory can be owned again, kept, and removed`, () =>
        Effect.gen(function* () {
          for (const [index, call] of (yield* callsOf(writing)).entries()) {
            const again = Effect.gen(function* () {
              yield* killed(index)
              const next = yield* Simulation.actor()
              yield* next.run(Ownership.record(vm, writing.options))
              assert.deepStrictEqual(said(yield* Cleanup.sweep(root, writing.options)), ["kept matches"])
              const held = yield* contents(["vm"])
              assert.strictEqual(held[`${vm}/console.log`]?.content, "log of vm")
              yield* next.kill
              assert.deepStrictEqual(said(yield* Cleanup.sweep(root, writing.options)), ["removed pid-dead"])
              assert.deepStrictEqual(yield* Simulation.names(root), [])
            })
            yield* inWorld(again).pipe(at(call))
          }
        })
      )
    }

    it.effect(`${title}, with EIO at each call: it is told, the record before stands, or the new one`, () =>
      Effect.gen(function* () {
        for (const [index, call] of (yield* callsOf(writing)).entries()) {
          const failed = Effect.gen(function* () {
            yield* writing.arrange
            const owner = yield* Simulation.actor()
            yield* owner.memory.failAt(index + 1, "EIO")
            const result = yield* Effect.exit(owner.run(writing.act))
            const judged = said(yield* Cleanup.sweep(root, { ...writing.options, dryRun: true }))
            const isTold = result._tag === "Failure"
            const before = writing.says.map((answer) => answer.replace("removed", "would-remove"))
            assert.include(isTold ? [...before, "kept matches"] : ["kept matches", "kept no-sentinel"], judged[0])
            yield* owner.kill
            const after = said(yield* Cleanup.sweep(root, writing.options))
            assert.include(writing.says, after[0])
          })
          yield* inWorld(failed).pipe(at(call))
        }
      })
    )
  }

  for (const when of ["before", "after"] as const) {
    it.effect(`scenario 38: making its directory, ${when} each call: it is whole, or goes without a trace`, () =>
      Effect.gen(function* () {
        const born = Effect.scoped(Ownership.create(vm))
        for (const [index, call] of (yield* callsOf({ arrange: alive("b"), act: born, says: [] })).entries()) {
          const made = Effect.gen(function* () {
            yield* alive("b")
            const owner = yield* Simulation.actor()
            yield* owner.memory.killAt(index + 1, when)
            yield* owner.run(untilKilled(born))
            yield* owner.kill
            const store = yield* SentinelStore
            const names = yield* Simulation.names(root)
            // The record without the lock lies beside the old record until it replaces the old one.
            if (names.includes("vm")) assert.isAtLeast((yield* read(store, vm)).length, 1)
            yield* TestClock.adjust("2 minutes")
            yield* sweep
            assert.deepStrictEqual(yield* Simulation.names(root), ["b"])
          })
          yield* inWorld(made).pipe(at(call))
        }
      })
    )
  }
})

describe("an owner that comes by path", () => {
  const arrange = Effect.andThen(dead("a"), pin("a"))

  it.effect("scenario 105: takes over no half of a directory whose removal where it lay was killed", () =>
    Effect.gen(function* () {
      const calls = yield* callsOf({ arrange, live: [] })
      const results = new Set<string>()
      for (const [index, call] of calls.entries()) {
        const raced = Effect.gen(function* () {
          yield* arrange
          const [sweeper, owner] = [yield* Simulation.actor(), yield* Simulation.actor()]
          yield* sweeper.memory.killAt(index + 1)
          yield* sweeper.run(untilKilled(sweep))
          yield* sweeper.kill
          const vm = `${root}/a`
          const whole = ["a/console.log", "a/disk", "a/rootfs/etc/passwd"]
          const result = yield* Effect.match(owner.run(Ownership.record(vm)), {
            onSuccess: () => "owned",
            onFailure: ({ _tag }) => _tag
          })
          results.add(result)
          const paths = yield* Simulation.paths(root)
          const isOwned = result === "owned"
          // An owner may take over an emptied directory, which belongs to nobody.
          const isFresh = !paths.some((path) => path.startsWith("a/") && !path.startsWith("a/.vm-sentinel"))
          if (isOwned && !isFresh) assert.includeMembers([...paths], whole)
          yield* sweep
          yield* owner.kill
          yield* TestClock.adjust("2 minutes")
          yield* sweep
          assert.deepStrictEqual(yield* Simulation.names(root), [])
        })
        yield* inWorld(raced).pipe(at(call))
      }
      assert.sameMembers([...results], ["owned", "Claimed", "NotFound"])
    })
  )
})
