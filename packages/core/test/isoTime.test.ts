import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import { isoTime } from "../src/internal/isoTime.ts"
import { runs } from "./support/property.ts"

const latest = 8.64e15

describe("a time as text", () => {
  it("is none where there is no such time", () => {
    for (const time of [Number.NaN, Infinity, -Infinity, latest + 1, -latest - 1, 2 ** 63, -(2 ** 63)]) {
      assert.isUndefined(isoTime(time), `${time}`)
    }
    for (const time of [latest, -latest, latest - 1, 1 - latest, 0, -1, -1000, -1001, 999, 1000]) {
      assert.strictEqual(isoTime(time), new Date(time).toISOString())
    }
  })

  it.effect.prop(
    "is what a Date gives, whichever was asked for before",
    {
      second: Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: -8e12, maximum: 8e12 }))),
      offsets: Arbitrary.schema(Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: -2500, maximum: 2500 }))))
    },
    ({ offsets, second }) =>
      Effect.sync(() => {
        for (const offset of offsets) {
          const time = second * 1000 + offset
          assert.strictEqual(isoTime(time), new Date(time).toISOString())
        }
      }),
    runs(1000)
  )
})
