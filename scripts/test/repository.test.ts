import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Scenarios from "../scenarios.ts"

const root = Path.join(import.meta.dirname, "../..")
const read = (path: string): string => Fs.readFileSync(Path.join(root, path), "utf8")

// Situations that no test shows: an open socket and an exit record aren't evidence yet.
const notYet = ["45", "56"]

describe("the documentation", () => {
  it("has a current table of situations", () => {
    assert.strictEqual(read("docs/scenarios.md"), Scenarios.page())
  })

  it("has a test for each situation", () => {
    const tested = Scenarios.tested()
    const untested = Scenarios.numbers.filter((number) => !tested.has(number))
    assert.deepStrictEqual(untested, notYet)
  })
})

describe("the platform packages", () => {
  it("have the same loader of koffi", () => {
    const [linux, darwin] = ["linux", "darwin"].map((name) =>
      read(`packages/platform-${name}/src/internal/koffiLoader.ts`)
    )
    assert.strictEqual(darwin, linux)
  })
})
