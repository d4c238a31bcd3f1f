import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { assert, describe, it } from "@effect/vitest"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import * as SentinelStore from "@vm-sentinel/core/SentinelStore"
import { Deferred, Effect, Exit, Fiber, Layer, PlatformError, Queue } from "effect"
import { TestClock } from "effect/testing"
import * as Sweep from "../src/sweep/Sweep.ts"
import * as Roots from "./support/Roots.ts"
import * as Streams from "./support/Streams.ts"
import { defaults } from "./support/Sweeping.ts"

const store = Layer.provide(SentinelStore.layerFileSystem, [NodeFileSystem.layer, NodePath.layer])

const closed = PlatformError.systemError({
  _tag: "Unknown",
  module: "Stdio",
  method: "stdout",
  cause: Object.assign(new Error("write EPIPE"), { code: "EPIPE" })
})

/** An inspector that completes `asked` at its first observation and never answers. */
const silent = (asked: Deferred.Deferred<void>) =>
  Layer.succeed(ProcessInspector, {
    host: Effect.succeed({ hostname: "h", namespaces: "supported" as const }),
    self: Effect.never,
    identify: () => Effect.never,
    observe: () => Effect.andThen(Deferred.succeed(asked, undefined), Effect.never),
    lockHolders: () => Effect.succeed([])
  })

describe("Sweep", () => {
  it.live.each([
    { json: false, dryRun: false },
    { json: true, dryRun: false },
    { json: true, dryRun: true }
  ])("interrupted says how far it came, and how to go on (json: $json, dry run: $dryRun)", ({ dryRun, json }) => {
    let text = ""
    let said = ""
    return Effect.gen(function* () {
      const root = yield* Roots.scratch
      Roots.directory(root, "a")
      Roots.file(`${Roots.directory(root, "b")}/.vm-sentinel`, "1")
      const asked = yield* Deferred.make<void>()
      const fiber = yield* Sweep.sweep({ ...defaults, roots: [root], json, dryRun }).pipe(
        Effect.provide([
          silent(asked),
          store,
          Streams.layer({
            stdout: (more) => Effect.sync(() => (text += more)),
            stderr: (more) => Effect.sync(() => (said += more))
          })
        ]),
        Effect.forkChild
      )
      yield* Deferred.await(asked)
      yield* Fiber.interrupt(fiber)
      assert.match(text, json ? /"interrupted":true\}\n$/ : /scanned: .*; interrupted\n$/)
      assert.strictEqual(said, dryRun ? "" : "vm-sentinel: interrupted; run it again to go on\n")
    })
  })

  it.effect("interrupted waits two seconds for a reader that doesn't read, two for the last word, and no longer", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      Roots.directory(root, "a")
      const writes = yield* Queue.unbounded<string>()
      const asked = yield* Deferred.make<void>()
      const fiber = yield* Sweep.sweep({ ...defaults, roots: [root], json: true }).pipe(
        Effect.provide([
          silent(asked),
          store,
          Streams.layer({ stdout: (text) => Effect.andThen(Queue.offer(writes, text), Effect.never) })
        ]),
        Effect.forkChild
      )
      assert.include(yield* Queue.take(writes), "Outcome")
      const interruption = yield* Effect.forkChild(Fiber.interrupt(fiber))
      yield* TestClock.adjust("1990 millis")
      assert.strictEqual(yield* Queue.size(writes), 0)
      yield* TestClock.adjust("10 millis")
      assert.include(yield* Queue.take(writes), "Summary")
      yield* TestClock.adjust("1990 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("10 millis")
      yield* Fiber.join(interruption)
      assert.isTrue(Exit.isFailure(yield* Fiber.await(fiber)))
    })
  )

  it.live("stops at the first line that can't be written", () => {
    let lines = 0
    return Effect.gen(function* () {
      const root = yield* Roots.scratch
      for (const name of ["a", "b", "c"]) Roots.directory(root, name)
      const asked = yield* Deferred.make<void>()
      const error = yield* Sweep.sweep({ ...defaults, roots: [root], json: true }).pipe(
        Effect.provide([
          silent(asked),
          store,
          Streams.layer({
            stdout: () => {
              lines += 1
              return Effect.fail(closed)
            }
          })
        ]),
        Effect.flip
      )
      assert.include(error, { _tag: "OutputError", errno: "EPIPE" })
      assert.strictEqual(lines, 1)
    })
  })
})
