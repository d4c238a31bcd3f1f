import { assert, describe, it } from "@effect/vitest"
import { isoTime, makeIsoTime } from "../src/internal/judgement/isoTime.ts"

const latest = 8.64e15

describe("a time as text", () => {
  it.each([
    [0, "1970-01-01T00:00:00.000Z"],
    [-0, "1970-01-01T00:00:00.000Z"],
    [999, "1970-01-01T00:00:00.999Z"],
    [1000, "1970-01-01T00:00:01.000Z"],
    [-1, "1969-12-31T23:59:59.999Z"],
    [-1000, "1969-12-31T23:59:59.000Z"],
    [-1001, "1969-12-31T23:59:58.999Z"],
    [1_767_225_600_007, "2026-01-01T00:00:00.007Z"],
    [253_402_300_799_999, "9999-12-31T23:59:59.999Z"],
    [253_402_300_800_000, "+010000-01-01T00:00:00.000Z"],
    [-62_167_219_200_000, "0000-01-01T00:00:00.000Z"],
    [-62_167_219_200_001, "-000001-12-31T23:59:59.999Z"],
    [latest, "+275760-09-13T00:00:00.000Z"],
    [latest - 1, "+275760-09-12T23:59:59.999Z"],
    [-latest, "-271821-04-20T00:00:00.000Z"],
    [1 - latest, "-271821-04-20T00:00:00.001Z"]
  ])("%d is %s", (time, text) => {
    assert.strictEqual(isoTime(time), text)
  })

  it("loses what is less than a millisecond, before the epoch too", () => {
    assert.strictEqual(isoTime(1500.999), "1970-01-01T00:00:01.500Z")
    assert.strictEqual(isoTime(-0.5), "1969-12-31T23:59:59.999Z")
    assert.strictEqual(isoTime(-1500.5), "1969-12-31T23:59:58.499Z")
  })

  it.each([Number.NaN, Infinity, -Infinity, latest + 1, -latest - 1, 2 ** 63, -(2 ** 63)])("%d is none", (time) => {
    assert.isUndefined(isoTime(time))
  })

  it("is the same where many times are written one after the other", () => {
    const timeOf = makeIsoTime()
    const times = [0, 1, 999, 1000, 999, -1, -1000, -999.5, 1500.999, 253_402_300_800_000, latest, -latest, latest + 1]
    for (const time of [...times, Number.NaN, ...times.toReversed(), 2 ** 63, 5]) {
      assert.strictEqual(timeOf(time), isoTime(time), `${time}`)
    }
  })
})
