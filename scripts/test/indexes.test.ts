import { assert, describe, it } from "@effect/vitest"
import * as Core from "@vm-sentinel/core"
import * as Darwin from "@vm-sentinel/platform-darwin"
import * as Linux from "@vm-sentinel/platform-linux"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Examples from "../examples.ts"
import * as Indexes from "../indexes.ts"

const root = Path.join(import.meta.dirname, "../..")

const namespaces: Record<(typeof Indexes.libraries)[number], object> = {
  "packages/core": Core,
  "packages/platform-darwin": Darwin,
  "packages/platform-linux": Linux
}

describe.each(Indexes.libraries)("the index of %s", (library) => {
  it("has each public module that isn't for tests, as a namespace", () => {
    const modules = Examples.sources().flatMap(({ isPublic, path }) => {
      const file = Path.relative(`${library}/src`, path)
      return isPublic && !file.startsWith("../") && !/^(testing\/|index\.ts$)/.test(file) ? [file.slice(0, -3)] : []
    })
    assert.isNotEmpty(modules)
    assert.deepStrictEqual(Object.keys(namespaces[library]).sort(), modules.sort())
  })

  it("is current: node scripts/indexes.ts writes it", () => {
    const { path, text } = Indexes.indexOf(library)
    assert.strictEqual(Fs.readFileSync(Path.join(root, path), "utf8"), text)
  })
})
