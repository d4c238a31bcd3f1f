import type * as Outcome from "@vm-sentinel/core/Outcome"
import { count, empty } from "@vm-sentinel/core/Outcome"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type PlatformError } from "effect"
import { systemError } from "effect/PlatformError"
import * as Report from "../src/sweep/Report.ts"
import * as Streams from "./support/Streams.ts"
import { outcome } from "./support/outcomes.ts"

const names = (count: number, prefix: string) => Array.from({ length: count }, (_, index) => `${prefix}${index}`)

/** What a reporter writes. `answer` is the result of each write to stdout. */
const written = (
  reporter: Report.Reporter,
  outcomes: ReadonlyArray<Outcome.Outcome>,
  answer: () => Effect.Effect<void, PlatformError.PlatformError> = () => Effect.void
) =>
  Effect.gen(function* () {
    let [stdout, stderr] = ["", ""]
    const streams = Streams.layer({
      stdout: (text) =>
        Effect.andThen(
          answer(),
          Effect.sync(() => (stdout += text))
        ),
      stderr: (text) => Effect.sync(() => (stderr += text))
    })
    const halves = [outcomes.slice(0, 1), outcomes.slice(1)]
    const summary = count(empty("/vms"), outcomes)
    const reported = Effect.andThen(Effect.forEach(halves, reporter.outcomes), reporter.summary(summary))
    const error = yield* Effect.match(Effect.provide(reported, streams), {
      onFailure: ({ errno }) => errno,
      onSuccess: () => undefined
    })
    return { stdout, stderr, error }
  })

const failing = (code: string) => () =>
  Effect.fail(
    systemError({ _tag: "Unknown", module: "Stdio", method: "write", cause: Object.assign(new Error(), { code }) })
  )

describe("Report.jsonLine", () => {
  it("has no lone surrogate, and leaves every other text as it is", () => {
    const texts = ["a\udcffb", "\udcff\udcfe", "\ud83d", "\ud83d\ude00", "\\udcff", "\\\\\udcff", "\\u0041"]
    for (const text of texts) {
      const line = Report.jsonLine({ [text]: text })
      assert.strictEqual(line.isWellFormed() && !/(?<!\\)(\\\\)*\\ud[89a-f]/.test(line), true, line)
      assert.deepStrictEqual(JSON.parse(line), { [text.toWellFormed()]: text.toWellFormed() })
    }
  })

  it("escapes what a terminal would act on, and means the same", () => {
    const name = "a\u009b31m\u202e\u007f\u200bß漢\u001b"
    const line = Report.jsonLine({ name })
    assert.strictEqual(line, String.raw`{"name":"a\u009b31m\u202e\u007f\u200bß漢\u001b"}` + "\n")
    assert.deepStrictEqual(JSON.parse(line), { name })
  })
})

describe("Report.human", () => {
  it.effect("has at most 1000 rows, news first, and says how many it left out", () =>
    Effect.gen(function* () {
      const removed = names(600, "removed").map((name) =>
        outcome(name, { action: "removed", verdict: "dead", reason: "pid-dead" })
      )
      const all = [...names(1000, "alive").map((name) => outcome(name)), ...removed]
      const { stdout } = yield* written(Report.human(), all)
      const lines = stdout.trimEnd().split("\n")
      assert.strictEqual(lines.filter((line) => line.startsWith("removed")).length, 600)
      assert.strictEqual(lines.filter((line) => line.startsWith("alive")).length, 400)
      assert.deepStrictEqual(lines.slice(-2), [
        "600 more have no row here: --json tells all",
        "1600 scanned: 600 removed, 1000 kept"
      ])
      const few = yield* written(Report.human(), all.slice(0, 1000))
      assert.notInclude(few.stdout, "no row here")
    })
  )
})

describe("Report.patient", () => {
  const all = names(3, "vm").map((name) => outcome(name))

  for (const [title, reporter] of [
    ["JSON lines", () => Report.json],
    ["a table", Report.human]
  ] as const) {
    it.effect(`scenario 96: ${title}: goes on where stdout is full, and says so once, and the end, on stderr`, () =>
      Effect.gen(function* () {
        const patient = Report.patient(reporter())
        const { error, stderr, stdout } = yield* written(patient, all, failing("ENOSPC"))
        assert.deepStrictEqual([error, stdout], [undefined, ""])
        assert.match(
          stderr,
          /^vm-sentinel: stdout: ENOSPC; the sweep goes on.*\nvm-sentinel: 3 scanned: 0 removed, 3 kept\n$/
        )
        assert.deepInclude(yield* patient.failure, { errno: "ENOSPC" })
      })
    )
  }

  it.effect("scenario 96: writes no line after one that may be cut off", () =>
    Effect.gen(function* () {
      let writes = 0
      const once = () => Effect.suspend(() => ((writes += 1) === 1 ? failing("ENOSPC")() : Effect.void))
      const { stdout } = yield* written(Report.patient(Report.json), all, once)
      assert.strictEqual(stdout, "")
    })
  )

  it.effect("ends where the reader of stdout is gone", () =>
    Effect.gen(function* () {
      const { error, stderr } = yield* written(Report.patient(Report.json), all, failing("EPIPE"))
      assert.deepStrictEqual([error, stderr], ["EPIPE", ""])
    })
  )
})
