import { assert, describe, it } from "@effect/vitest"
import { reasons } from "@vm-sentinel/core/Reason"
import { Effect } from "effect"
import * as Fs from "node:fs"
import * as JsonSchema from "../src/JsonSchema.ts"
import * as Cli from "./support/Cli.ts"
import * as Lines from "./support/Lines.ts"

const outcome = {
  _tag: "Outcome",
  name: "vm",
  path: "/srv/vms/vm",
  action: "kept",
  verdict: "alive",
  reason: "matches",
  pid: 7,
  evidence: { process: { recorded: "7", observed: "present", result: "equal" } }
}

describe("the JSON Schema", () => {
  it("is the checked-in file: node scripts/jsonSchema.ts writes it", () => {
    assert.strictEqual(Fs.readFileSync(Lines.file, "utf8"), JsonSchema.text())
  })

  it.effect("is what --json-schema prints, with any command or none", () =>
    Effect.gen(function* () {
      for (const args of [["--json-schema"], ["sweep", "--json-schema"]]) {
        assert.deepStrictEqual(yield* Cli.inProcess(args), { code: 0, stdout: JsonSchema.text(), stderr: "" })
      }
    })
  )

  it("names every reason, and takes no other", () => {
    const validate = Lines.validator(JsonSchema.text())
    for (const reason of Object.values(reasons).flat()) assert.isUndefined(validate({ ...outcome, reason }), reason)
    assert.isString(validate({ ...outcome, reason: "because" }))
  })

  it.each([
    ["a key that is missing", { ...outcome, path: undefined }],
    ["a key of another name", { ...outcome, size: 1 }],
    ["a number as a text", { ...outcome, pid: "7" }],
    ["a datum without a result", { ...outcome, evidence: { process: { recorded: "7" } } }],
    ["an error that no command has", { _tag: "Failure", error: { _tag: "Nothing", message: "" } }],
    ["an error of a command without lines", { _tag: "Failure", error: { _tag: "DemoError", message: "" } }],
    ["another line", { ...outcome, _tag: "Outcomes" }]
  ])("tells %s", (_, line) => {
    const validate = Lines.validator(JsonSchema.text())
    assert.isUndefined(validate(outcome))
    assert.isString(validate(JSON.parse(JSON.stringify(line))))
  })
})
