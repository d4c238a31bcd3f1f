import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as PidNamespace from "../src/testing/PidNamespace.ts"
import { because } from "@vm-sentinel/core/test/support/able"
import { noNamespace, patience } from "./support/inspectorsElsewhere.ts"
import { Programs } from "./support/programs.ts"

/** A script with this JavaScript code. */
const saying = (code: string) =>
  Effect.map(Effect.service(Programs), ({ folder }) => {
    const path = join(folder, "script.mjs")
    writeFileSync(path, code)
    return path
  })

const echo = `
process.stdin.setEncoding("utf8").on("data", (text) => {
  for (const line of text.split("\\n")) if (line !== "") process.stdout.write(line + "\\n")
})`

describe("PidNamespace", () => {
  it.effect("says whether it can be had, and why not", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* PidNamespace.available, (yield* PidNamespace.unavailable) === undefined)
    })
  )

  it.live.skipIf(noNamespace !== undefined)(
    because("runs a script as PID 1 and reads its JSON", noNamespace),
    () =>
      Effect.gen(function* () {
        const script = yield* saying("console.log(JSON.stringify([process.pid, ...process.argv.slice(2)]))")
        assert.deepStrictEqual(yield* PidNamespace.run(script, ["a", "b"]), [1, "a", "b"])
      }).pipe(Effect.provide(Programs.layer)),
    patience
  )

  it.live.skipIf(noNamespace !== undefined)(
    because("fails with what a script that fails complains of", noNamespace),
    () =>
      Effect.gen(function* () {
        const failing = yield* saying("console.error('a complaint'); process.exit(3)")
        assert.include((yield* Effect.flip(PidNamespace.run(failing))).message, "a complaint")
        const babbling = yield* saying("console.log('{')")
        assert.include((yield* Effect.flip(PidNamespace.run(babbling))).message, "not JSON")
      }).pipe(Effect.provide(Programs.layer)),
    patience
  )

  it.live(
    "a session answers one request after another, and fails when its script ends",
    () =>
      Effect.gen(function* () {
        const session = yield* PidNamespace.sessionUnder(["env"], yield* saying(echo))
        assert.deepStrictEqual(yield* session.request({ a: [1] }), { a: [1] })
        assert.strictEqual(yield* session.request("again"), "again")
        const ending = yield* PidNamespace.sessionUnder(["env"], yield* saying("console.error('an end')"))
        assert.include((yield* Effect.flip(ending.request(1))).message, "the script ended")
        assert.include((yield* Effect.flip(ending.request(2))).message, "an end")
        const missing = yield* PidNamespace.sessionUnder(["/nonexistent/program"], "script.mjs")
        assert.include((yield* Effect.flip(missing.request(1))).message, "ENOENT")
      }).pipe(Effect.provide(Programs.layer)),
    patience
  )

  it.live("a program that can't be started, and a number that isn't given out, are errors", () =>
    Effect.gen(function* () {
      const missing = yield* Effect.flip(PidNamespace.start({ file: "/nonexistent/program" }))
      assert.include(missing.message, "can't be started")
      const never = yield* Effect.flip(PidNamespace.recycle(2, { file: "true" }, { attempts: 0 }))
      assert.include(never.message, "was not given out")
    })
  )

  it.live(
    "a program that was ended is reaped: nothing has its number",
    () =>
      Effect.gen(function* () {
        const { one } = yield* Programs
        const child = yield* PidNamespace.start({ file: one, args: ["1000000"] })
        assert.match(PidNamespace.startTicks(child.pid) ?? "", /^[0-9]+$/)
        yield* child.end
        assert.isUndefined(PidNamespace.startTicks(child.pid))
        yield* child.end
      }).pipe(Effect.provide(Programs.layer)),
    patience
  )
})
