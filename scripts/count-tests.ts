/**
 * `count-tests.ts REPORT [REASON ...]`: says how many tests a JSON report of vitest counts, and fails when one failed, or
 * was skipped for another reason than those that are meant here.
 */
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"

const Report = Schema.Struct({
  testResults: Schema.Array(
    Schema.Struct({
      assertionResults: Schema.Array(
        Schema.Struct({
          fullName: Schema.String,
          status: Schema.Literals(["passed", "failed", "skipped", "pending", "todo", "disabled"])
        })
      )
    })
  )
})

const [path = "", ...meant] = process.argv.slice(2)
const { testResults } = Schema.decodeUnknownSync(Schema.fromJsonString(Report))(Fs.readFileSync(path, "utf8"))
const tests = testResults.flatMap(({ assertionResults }) => assertionResults)
const passed = tests.filter(({ status }) => status === "passed")
const failed = tests.filter(({ status }) => status === "failed")
const skipped = tests.filter(({ status }) => status !== "passed" && status !== "failed")
const unmeant = skipped.filter(({ fullName }) => !meant.some((reason) => fullName.includes(`(skipped: ${reason})`)))

for (const { fullName } of unmeant) console.error(`skipped, and must run here: ${fullName}`)
console.log(`${passed.length} passed, ${failed.length} failed, ${skipped.length} skipped`)
process.exitCode = passed.length === 0 || failed.length + unmeant.length > 0 ? 1 : 0
