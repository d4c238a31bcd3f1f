import { assert, describe, it, vi } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Logger, type Scope } from "effect"
import * as Cleanup from "../src/Cleanup.ts"
import { isMutation, MemoryDisk, untilKilled } from "../src/testing/MemoryDisk.ts"
import * as Simulation from "../src/testing/Simulation.ts"
import { deadNames, populated, root, sweptTwice } from "./support/deadGroup.ts"

// A test has hundreds of runs, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000 })

const onStage = <A, E>(act: Effect.Effect<A, E, Simulation.Services | Scope.Scope>) =>
  Effect.scoped(Effect.provide(act, Layer.merge(Simulation.layer, Logger.layer([]))))

const contentOf = (name: string) =>
  Effect.map(
    MemoryDisk.use(({ snapshot }) => snapshot(`${root}/${name}`)),
    (found) => Object.entries(found).map(([path, { content, ino }]) => [path, content, ino])
  )

/** All calls of a sweep over {@link populated}. */
const callsOfSweep = onStage(
  Effect.gen(function* () {
    yield* populated
    const sweeper = yield* Simulation.actor()
    yield* sweeper.run(Cleanup.sweep(root))
    return yield* sweeper.memory.calls
  })
)

describe("Cleanup.sweep of a group", () => {
  for (const errno of ["EIO", "EMFILE"]) {
    it.effect(`one ${errno} at any call: the living directory stays, and each dead one is removed or told`, () =>
      Effect.gen(function* () {
        const calls = yield* callsOfSweep
        assert.isAbove(calls.length, 60)
        for (const [index, { operation, path, to = "" }] of calls.entries()) {
          const failing = Effect.gen(function* () {
            yield* populated
            const living = yield* contentOf("live")
            const sweeper = yield* Simulation.actor()
            let made = 0
            yield* sweeper.memory.before(() => made++ === index, sweeper.memory.failNext(operation, errno))
            const exit = yield* Effect.exit(sweeper.run(Cleanup.sweep(root)))
            yield* sweeper.kill
            assert.deepStrictEqual(yield* contentOf("live"), living)
            const outcomes = Exit.isSuccess(exit) ? exit.value.outcomes : []
            const present = yield* Simulation.names(root)
            if (Exit.isSuccess(exit)) {
              assert.sameMembers(
                outcomes.map(({ name }) => name),
                [...deadNames, "live"]
              )
            }
            const removed = outcomes.filter(({ action }) => action === "removed").map(({ name }) => name)
            for (const name of removed) assert.notInclude(present, name)
            assert.isAtLeast(removed.length, Exit.isSuccess(exit) ? 2 : 0)
            const later = yield* sweptTwice
            const rest = later.filter(({ action }) => action === "removed").map(({ name }) => name)
            assert.sameMembers([...removed, ...rest], deadNames)
            assert.deepStrictEqual(yield* Simulation.names(root), ["live"])
            assert.deepStrictEqual(yield* contentOf("live"), living)
          })
          yield* onStage(failing).pipe(
            Effect.catchCause((cause) =>
              Effect.die(new Error(`${index} ${operation} ${path} ${to}`, { cause: Cause.squash(cause) }))
            )
          )
        }
      })
    )
  }

  it.effect(
    "killed at any call that changes something: the next sweep finishes, and no living directory is touched",
    () =>
      Effect.gen(function* () {
        const calls = (yield* callsOfSweep).filter(isMutation)
        for (const [index, { operation, path, to = "" }] of calls.entries()) {
          const killed = Effect.gen(function* () {
            yield* populated
            const living = yield* contentOf("live")
            const sweeper = yield* Simulation.actor()
            yield* sweeper.memory.killAt(index + 1)
            yield* sweeper.run(untilKilled(Cleanup.sweep(root)))
            yield* sweeper.kill
            assert.deepStrictEqual(yield* contentOf("live"), living)
            yield* sweptTwice
            assert.deepStrictEqual(yield* Simulation.names(root), ["live"])
            assert.deepStrictEqual(yield* contentOf("live"), living)
          })
          yield* onStage(killed).pipe(
            Effect.catchCause((cause) =>
              Effect.die(new Error(`${index} ${operation} ${path} ${to}`, { cause: Cause.squash(cause) }))
            )
          )
        }
      })
  )
})
