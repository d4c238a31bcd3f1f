import { assert, describe, it } from "@effect/vitest"
import { summary, type Test } from "../skipped.ts"

const passed: Test = { name: "a test", state: "passed" }
const failed: Test = { name: "b", state: "failed" }
const skipped: Test = { name: "another (skipped: not root)", state: "skipped" }

describe("the report of skipped tests", () => {
  it("counts, and leaves failed tests to vitest", () => {
    assert.deepStrictEqual(summary([passed, passed], []), { text: "2 passed, 0 failed, 0 skipped\n", isFailure: false })
    assert.deepStrictEqual(summary([passed, failed], undefined), {
      text: "1 passed, 1 failed, 0 skipped\n",
      isFailure: false
    })
  })

  it("fails where no test ran, if skips have to be meant", () => {
    assert.isTrue(summary([], []).isFailure)
    assert.isFalse(summary([], undefined).isFailure)
  })

  it("fails where a test was skipped for a reason that isn't meant", () => {
    const nameless: Test = { name: "not root", state: "pending" }
    assert.deepStrictEqual(summary([passed, skipped], []), {
      text: "skipped, and must run here: another (skipped: not root)\n1 passed, 0 failed, 1 skipped\n",
      isFailure: true
    })
    assert.isFalse(summary([passed, skipped], ["no C compiler", "not root"]).isFailure)
    assert.isTrue(summary([passed, skipped, nameless], ["not root"]).isFailure)
    assert.isFalse(summary([passed, skipped, nameless], undefined).isFailure)
  })
})
