import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Readme from "../readme.ts"
import * as Scenarios from "../scenarios.ts"

const root = Path.join(import.meta.dirname, "../..")
const read = (path: string): string => Fs.readFileSync(Path.join(root, path), "utf8")
const { pages } = Readme

// What no test shows: an open socket and an exit record aren't evidence yet.
const notYet = ["45", "56"]

describe("the documentation", () => {
  it("shows examples as the tests run them", () => {
    const showing = pages.filter((page) => read(page).includes("<!-- example: "))
    assert.includeMembers(showing, ["README.md", "docs/composing.md"])
    for (const page of showing) assert.strictEqual(read(page), Readme.withExamples(read(page)), page)
  })

  it("has a current table of situations", () => {
    assert.strictEqual(read("docs/scenarios.md"), Scenarios.page())
  })

  it("has a test for each situation", () => {
    const tested = Scenarios.tested()
    const untested = Scenarios.numbers.filter((number) => !tested.has(number))
    assert.deepStrictEqual(untested, notYet)
  })

  it.each(pages)("has no dead link in %s", (page) => {
    const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target)
    const local = links.filter((target) => !/^(https?:|#)/.test(target)).map((target) => target.split("#")[0] ?? "")
    const dead = local.filter((target) => !Fs.existsSync(Path.join(root, Path.dirname(page), target)))
    assert.deepStrictEqual(dead, [])
  })
})
