import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { parseSync } from "rolldown/utils"
import { version } from "../../packages/cli/src/Version.ts"
import * as Examples from "../examples.ts"

const root = Path.join(import.meta.dirname, "../..")
const repository = "https://github.com/vm-sentinel/vm-sentinel"

/** Milliseconds. The compiler may share the machine with other tests. */
const patience = 120_000

const packages = Fs.globSync("packages/*", { cwd: root }).sort()

const manifestOf = (directory: string): Record<string, unknown> => {
  const manifest: unknown = JSON.parse(Fs.readFileSync(Path.join(root, directory, "package.json"), "utf8"))
  return Object.assign({}, manifest)
}

const readmes = packages.map((directory) => `${directory}/README.md`)

describe.each(packages)("the manifest of %s", (directory) => {
  const manifest = manifestOf(directory)

  it("tells where the package comes from, what it is, and under which terms", () => {
    const { bugs, description, engines, homepage, keywords, license, repository: source } = manifest
    assert.deepStrictEqual(
      { bugs, engines, homepage, license, source },
      {
        bugs: { url: `${repository}/issues` },
        engines: { node: ">=22.19" },
        homepage: `${repository}/tree/main/${directory}#readme`,
        license: "Apache-2.0",
        source: { type: "git", url: `git+${repository}.git`, directory }
      }
    )
    assert.isString(description)
    assert.isArray(keywords)
    assert.include(keywords, "effect")
  })

  it("has it published with its provenance", () => {
    assert.deepNestedInclude(manifest, { "publishConfig.access": "public", "publishConfig.provenance": true })
  })
})

describe("the packages", () => {
  it("have one version, which the command tells, and whose changes the changelog of each lists", () => {
    for (const directory of packages) {
      const changelog = Fs.readFileSync(Path.join(root, directory, "CHANGELOG.md"), "utf8")
      assert.include(changelog, `\n## ${version}\n`, directory)
      assert.strictEqual(manifestOf(directory)["version"], version, directory)
    }
  })

  it("import the packages that their manifests name, and no others", () => {
    for (const directory of packages.filter((path) => path !== "packages/cli")) {
      const { dependencies, optionalDependencies, peerDependencies } = manifestOf(directory)
      const named = Object.keys({ ...Object(dependencies), ...Object(peerDependencies) })
      const optional = Object.keys(Object(optionalDependencies))
      const imported = Fs.globSync(`${directory}/src/**/*.ts`, { cwd: root }).flatMap((file) => {
        const { module } = parseSync(file, Fs.readFileSync(Path.join(root, file), "utf8"))
        return module.staticImports.map(({ moduleRequest }) => moduleRequest.value)
      })
      const used = new Set(imported.flatMap((specifier) => /^(?:@[^/]+\/)?(?!node:)\w[^/]*/.exec(specifier) ?? []))
      const needed = [...used].filter((name) => !optional.includes(name))
      assert.deepStrictEqual(needed.sort(), named.sort(), directory)
    }
  })
})

describe("the README of a package", () => {
  it("shows programs that compile, and run where they can", { timeout: patience }, () => {
    const programs = readmes.flatMap(Examples.programsInPage)
    assert.strictEqual(Examples.compile(programs), "")
    const elsewhere = process.platform === "linux" ? "platform-darwin" : "platform-linux"
    const runnable = programs.filter(({ path }) => !path.includes(elsewhere))
    assert.isAtLeast(runnable.length, 2)
    assert.strictEqual(Examples.run(runnable), "")
  })
})
