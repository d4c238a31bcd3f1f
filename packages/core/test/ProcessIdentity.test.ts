import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import {
  compare,
  compareFirstProcesses,
  compareShiftedTokens,
  compareStartTokens,
  type Comparison,
  Decimal,
  Executable,
  FirstProcess,
  isPid,
  Pid,
  ProcessIdentity,
  StartToken,
  TimeOffset
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

/** A start time as the kernel shows it. The offset is added modulo 2^64 ns, then the sum is cut to ticks of 10 ms. */
const shown = (nanos: bigint, offset: bigint): string => `${BigInt.asUintN(64, nanos + offset) / 10_000_000n}`

describe("compareShiftedTokens", () => {
  it.for<[string | undefined, string | undefined, string | undefined, string | undefined, Comparison]>([
    ["1000", "0", "1000", "0", "equal"],
    ["1000", "0", "1001", "0", "different"],
    ["1000", "-5", "1000", "-5", "equal"],
    ["1000", "0", "101000", "1000000000000", "equal"],
    ["101000", "1000000000000", "1000", "0", "equal"],
    ["1000", "0", "101001", "1000000000000", "different"],
    ["1000", "0", "100999", "1000000000000", "different"],
    ["1000", "0", "1000", "1000000000000", "different"],
    ["1000", "0", "1000", "9999999", "equal"],
    ["1000", "0", "1001", "9999999", "equal"],
    ["1000", "0", "1002", "9999999", "different"],
    ["1000", "0", "999", "9999999", "different"],
    ["1000", "3000000", "1000", "-3000000", "equal"],
    ["1000", "3000000", "999", "-3000000", "equal"],
    ["9007199254740993", "0", "9007199254741093", "1000000000", "equal"],
    ["9007199254740992", "0", "9007199254741093", "1000000000", "different"],
    ["1000", undefined, "1000", undefined, "unknown"],
    ["1000", "0", "1000", undefined, "unknown"],
    ["1000", undefined, "1000", "0", "unknown"],
    [undefined, "0", "1000", "1000000000", "unknown"],
    ["1000", "0", undefined, "1000000000", "unknown"],
    ["s:1000", "0", "1000", "1000000000", "unknown"],
    ["1000", "0", "s:1000", "1000000000", "unknown"]
  ])("%s at %s and %s at %s: %s", ([recorded, recordedOffset, observed, observedOffset, expected]) => {
    assert.strictEqual(compareShiftedTokens(recorded, recordedOffset, observed, observedOffset), expected)
  })

  const Nanos = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9_000_000_000_000 }))
  const Offset = Schema.Int.check(Schema.isBetween({ minimum: -9_000_000_000_000, maximum: 9_000_000_000_000 }))

  it.prop(
    "scenario 20: one start, read through any two offsets, also below 0, is equal",
    [Nanos, Offset, Offset],
    ([nanos, one, other]) => {
      const [start, a, b] = [BigInt(nanos), BigInt(one), BigInt(other)]
      assert.strictEqual(compareShiftedTokens(shown(start, a), `${a}`, shown(start, b), `${b}`), "equal")
    },
    runs(3000)
  )

  it.prop(
    "scenario 20: two starts that are two ticks apart are different through any two offsets",
    [Nanos, Offset, Offset],
    ([nanos, one, other]) => {
      const [start, a, b] = [BigInt(nanos), BigInt(one), BigInt(other)]
      for (const later of [start + 20_000_000n, start + 3_600_000_000_000n]) {
        assert.strictEqual(compareShiftedTokens(shown(start, a), `${a}`, shown(later, b), `${b}`), "different")
        assert.strictEqual(compareShiftedTokens(shown(later, a), `${a}`, shown(start, b), `${b}`), "different")
      }
    },
    runs(3000)
  )
})

describe("compareFirstProcesses", () => {
  it.for<[FirstProcess | undefined, FirstProcess | undefined, Comparison]>([
    [{ startTime: "10" }, { startTime: "10" }, "equal"],
    [{ startTime: "10" }, { startTime: "11" }, "different"],
    [{ startTime: "10", processId64: "1" }, { startTime: "10" }, "equal"],
    [{ startTime: "10", processId64: "1" }, { startTime: "10", processId64: "1" }, "equal"],
    [{ startTime: "10", processId64: "1" }, { startTime: "10", processId64: "2" }, "different"],
    [{ startTime: "10" }, undefined, "unknown"],
    [undefined, { startTime: "10" }, "unknown"],
    [undefined, undefined, "unknown"]
  ])("%j and %j: %s", ([recorded, observed, expected]) => {
    assert.strictEqual(compareFirstProcesses(recorded, "0", observed, "0"), expected)
  })

  it("compares starts by the offsets, and ids without any", () => {
    const [here, there] = [{ startTime: "10" }, { startTime: "110" }]
    assert.strictEqual(compareFirstProcesses(here, "0", there, "1000000000"), "equal")
    assert.strictEqual(compareFirstProcesses(here, "0", here, "1000000000"), "different")
    assert.strictEqual(compareFirstProcesses(here, undefined, here, "0"), "unknown")
    const named = { startTime: "10", processId64: "1" }
    assert.strictEqual(compareFirstProcesses(named, undefined, named, undefined), "equal")
  })
})

describe("TimeOffset and FirstProcess", () => {
  it.for([
    ["0", true],
    ["-70000000000", true],
    ["18446744073709551615", true],
    ["", false],
    ["-", false],
    ["+1", false],
    ["1.5", false],
    ["1e9", false],
    [" 1", false]
  ] as const)("%j: offset %s", ([text, isOffset]) => {
    assert.strictEqual(Schema.is(TimeOffset)(text), isOffset)
  })

  it("a first process has a start, and an id where there is one", () => {
    assert.isTrue(Schema.is(FirstProcess)({ startTime: "1" }))
    assert.isTrue(Schema.is(FirstProcess)({ startTime: "1", processId64: "2" }))
    assert.isFalse(Schema.is(FirstProcess)({ processId64: "2" }))
    assert.isFalse(Schema.is(FirstProcess)({ startTime: 1 }))
  })
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
