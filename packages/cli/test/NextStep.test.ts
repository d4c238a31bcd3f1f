import { assert, describe, it } from "@effect/vitest"
import { reasons } from "@vm-sentinel/core/Reason"
import * as NextStep from "../src/text/NextStep.ts"
import * as Text from "../src/text/Text.ts"

describe("the next step", () => {
  it("is there for each reason for which a directory is kept unjudged, but for what was asked for, and for a failed removal", () => {
    const without = [...reasons.unknown, ...reasons.kept].filter((reason) => NextStep.of(reason) === undefined)
    assert.deepStrictEqual(without, ["skipped", "name-taken"])
    for (const reason of [...reasons.alive, ...reasons.dead, ...reasons.none]) {
      assert.isUndefined(NextStep.of(reason), reason)
    }
  })

  it("names DIR in each command that needs it", () => {
    const steps = [...reasons.unknown, ...reasons.kept].map((reason) => NextStep.of(reason) ?? "")
    const commands = steps.flatMap((step) => step.match(/`vm-sentinel [^`]+`(?! the inner directory)/g) ?? [])
    assert.isNotEmpty(commands)
    for (const command of commands) assert.match(command, /^`vm-sentinel \w+ DIR/)
  })

  it("stands once below a table, however many directories have it", () => {
    const steps = NextStep.overview([
      { action: "kept", reason: "malformed-sentinel" },
      { action: "kept", reason: "other-machine" },
      { action: "kept", reason: "malformed-sentinel" },
      { action: "kept", reason: "matches" },
      { action: "removed", reason: "pid-dead" },
      { action: "failed", reason: "name-taken" }
    ])
    assert.deepStrictEqual(
      steps.split("\n").map((line) => /^ +(\S+)  /.exec(line)?.[1] ?? line),
      ["Next steps:", "malformed-sentinel", "other-machine", "", ""]
    )
    for (const line of Text.wrap(steps, 80).split("\n")) assert.isAtMost(line.length, 80)
  })

  it("isn't mentioned where there is none", () => {
    assert.strictEqual(NextStep.overview([{ action: "kept", reason: "matches" }]), "")
    assert.strictEqual(NextStep.overview([]), "")
  })
})
