import { assert, describe, it } from "@effect/vitest"
import * as Skip from "../src/sweep/Skip.ts"
import { outcome } from "./support/outcomes.ts"

describe("Skip", () => {
  it.each([
    ["vm", ["vm"], ["vm-1", "VM", ".vm"]],
    ["vm-*", ["vm-", "vm-1", "vm-a.b"], ["vm", "my-vm-1"]],
    ["*", ["vm", ".hidden", "größe", "a\udcff"], []],
    ["?m", ["vm", ".m", "漢m"], ["m", "vvm"]],
    ["vm-[1-3]", ["vm-1", "vm-[1-3]"], ["vm-4"]],
    ["{a,b}-*", ["a-1", "b-2"], ["c-1"]],
    ["vm\\*", ["vm*", "vm\\*"], ["vm1"]]
  ])("%s matches these names, and no others", (pattern, names, others) => {
    const matches = Skip.anyOf([Skip.make("other"), Skip.make(pattern)])
    assert.deepStrictEqual([...names, ...others].filter(matches), names)
  })

  it("matches nothing without a pattern", () => {
    assert.isFalse(Skip.anyOf([])("vm"))
  })

  it("tells the patterns that match no skipped directory, also where another one matches it", () => {
    const patterns = ["vm-*", "vm-1", "vn-2", "vm-3"].map(Skip.make)
    const texts = (...outcomes: Parameters<typeof Skip.unmatched>[1]) =>
      Skip.unmatched(patterns, outcomes).map(({ text }) => text)
    const skipped = (name: string) => outcome(name, { verdict: "none", reason: "skipped" })
    assert.deepStrictEqual(texts(), ["vm-*", "vm-1", "vn-2", "vm-3"])
    assert.deepStrictEqual(texts(skipped("vm-1"), skipped("vm-2"), outcome("vm-3")), ["vn-2", "vm-3"])
  })
})
