import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stdio } from "effect"
import * as Confirmation from "../src/sweep/Confirmation.ts"
import * as Streams from "./support/Streams.ts"

describe("Confirmation.ask", () => {
  it.effect.each([
    ["y\n", true],
    ["Yes\n", true],
    [" y \r\n", true],
    ["n\n", false],
    ["\n", false],
    ["yeah\n", false],
    ["no\ny\n", false],
    ["", false]
  ] as const)("takes %j for a yes: %s", ([typed, isYes]) => {
    let said = ""
    const streams = Streams.layer({
      stderr: (text) => Effect.sync(() => (said += text)),
      typed: Effect.succeed(typed)
    })
    return Effect.gen(function* () {
      assert.strictEqual(yield* Confirmation.ask("Remove it?"), isYes)
      assert.strictEqual(said, `Remove it? [y/N] ${typed === "" ? "\n" : ""}`)
    }).pipe(Effect.provide(streams))
  })

  it.effect("ends the line of a question that is interrupted", () => {
    let said = ""
    const streams = Streams.layer({ stderr: (text) => Effect.sync(() => (said += text)), typed: Effect.never })
    return Effect.gen(function* () {
      const asking = yield* Effect.forkChild(Confirmation.ask("Remove it?"), { startImmediately: true })
      yield* Fiber.interrupt(asking)
      assert.strictEqual(said, "Remove it? [y/N] \n")
    }).pipe(Effect.provide(streams))
  })
})

describe("Confirmation.isPossible", () => {
  it.effect.each([
    [true, true],
    [true, false],
    [false, true],
    [false, false]
  ])("with terminals at stdin: %s, and stderr: %s", ([stdin, stderr]) =>
    Effect.gen(function* () {
      const stdio = Stdio.layerTest({
        stdinIsTerminal: Effect.succeed(stdin === true),
        stderrIsTerminal: Effect.succeed(stderr === true)
      })
      assert.strictEqual(yield* Effect.provide(Confirmation.isPossible, stdio), stdin && stderr)
    })
  )
})
