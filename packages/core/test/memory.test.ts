import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import * as Memory from "../src/internal/memory.ts"
import { runs } from "./support/property.ts"

const Step = Schema.Struct({
  wait: Schema.Literals([0, 1, 3, 9, 10, 11]),
  /** How long it took to find out. */
  took: Schema.Literals([0, 0, 1, 9, 10, 15]),
  act: Schema.Literals(["get", "set"]),
  key: Schema.Literals(["a", "b"])
})

describe("a memory of a moment", () => {
  it.effect.prop(
    "knows nothing that is older than the moment, and what was found out at once",
    { steps: Arbitrary.schema(Schema.Array(Step)) },
    ({ steps }) =>
      Effect.sync(() => {
        let now = 1000
        const memory = Memory.make<string, number>(10, () => now)
        const setAt = new Map<string, number>()
        for (const { act, key, took, wait } of steps) {
          now += wait
          if (act === "set") {
            const since = memory.now()
            now += took
            memory.set(key, since, since)
            setAt.set(key, since)
            if (took === 0) assert.strictEqual(memory.get(key), since)
            continue
          }
          const known = memory.get(key)
          if (known === undefined) continue
          assert.isBelow(now - known, 10)
          assert.isAtMost(known, setAt.get(key) ?? 0)
        }
      }),
    runs(500)
  )

  it("knows nothing from before its clock was set back by more than the moment, and for no more than two moments", () => {
    let now = 1000
    const memory = Memory.make<string, number>(10, () => now)
    const known = (at: number) => {
      now = at
      return memory.get("a")
    }
    memory.set("a", 1, memory.now())
    assert.strictEqual(known(1009), 1)
    assert.isUndefined(known(500))
    assert.isUndefined(known(1009))
    memory.set("a", 2, memory.now())
    // Ten milliseconds pass, and it was set back by nine.
    assert.strictEqual(known(1010), 2)
    assert.isUndefined(known(1019))
  })
})
