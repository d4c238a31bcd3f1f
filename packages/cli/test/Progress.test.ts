import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Progress from "../src/sweep/Progress.ts"
import * as Text from "../src/text/Text.ts"
import * as Streams from "./support/Streams.ts"

const recording = (notes: Array<string>) => Streams.layer({ stderr: (text) => Effect.sync(() => notes.push(text)) })

const options = (mode: Progress.Mode) => ({
  mode,
  root: "/vms",
  isNamed: false,
  step: () => ({ done: 5, removed: 2, dryRun: false }),
  total: Effect.succeed(20)
})

const wipe = "\r\u001b[2K"

describe("Progress", () => {
  it.effect("shows no bar of what is done within a second, and no line of what is done within 30 seconds", () => {
    const notes: Array<string> = []
    return Effect.gen(function* () {
      for (const [mode, time] of [
        ["bar", "990 millis"],
        ["lines", "29 seconds"],
        ["none", "1 hour"]
      ] as const) {
        const fiber = yield* Effect.forkChild(Progress.during(options(mode))(Effect.sleep(time)))
        yield* TestClock.adjust(time)
        yield* Fiber.join(fiber)
      }
      assert.deepStrictEqual(notes, [])
    }).pipe(Effect.provide(recording(notes)))
  })

  it.effect("draws a bar on one line from the first second on, and wipes it", () => {
    const notes: Array<string> = []
    let done = 0
    const step = () => ({ done: (done += 5), removed: 2, dryRun: false })
    return Effect.gen(function* () {
      const work = Effect.as(Effect.sleep("1300 millis"), "done")
      const fiber = yield* Effect.forkChild(Progress.during({ ...options("bar"), step })(work))
      yield* TestClock.adjust("1 second")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(fiber), "done")
      assert.deepStrictEqual(notes, [
        `${wipe}[########.........................]  5 of 20 scanned, 2 removed, 5.0/s, 3s left`,
        `${wipe}[################................]  10 of 20 scanned, 2 removed, 8.3/s, 1s left`,
        wipe
      ])
    }).pipe(Effect.provide(recording(notes)))
  })

  it.effect("wipes the bar of what is interrupted", () => {
    const notes: Array<string> = []
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Progress.during(options("bar"))(Effect.never))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(notes.at(-1), wipe)
    }).pipe(Effect.provide(recording(notes)))
  })

  it.effect("without a terminal writes a line every 30 seconds, with the root", () => {
    const notes: Array<string> = []
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Progress.during(options("lines"))(Effect.never))
      yield* TestClock.adjust("70 seconds")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(notes, [
        "vm-sentinel: /vms: 5 of 20 scanned, 2 removed, 0.2/s, 1m left\n",
        "vm-sentinel: /vms: 5 of 20 scanned, 2 removed, 0.1/s, 3m left\n"
      ])
    }).pipe(Effect.provide(recording(notes)))
  })

  it.effect("counts the directories only when something is shown, and waits for no count", () => {
    const notes: Array<string> = []
    let counted = 0
    const total = Effect.andThen(
      Effect.sync(() => (counted += 1)),
      Effect.never
    )
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Progress.during({ ...options("bar"), total })(Effect.never))
      yield* TestClock.adjust("900 millis")
      assert.strictEqual(counted, 0)
      yield* TestClock.adjust("100 millis")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(notes, [`${wipe}5 scanned, 2 removed, 5.0/s`, wipe])
      assert.strictEqual(counted, 1)
    }).pipe(Effect.provide(recording(notes)))
  })

  it.effect.each([
    { stderr: true, stdout: true, json: false, quiet: false, mode: "bar" },
    { stderr: true, stdout: false, json: true, quiet: false, mode: "bar" },
    { stderr: true, stdout: true, json: true, quiet: false, mode: "none" },
    { stderr: false, stdout: true, json: false, quiet: false, mode: "lines" },
    { stderr: true, stdout: true, json: false, quiet: true, mode: "none" },
    { stderr: false, stdout: false, json: false, quiet: true, mode: "none" }
  ])("is $mode with terminals at stderr: $stderr, stdout: $stdout, json: $json, quiet: $quiet", (given) =>
    Effect.gen(function* () {
      const stdio = Streams.terminals({ stderr: given.stderr, stdout: given.stdout })
      assert.strictEqual(yield* Effect.provide(Progress.modeOf(given), stdio), given.mode)
    })
  )
})

describe("Progress.totalOf", () => {
  it.effect("counts what the walk has removed, too, but not what it would remove", () =>
    Effect.gen(function* () {
      const totalOf = (dryRun: boolean, inRoot: number | undefined) =>
        Progress.totalOf(() => ({ done: 5, removed: 2, dryRun }), Effect.succeed(inRoot))
      assert.strictEqual(yield* totalOf(false, 18), 20)
      assert.strictEqual(yield* totalOf(true, 18), 18)
      assert.isUndefined(yield* totalOf(false, undefined))
    })
  )
})

describe("Progress.bar", () => {
  const step = { done: 4213, removed: 4200, total: 10_000, milliseconds: 5000, dryRun: true }
  const huge = { done: 1_999_999, removed: 1_999_998, total: 3_000_000, milliseconds: 3_600_000, dryRun: false }

  it("fills the terminal up to 40 characters of bar", () => {
    assert.strictEqual(
      Progress.bar("", step, 80),
      "[##########..............]  4213 of 10000 judged, 4200 would go, 843/s, 6s left"
    )
    assert.strictEqual(
      Progress.bar("/srv/vms", step, 200),
      "/srv/vms  [################........................]  4213 of 10000 judged, 4200 would go, 843/s, 6s left"
    )
  })

  it("stays on one line of any terminal, whatever it counts", () => {
    for (const width of [10, 40, 80, 200]) {
      for (const label of ["", "/vms", `/srv/${"漢".repeat(100)}`]) {
        for (const each of [step, huge, { ...huge, total: undefined }]) {
          assert.isBelow(Text.width(Progress.bar(label, each, width)), width)
        }
      }
    }
  })

  it("is full, and nothing is left, where more is done than was counted", () => {
    assert.strictEqual(
      Progress.bar("", { ...step, done: 11_000 }, 80),
      "[########################################]  11000 judged, 4200 would go, 2200/s"
    )
  })
})
