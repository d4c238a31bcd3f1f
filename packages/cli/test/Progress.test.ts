import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Progress from "../src/Progress.ts"
import * as Streams from "./support/Streams.ts"

const recording = (notes: Array<string>) => Streams.layer({ stderr: (text) => Effect.sync(() => notes.push(text)) })

describe("Progress", () => {
  it.effect("says nothing of what is done within a second", () => {
    const notes: Array<string> = []
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Progress.during(() => "1 scanned")(Effect.sleep("990 millis")))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(notes, [])
    }).pipe(Effect.provide(recording(notes)))
  })

  it.effect("counts from the first second on, and wipes the line", () => {
    const notes: Array<string> = []
    let scanned = 0
    return Effect.gen(function* () {
      const work = Effect.as(Effect.sleep("1300 millis"), "done")
      const fiber = yield* Effect.forkChild(Progress.during(() => `${++scanned} scanned`)(work))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(notes, ["\r\u001b[2K1 scanned"])
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(fiber), "done")
      assert.deepStrictEqual(notes, ["\r\u001b[2K1 scanned", "\r\u001b[2K2 scanned", "\r\u001b[2K"])
    }).pipe(Effect.provide(recording(notes)))
  })

  it.effect("wipes the line of what is interrupted", () => {
    const notes: Array<string> = []
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Progress.during(() => "x")(Effect.never))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(notes.at(-1), "\r\u001b[2K")
    }).pipe(Effect.provide(recording(notes)))
  })
})
