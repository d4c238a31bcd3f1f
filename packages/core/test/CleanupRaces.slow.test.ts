import { assert, describe, it, vi } from "@effect/vitest"
import { Cause, Effect, Fiber, Latch, Layer, Logger, Random, type Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Cleanup from "../src/Cleanup.ts"
import * as Ownership from "../src/Ownership.ts"
import { Disk } from "../src/Disk.ts"
import { SentinelStore } from "../src/SentinelStore.ts"
import { MemoryDisk } from "../src/testing/MemoryDisk.ts"
import * as Simulation from "../src/testing/Simulation.ts"
import * as Races from "./support/Races.ts"

// A test has hundreds of runs, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000 })

const root = "/srv/vms"
const vm = `${root}/vm`

type Act<A = unknown> = Effect.Effect<A, unknown, Simulation.Services | Scope.Scope>

const inWorld = <A>(act: Act<A>, options: Simulation.Options = {}) =>
  Effect.andThen(Races.ticking, act).pipe(
    Effect.provide(Layer.mergeAll(Simulation.layerWith(options), Logger.layer([]))),
    Effect.scoped
  )

const at =
  (call: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, never, R> =>
    Effect.catchCause(effect, (cause) => Effect.die(new Error(call, { cause: Cause.squash(cause) })))

const removals = (reports: ReadonlyArray<Cleanup.Report>) =>
  reports
    .flatMap(({ outcomes }) => outcomes)
    .flatMap(({ action, name }) => (action === "removed" ? [name] : []))
    .toSorted()

const problems = (reports: ReadonlyArray<Cleanup.Report>) =>
  reports
    .flatMap(({ outcomes }) => outcomes)
    .flatMap(({ action, error, name, reason }) =>
      action === "failed" || error !== undefined ? [`${name} ${reason} ${error?.message}`] : []
    )

/** Restarts a VM as an orchestrator does: makes the directory if it is missing, and retries if a sweep took it. */
const restart: Effect.Effect<string, unknown, Effect.Services<ReturnType<typeof Ownership.record>> | Disk> = Effect.gen(
  function* () {
    const disk = yield* Disk
    yield* Effect.ignore(disk.makeDirectory(vm))
    yield* Ownership.record(vm)
    yield* disk.create(`${vm}/console.log`, () => Effect.succeed(new TextEncoder().encode("of the new owner")))
    return "owned"
  }
)

const told = new Set(["AlreadyOwned", "Claimed", "Changed", "NotFound", "LockBusy"])

/** The result of the new owner: `owned`, or the tag of an error that guarantees that nothing was done. */
const attempt = (owner: Simulation.Actor) =>
  Effect.matchCauseEffect(owner.run(restart), {
    onSuccess: Effect.succeed,
    onFailure: (cause) => {
      const error = Cause.squash(cause)
      return typeof error === "object" && error !== null && "_tag" in error && told.has(`${error._tag}`)
        ? Effect.succeed(`${error._tag}`)
        : Effect.die(error)
    }
  })

/** Asserts that the directory belongs to the new owner and has everything that the owner wrote. */
const assertOwned = Effect.gen(function* () {
  const memory = yield* MemoryDisk
  const found = yield* memory.snapshot(root)
  assert.strictEqual(found[`${vm}/console.log`]?.content, "of the new owner")
  const [outcome] = (yield* Cleanup.sweep(root)).outcomes
  assert.deepInclude(outcome, { action: "kept", reason: "matches", name: "vm" })
})

/** The calls of a process that runs alone. */
const count = (arrange: Act, run: (actor: Simulation.Actor) => Act, options?: Simulation.Options) =>
  inWorld(
    Effect.gen(function* () {
      yield* arrange
      const actor = yield* Simulation.actor()
      yield* run(actor)
      return (yield* actor.memory.calls).map(({ operation, path, to }) => `${operation} ${path} ${to ?? ""}`)
    }),
    options
  )

const sweep = Cleanup.sweep(root)

/** Makes some dead directories, one with a living owner, and one that a killed sweep has half removed. */
const populate = Effect.fnUntraced(function* (dead: ReadonlyArray<string>) {
  for (const name of dead) yield* Simulation.crashed(`${root}/${name}`)
  yield* Simulation.owned(`${root}/alive`)
  yield* Simulation.seed({ [`${root}/.vm-sentinel-reap.0/dead/half/disk`]: "half" })
})

/** The dead directories that still exist, each at its own path or in a workspace. */
const left = Effect.gen(function* () {
  const paths = (yield* Simulation.paths(root)).map(Races.untagged)
  const found = paths.flatMap(
    (path) => /^(?:\.vm-sentinel-reap\.\w+\/(?:claimed|dead)\/)?(a|b|c|half)$/.exec(path)?.[1] ?? []
  )
  // A directory that is removed in place has a note in the workspace, so its name may occur twice.
  return [...new Set(found)]
})

/** With `withRoom` a sweep can make a workspace, with `inPlace` it can't. */
const withRoom = () => Effect.void
const inPlace = ({ memory }: Simulation.Actor) => memory.failNext("mkdir", "ENOSPC")
const unmoved = ({ memory }: Simulation.Actor) => memory.setAttributes(vm, { isLower: true })

/** Makes the rename of every directory of the root fail. */
const pinAll = Effect.gen(function* () {
  const memory = yield* MemoryDisk
  for (const name of yield* Simulation.names(root)) {
    if (!name.startsWith(".")) yield* memory.setAttributes(`${root}/${name}`, { isLower: true })
  }
})

/** Combinations of room and locks. A lock keeps the owner out while the sweep works on the directory. */
const worlds = [
  ["", withRoom, true],
  [", in place", inPlace, true],
  [", where it lies", unmoved, true],
  [", without locks", withRoom, false],
  [", in place and without locks", inPlace, false]
] as const

describe("scenario 41: an owner that restarts in the very directory being claimed", () => {
  for (const [where, prepare, locks] of worlds) {
    const arrange = Simulation.crashed(vm)
    const options = { locks }

    it.effect(`comes back at any call of the sweep, and loses nothing${where}`, () =>
      Effect.gen(function* () {
        const calls = yield* count(arrange, (sweeper) => Effect.andThen(prepare(sweeper), sweeper.run(sweep)), options)
        assert.isAbove(calls.length, 15)
        const results = new Set<string>()
        for (const [index, call] of calls.entries()) {
          const raced = Effect.gen(function* () {
            yield* arrange
            const [sweeper, owner] = [yield* Simulation.actor(), yield* Simulation.actor()]
            yield* prepare(sweeper)
            let result = "not started"
            const come = Effect.tap(attempt(owner), (value) => Effect.sync(() => (result = value)))
            yield* sweeper.memory.before(index + 1, come)
            const report = yield* sweeper.run(sweep)
            assert.deepStrictEqual(
              problems([report]).filter((line) => !line.includes("name-taken")),
              []
            )
            results.add(result)
            if (result !== "owned") result = yield* attempt(owner)
            assert.strictEqual(result, "owned")
            yield* assertOwned
          })
          yield* inWorld(raced, options).pipe(at(call))
        }
        assert.include([...results], "owned")
      })
    )

    it.effect(`is met by a whole sweep at any of its calls, and loses nothing${where}`, () =>
      Effect.gen(function* () {
        const calls = yield* count(arrange, attempt, options)
        assert.isAbove(calls.length, 10)
        const results = new Set<string>()
        for (const [index, call] of calls.entries()) {
          const raced = Effect.gen(function* () {
            yield* arrange
            const [sweeper, owner] = [yield* Simulation.actor(), yield* Simulation.actor()]
            yield* prepare(sweeper)
            yield* owner.memory.before(index + 1, Effect.orDie(sweeper.run(sweep)))
            let result = yield* attempt(owner)
            results.add(result)
            if (result !== "owned") result = yield* attempt(owner)
            assert.strictEqual(result, "owned")
            yield* assertOwned
          })
          yield* inWorld(raced, options).pipe(at(call))
        }
        // Without locks a sweep may take the directory after the record has appeared.
        assert.sameMembers([...results], ["owned", "NotFound", ...(locks ? [] : ["Claimed"])])
      })
    )
  }
})

describe("scenario 40: several sweeps at once", () => {
  const dead = ["a", "b", "c"]
  const arrange = Effect.gen(function* () {
    yield* populate(dead)
    yield* Simulation.crashed(`${root}/claimed`)
    yield* Simulation.seed({ [`${root}/.vm-sentinel-reap.0/claimed`]: { type: "directory" } })
    yield* MemoryDisk.use(({ move }) => move(`${root}/claimed`, `${root}/.vm-sentinel-reap.0/claimed/claimed`))
  })
  const all = [...dead, "claimed", "half"]

  const onFullDisk = Effect.gen(function* () {
    yield* arrange
    yield* Simulation.crashed(`${root}/d`)
    yield* MemoryDisk.use(({ move }) => move(`${root}/d`, `${root}/.vm-sentinel-reap.00000000.claimed=d`))
    yield* Simulation.seed({ [`${root}/.vm-sentinel-reap.00000001.dead=e/disk`]: "half" })
    yield* MemoryDisk.use(({ fill }) => fill())
  })

  for (const [where, prepare, names] of [
    ["", arrange, all],
    [", on a full file system", onFullDisk, [...all, "d", "e"]],
    [", where they lie", Effect.andThen(arrange, pinAll), all]
  ] as const) {
    it.effect(`a second one at any call of the first: each directory is removed once${where}`, () =>
      Effect.gen(function* () {
        const calls = yield* count(prepare, (sweeper) => sweeper.run(sweep))
        for (const [index, call] of calls.entries()) {
          // Every second call is enough, because the others show the same.
          if (index % 2 === 1) continue
          const raced = Effect.gen(function* () {
            yield* prepare
            const [one, two] = [yield* Simulation.actor(), yield* Simulation.actor()]
            const reports: Array<Cleanup.Report> = []
            const second = Effect.tap(two.run(sweep), (report) => Effect.sync(() => reports.push(report)))
            yield* one.memory.before(index + 1, Effect.orDie(second))
            reports.push(yield* one.run(sweep))
            assert.deepStrictEqual(problems(reports), [])
            assert.deepStrictEqual(removals(reports), names.toSorted())
            // The next sweep resumes what one sweep gave up because the other one was working on it.
            yield* TestClock.adjust("2 minutes")
            assert.deepStrictEqual(removals([yield* sweep]), [])
            assert.deepStrictEqual(yield* Simulation.names(root), ["alive"])
          })
          yield* inWorld(raced).pipe(at(call))
        }
      })
    )
  }

  it.effect("eight of them, call by call in any order: each directory is removed once", () =>
    Effect.gen(function* () {
      for (let round = 0; round < 6; round += 1) {
        const raced = Effect.gen(function* () {
          yield* arrange
          for (let index = 0; index < 20; index += 1) yield* Simulation.crashed(`${root}/more-${index}`)
          for (let index = 0; index < 5; index += 1) yield* Simulation.owned(`${root}/live-${index}`)
          const sweepers = yield* Effect.all(Array.from({ length: 8 }, () => Simulation.actor()))
          for (const { memory } of sweepers) {
            yield* memory.pause(Effect.flatMap(Random.nextIntBetween(1, 5), Races.giveWay))
          }
          const reports = yield* Effect.all(
            sweepers.map(({ run }) => run(Cleanup.sweep(root, { concurrency: 4 }))),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(problems(reports), [])
          assert.deepStrictEqual(
            removals(reports),
            [...all, ...Array.from({ length: 20 }, (_, index) => `more-${index}`)].toSorted()
          )
          yield* TestClock.adjust("2 minutes")
          assert.deepStrictEqual(removals([yield* sweep]), [])
          assert.sameMembers(yield* Simulation.names(root), [
            "alive",
            ...Array.from({ length: 5 }, (_, index) => `live-${index}`)
          ])
        })
        yield* inWorld(raced).pipe(Random.withSeed(`round ${round}`), at(`round ${round}`))
      }
    })
  )
})

describe("scenario 52: a sweep that is to stop", () => {
  const names = ["a", "b", "c"]
  const populated = populate(names)
  const unmoved = Effect.andThen(populated, pinAll)

  it.effect.each([
    ["one at once", 1, populated],
    ["several at once", 3, populated],
    ["several at once, where they lie", 3, unmoved]
  ] as const)(
    "at any call: each directory that is gone was told, and the next sweep goes on, %s",
    ([, concurrency, arrange]) =>
      Effect.gen(function* () {
        const calls = yield* count(arrange, (sweeper) => sweeper.run(Cleanup.sweep(root, { concurrency })))
        const stoppedAfter = new Set<number>()
        for (const [index, call] of calls.entries()) {
          const raced = Effect.gen(function* () {
            yield* arrange
            const sweeper = yield* Simulation.actor()
            const stop = yield* Latch.make()
            // The call completes later than the stop, like a call that waits for a disk.
            yield* sweeper.memory.before(index + 1, Effect.andThen(stop.open, Races.giveWay(3)))
            const first = yield* sweeper.run(Cleanup.sweep(root, { concurrency, stopWhen: stop.await }))
            assert.deepStrictEqual(problems([first]), [])
            const gone = [...names, "half"].length - (yield* left).length
            assert.strictEqual(removals([first]).length, gone)
            stoppedAfter.add(gone)
            const isComplete = first.outcomes.length === [...names, "half", "alive"].length
            assert.isTrue(isComplete || first.summary.interrupted)
            const second = yield* (yield* Simulation.actor()).run(Cleanup.sweep(root))
            assert.isUndefined(second.summary.interrupted)
            assert.deepStrictEqual(removals([first, second]), [...names, "half"].toSorted())
            assert.deepStrictEqual(yield* Simulation.names(root), ["alive"])
          })
          yield* inWorld(raced).pipe(at(call))
        }
        assert.isAbove(stoppedAfter.size, 2)
      })
  )
})

describe("scenario 52: a sweep that was stopped", () => {
  it.effect("before it began looks at no directory", () =>
    inWorld(
      Effect.gen(function* () {
        yield* Simulation.owned(`${root}/alive`)
        yield* Simulation.crashed(`${root}/dead`)
        const { outcomes, summary } = yield* Cleanup.sweep(root, { stopWhen: Effect.void })
        assert.deepStrictEqual(outcomes, [])
        assert.isTrue(summary.interrupted)
        assert.sameMembers(yield* Simulation.names(root), ["alive", "dead"])
      })
    )
  )

  it.effect("while it takes up what a killed sweep left, touches nothing more of it", () =>
    inWorld(
      Effect.gen(function* () {
        const memory = yield* MemoryDisk
        const workspace = `${root}/.vm-sentinel-reap.0`
        yield* Simulation.seed({ [`${workspace}/dead/first/disk`]: "half" })
        for (const name of ["a", "b", "c"]) {
          yield* Simulation.crashed(`${root}/${name}`)
          yield* Simulation.seed({ [`${workspace}/claimed/${name}-/disk`]: "" })
          yield* memory.remove(`${workspace}/claimed/${name}-`)
          yield* memory.move(`${root}/${name}`, `${workspace}/claimed/${name}`)
        }
        const sweeper = yield* Simulation.actor()
        const stop = yield* Latch.make()
        yield* sweeper.memory.before(
          ({ operation, path }) => operation === "unlink" && path.endsWith("/first/disk"),
          Effect.andThen(stop.open, Effect.andThen(Races.giveWay(3), sweeper.memory.clearCalls))
        )
        const { outcomes } = yield* sweeper.run(Cleanup.sweep(root, { stopWhen: stop.await }))
        assert.deepStrictEqual(
          outcomes.filter(({ name }) => name !== "first"),
          []
        )
        const touched = (yield* sweeper.memory.calls).filter(({ path }) => /claimed\/[abc]/.test(path))
        assert.deepStrictEqual(touched, [])
        const second = yield* (yield* Simulation.actor()).run(Cleanup.sweep(root))
        assert.includeMembers(removals([second]), ["a", "b", "c"])
        assert.deepStrictEqual(yield* Simulation.names(root), [])
      })
    )
  )
})

describe("a sweep whose reader ends it", () => {
  it.effect("closes its workspace after the removals under way, and leaves no workspace that is nobody's", () =>
    inWorld(
      Effect.gen(function* () {
        for (const name of ["a", "b", "c"]) yield* Simulation.crashed(`${root}/${name}`)
        const sweeper = yield* Simulation.actor()
        // The read of the second directory, in the workspace, takes 10 seconds.
        yield* sweeper.memory.before(
          ({ operation, path }) => operation === "read" && /claimed\/b/.test(path),
          Effect.sleep("10 seconds")
        )
        const read = Stream.runForEach(Cleanup.outcomes(root, { concurrency: 2 }), () =>
          Effect.andThen(Races.giveWay(500), Effect.fail("enough"))
        )
        assert.strictEqual(yield* Effect.flip(sweeper.run(read)), "enough")
        assert.isTrue((yield* Simulation.names(root)).every((name) => ["b", "c"].includes(name)))
      })
    )
  )
})

/** A store that removes each directory alone, and whose removals first wait for `before`. */
const slowly = (
  store: SentinelStore["Service"],
  before: (directory: string) => Effect.Effect<void>
): SentinelStore["Service"] => ({
  ...store,
  reclaimer: (root, options) =>
    Effect.map(store.reclaimer(root, options), (reclaimer) => ({
      ...reclaimer,
      removeMany: (judgements) => Effect.succeed(judgements.map(() => undefined)),
      claim: (condemned) =>
        Effect.map(reclaimer.claim(condemned), (claim) => ({
          ...claim,
          discard: (condemned, mayRemove) => Effect.andThen(before(claim.origin), claim.discard(condemned, mayRemove))
        }))
    }))
})

describe("a removal that takes long", () => {
  it.effect.each([
    ["on its page", 5],
    ["on the next pages, each of which has one that takes long", 600]
  ] as const)("keeps back no other that is done, %s", ([, size]) =>
    inWorld(
      Effect.gen(function* () {
        const names = Array.from({ length: size }, (_, index) => `${index}`.padStart(3, "0"))
        for (const name of names) yield* Simulation.crashed(`${root}/${name}`)
        const latch = yield* Latch.make()
        const store = yield* SentinelStore
        const told: Array<string> = []
        const sweep = Stream.runForEach(Cleanup.outcomes(root), ({ action, name }) =>
          Effect.sync(() => told.push(`${action} ${name}`))
        )
        const isSlow = (name: string) => Number(name) % 256 === 0
        const slow = slowly(store, (directory) => (isSlow(directory.slice(-3)) ? latch.await : Effect.void))
        const fiber = yield* Effect.forkChild(Effect.provideService(sweep, SentinelStore, slow))
        const quick = names.filter((name) => !isSlow(name))
        yield* Effect.repeat(Effect.yieldNow, { until: () => told.length === quick.length })
        assert.sameMembers(
          told,
          quick.map((name) => `removed ${name}`)
        )
        yield* latch.open
        yield* Fiber.join(fiber)
        assert.strictEqual(told.length, size)
      })
    )
  )

  it.effect("has no more beside it than the sweep is to handle at once", () =>
    inWorld(
      Effect.gen(function* () {
        for (let index = 0; index < 300; index++) yield* Simulation.crashed(`${root}/${index}`)
        const latch = yield* Latch.make()
        const store = yield* SentinelStore
        let waiting = 0
        const slow = slowly(store, () =>
          Effect.andThen(
            Effect.sync(() => void (waiting += 1)),
            latch.await
          )
        )
        const sweep = Cleanup.sweep(root, { concurrency: 7 })
        const fiber = yield* Effect.forkChild(Effect.provideService(sweep, SentinelStore, slow))
        yield* Effect.repeat(Effect.yieldNow, { until: () => waiting === 7 })
        yield* Races.giveWay(2000)
        assert.strictEqual(waiting, 7)
        yield* latch.open
        assert.strictEqual((yield* Fiber.join(fiber)).summary.removed, 300)
      })
    )
  )
})

describe("the path of a living directory", () => {
  it.effect("is reached by a fault: a page that can't be peeked at goes the careful path", () =>
    inWorld(
      Effect.gen(function* () {
        for (const name of ["a", "b"]) yield* Simulation.owned(`${root}/${name}`)
        const memory = yield* MemoryDisk
        yield* memory.clearCalls
        yield* Cleanup.sweep(root)
        const calls = yield* memory.calls
        yield* memory.clearCalls
        yield* memory.failNext("read", "EIO")
        const { outcomes } = yield* Cleanup.sweep(root)
        assert.deepStrictEqual(outcomes.map(({ action, name, verdict }) => `${name} ${action} ${verdict}`).toSorted(), [
          "a kept alive",
          "b kept alive"
        ])
        assert.isAbove((yield* memory.calls).length, calls.length, "looked at once more")
      })
    )
  )
})
