/** Says how many tests a JSON report of vitest counts, and fails when one failed or was skipped. */
import * as Fs from "node:fs"

const [path = ""] = process.argv.slice(2)
const report: unknown = JSON.parse(Fs.readFileSync(path, "utf8"))

const count = (key: string): number => {
  const value: unknown = typeof report === "object" && report !== null ? Reflect.get(report, key) : undefined
  if (typeof value !== "number") throw new Error(`${path}: no ${key} in the report`)
  return value
}

const failed = count("numFailedTests")
const skipped = count("numPendingTests") + count("numTodoTests")
if (skipped > 0) console.error(`${skipped} tests were skipped: here each of them must run`)
console.log(`${count("numPassedTests")} passed, ${failed} failed, ${skipped} skipped`)
process.exitCode = failed + skipped > 0 ? 1 : 0
