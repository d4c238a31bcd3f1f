import { assert, describe, it } from "@effect/vitest"
import * as Skip from "../src/Skip.ts"

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
    const { matches } = Skip.make([pattern])
    assert.deepStrictEqual([...names, ...others].filter(matches), names)
  })

  it("tells the patterns that have matched no name, also where another one matched first", () => {
    const skip = Skip.make(["vm-*", "vm-1", "vn-2"])
    assert.deepStrictEqual(skip.unmatched(), ["vm-*", "vm-1", "vn-2"])
    skip.matches("vm-1")
    skip.matches("vm-2")
    assert.deepStrictEqual(skip.unmatched(), ["vn-2"])
  })
})
