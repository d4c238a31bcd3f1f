import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Scenarios from "../scenarios.ts"

const root = Path.join(import.meta.dirname, "../..")
const read = (path: string): string => Fs.readFileSync(Path.join(root, path), "utf8")
const pages = [
  "README.md",
  ...Fs.readdirSync(Path.join(root, "docs")).flatMap((name) => (name.endsWith(".md") ? [`docs/${name}`] : []))
]

// What no test shows: an open socket and an exit record aren't evidence yet.
const notYet = ["45", "56"]

describe("the documentation", () => {
  it("shows the example in the README as the tests run it", () => {
    const shown = /<!-- example: (\S+) -->\n```ts\n(.*?)```\n/s.exec(read("README.md"))
    assert.isNotNull(shown)
    const [, path = "", text] = shown
    assert.strictEqual(text, read(path))
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
