import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import {
  compare,
  compareStartTokens,
  type Comparison,
  Decimal,
  Executable,
  isPid,
  Pid,
  ProcessIdentity,
  StartToken
} from "../src/ProcessIdentity.ts"
import { runs } from "./support/property.ts"

describe("Pid", () => {
  it.for([1, 2, 300, 4_194_304, 2_147_483_647])("takes %d", (number) => {
    assert.isTrue(Schema.is(Pid)(number))
    assert.isTrue(isPid(number))
  })

  it.for([0, -1, -0, 1.5, 2_147_483_648, 4_294_967_297, Infinity, NaN, "1", undefined, null, 1n])(
    "scenario 36: refuses %s",
    (value) => {
      assert.isFalse(Schema.is(Pid)(value))
      if (typeof value === "number") assert.isFalse(isPid(value))
    }
  )
})

describe("StartToken and Decimal", () => {
  it.for([
    ["0", true, true],
    ["18446744073709551615", true, true],
    ["s:1704067200", true, false],
    ["", false, false],
    ["-1", false, false],
    ["1.5", false, false],
    ["1e3", false, false],
    [" 1", false, false],
    ["1\n", false, false],
    ["s:", false, false],
    ["S:1", false, false],
    ["123456789012345678901", false, false]
  ] as const)("%j: token %s, decimal %s", ([text, isToken, isDecimal]) => {
    assert.strictEqual(Schema.is(StartToken)(text), isToken)
    assert.strictEqual(Schema.is(Decimal)(text), isDecimal)
  })
})

describe("compare", () => {
  it.for<[string | undefined, string | undefined, Comparison]>([
    ["a", "a", "equal"],
    ["a", "b", "different"],
    ["a", "A", "different"],
    ["1", "01", "different"],
    ["", "", "equal"],
    ["", "a", "different"],
    ["a", undefined, "unknown"],
    [undefined, "a", "unknown"],
    [undefined, undefined, "unknown"]
  ])("%j and %j: %s", ([recorded, observed, expected]) => {
    assert.strictEqual(compare(recorded, observed), expected)
  })
})

describe("compareStartTokens", () => {
  it.for<[string | undefined, string | undefined, Comparison]>([
    ["1000", "1000", "equal"],
    ["1000", "1001", "different"],
    ["9007199254740992", "9007199254740993", "different"],
    ["1000", undefined, "unknown"],
    [undefined, "1000", "unknown"],
    [undefined, undefined, "unknown"],
    ["s:1704067200", "s:1704067200", "equal"],
    ["s:1704067200", "s:1704067201", "different"],
    ["s:1704067200", "1704067200000000", "equal"],
    ["s:1704067200", "1704067200999999", "equal"],
    ["s:1704067200", "1704067201000000", "different"],
    ["s:1704067200", "1704067199999999", "different"],
    ["1704067200123456", "s:1704067200", "equal"],
    ["1704067200123456", "s:1704067201", "different"],
    ["s:1704067200", undefined, "unknown"],
    [undefined, "s:1704067200", "unknown"],
    ["s:0", "999999", "equal"],
    ["s:18446744073709", "18446744073709551615", "equal"]
  ])("%s and %s: %s", ([recorded, observed, expected]) => {
    assert.strictEqual(compareStartTokens(recorded, observed), expected)
  })

  it.prop(
    "is symmetric, and equal for a token and itself",
    [StartToken, StartToken],
    ([a, b]) => {
      assert.strictEqual(compareStartTokens(a, b), compareStartTokens(b, a))
      assert.strictEqual(compareStartTokens(a, a), "equal")
    },
    runs(500)
  )
})

describe("ProcessIdentity", () => {
  it("needs a PID, a start token and a host name, and no more", () => {
    const least = new ProcessIdentity({ pid: Pid.make(1), startTime: "1", hostname: "" })
    assert.deepStrictEqual(Object.keys(least), ["pid", "startTime", "hostname"])
  })

  it("takes a path alone for an executable, and no empty one", () => {
    assert.isTrue(Schema.is(Executable)({ path: "/usr/bin/node" }))
    assert.isFalse(Schema.is(Executable)({ path: "" }))
    assert.isFalse(Schema.is(Executable)({ path: "/usr/bin/node", ino: 2 }))
  })
})
