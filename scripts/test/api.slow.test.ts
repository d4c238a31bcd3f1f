import { assert, describe, it } from "@effect/vitest"
import * as Examples from "../examples.ts"
import { pages, read } from "../pages.ts"
import { snapshots } from "../apiSnapshot.ts"

/** Milliseconds. The compiler may share the machine with other tests. */
const patience = 120_000

describe("the public API", () => {
  it("is what its snapshots say", { timeout: patience }, () => {
    const current = snapshots()
    assert.isAbove(current.size, 2)
    for (const [file, text] of current) {
      assert.strictEqual(text, read(file), `${file} is another API: node scripts/apiSnapshot.ts writes the new one`)
    }
  })

  it("has a page of the reference for each public module, with each export", () => {
    const written = new Set(pages())
    const missing = Examples.sources().flatMap(({ isPublic, module, specifier }) => {
      if (!isPublic || module.exports.length === 0) return []
      const page = `docs/api/${specifier.replace("@vm-sentinel/", "")}.md`
      if (!written.has(page)) return [page]
      const headings = new Set([...read(page).matchAll(/^### (.+?)(?:\(\))?$/gm)].map(([, name]) => name))
      return module.exports.flatMap(({ name }) => (headings.has(name) ? [] : [`${page}: ${name}`]))
    })
    assert.deepStrictEqual(missing, [], "npm run docs writes the reference")
  })
})
