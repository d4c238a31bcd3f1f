import { assert, describe, it } from "@effect/vitest"
import { reapAll, type Waits } from "../src/Orphans.ts"

/** Children that have ended. The kernel reports the first of them until somebody waits for it. */
const kernel = (...pids: ReadonlyArray<number>): Waits & { readonly left: () => ReadonlyArray<number> } => {
  let left = pids
  return {
    ended: () => left[0],
    reap: (pid) => {
      const isChild = left.includes(pid)
      left = left.filter((other) => other !== pid)
      return isChild
    },
    left: () => left
  }
}

describe("Orphans.reapAll", () => {
  it("waits for each child that has ended", () => {
    const waits = kernel(7, 8, 9)
    assert.deepStrictEqual(reapAll(waits, new Set()), [7, 8, 9])
    assert.deepStrictEqual(waits.left(), [])
    assert.deepStrictEqual(reapAll(waits, new Set()), [])
  })

  it("leaves one of its own to whoever waits for that, and what comes behind it for the next time", () => {
    const waits = kernel(7, 8, 9)
    assert.deepStrictEqual(reapAll(waits, new Set([8])), [7])
    assert.deepStrictEqual(waits.left(), [8, 9])
  })

  it("ends where a child can't be waited for", () => {
    const stuck: Waits = { ended: () => 7, reap: () => false }
    assert.deepStrictEqual(reapAll(stuck, new Set()), [])
  })
})
