import { assert, describe, it } from "@effect/vitest"
import * as Errors from "@vm-sentinel/core/Errors"
import { reasons } from "@vm-sentinel/core/Reason"
import { withExamples } from "../pageExamples.ts"
import { documentation, pages, read } from "../pages.ts"

/** The `names` that a page doesn't mention as code. */
const missingIn = (page: string, names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const text = read(page)
  return names.filter((name) => !text.includes(`\`${name}\``))
}

const errors = Object.entries(Errors).flatMap(([name, error]) =>
  typeof error === "function" && error.prototype instanceof Error ? [name] : []
)

describe("the pages", () => {
  it("show examples as their files are", () => {
    const showing = pages().filter((page) => read(page).includes("<!-- example: "))
    assert.includeMembers(showing, ["README.md", "docs/composing.md", "docs/operating.md"])
    for (const page of showing) assert.strictEqual(read(page), withExamples(read(page)), page)
  })

  it("are all reached from the README", () => {
    const index = read("README.md")
    const lost = documentation().filter((page) => page.startsWith("docs/") && !index.includes(`](${page})`))
    // The index doesn't link this page. The page on performance shows the measurements.
    assert.deepStrictEqual(lost, ["docs/benchmarks.md"])
  })

  it("name each reason of a judgement", () => {
    assert.deepStrictEqual(missingIn("docs/judgement.md", Object.values(reasons).flat()), [])
  })

  it("say what to do with each directory that is kept although it may be dead", () => {
    assert.deepStrictEqual(missingIn("docs/operating.md", [...reasons.unknown, ...reasons.kept]), [])
  })

  it("say what to do with each error", () => {
    assert.includeMembers(errors, ["NotFound", "Immovable"])
    assert.deepStrictEqual(missingIn("docs/errors.md", errors), [])
  })
})
