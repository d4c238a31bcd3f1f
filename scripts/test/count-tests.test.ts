import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

type Test = readonly [fullName: string, status: string]

/** What is counted of a report with these tests, and whether that is well. */
const count = (tests: ReadonlyArray<Test>, ...meant: ReadonlyArray<string>) => {
  const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "vm-sentinel-test-"))
  try {
    const path = Path.join(directory, "report.json")
    const assertionResults = tests.map(([fullName, status]) => ({ fullName, status }))
    Fs.writeFileSync(path, JSON.stringify({ testResults: [{ assertionResults }, { assertionResults: [] }] }))
    const script = Path.join(import.meta.dirname, "../count-tests.ts")
    const { status, stderr, stdout } = spawnSync(process.execPath, ["--no-warnings", script, path, ...meant], {
      encoding: "utf8"
    })
    return [status, stdout.trim(), stderr.trim()]
  } finally {
    Fs.rmSync(directory, { recursive: true })
  }
}

const passed: Test = ["a test", "passed"]
const skipped: Test = ["another (skipped: not root)", "skipped"]

describe("the count of the tests", () => {
  it("is well where all have passed, and not where one has failed, or there is none", () => {
    assert.deepStrictEqual(count([passed, passed]), [0, "2 passed, 0 failed, 0 skipped", ""])
    assert.deepStrictEqual(count([passed, ["b", "failed"]]), [1, "1 passed, 1 failed, 0 skipped", ""])
    assert.deepStrictEqual(count([]), [1, "0 passed, 0 failed, 0 skipped", ""])
  })

  it("is not well where one was skipped, but for a reason that is meant", () => {
    const said = (...names: ReadonlyArray<string>) =>
      names.map((name) => `skipped, and must run here: ${name}`).join("\n")
    assert.deepStrictEqual(count([passed, skipped]), [1, "1 passed, 0 failed, 1 skipped", said(skipped[0])])
    assert.deepStrictEqual(count([passed, skipped], "no C compiler", "not root"), [
      0,
      "1 passed, 0 failed, 1 skipped",
      ""
    ])
    const others: ReadonlyArray<Test> = [
      ["without a word", "skipped"],
      ["not root", "pending"],
      ["some day", "todo"],
      ["c (skipped: no C compiler)", "skipped"]
    ]
    assert.deepStrictEqual(count([passed, skipped, ...others], "not root"), [
      1,
      "1 passed, 0 failed, 5 skipped",
      said(...others.map(([name]) => name))
    ])
  })
})
