import { assert, describe, it } from "@effect/vitest"
import * as Foreground from "../src/owner/Foreground.ts"

describe("Foreground", () => {
  it.each([
    ["the foreground group", "41 (sh) S 40 41 40 34816 41 4194304", true],
    ["a name with parentheses and spaces", "41 (a) S 1 (b) S 40 41 40 34816 41 4194304", true],
    ["another group", "41 (sh) S 40 41 40 34816 39 4194304", false],
    ["no terminal", "41 (sh) S 40 41 41 0 -1 4194304", false],
    ["groups outside of the PID namespace", "1 (sh) S 0 0 0 34816 0 4194304", false]
  ] as const)("%s", (_, stat, isForeground) => {
    assert.strictEqual(Foreground.isForegroundStat(stat), isForeground)
  })
})
