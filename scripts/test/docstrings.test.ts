import { assert, describe, it } from "@effect/vitest"
import * as Path from "node:path"
import * as Docstrings from "../docstrings.ts"
import * as Examples from "../examples.ts"
import { documentation } from "../pages.ts"

/** Milliseconds. The compiler may share the machine with other tests. */
const patience = 120_000

const lines = (...text: ReadonlyArray<string>): string => `${text.join("\n")}\n`

/** The undocumented exports of a module. */
const lacks = (...text: ReadonlyArray<string>): ReadonlyArray<string> =>
  Docstrings.undocumented(Docstrings.parse(lines(...text)))

/** The programs in the docstrings of a module. */
const examples = (...text: ReadonlyArray<string>): ReadonlyArray<Docstrings.Example> =>
  Docstrings.parse(lines(...text)).examples

/** The program in the docstring of a function. */
const shown = (...code: ReadonlyArray<string>): ReadonlyArray<Examples.Program> => {
  const before = ["/**", " * Adds one.", " *", " * ```ts"]
  const after = [" * ```", " */", "export const increment = (n: number): number => n + 1"]
  const module = Docstrings.parse(lines(...before, ...code.map((line) => ` * ${line}`), ...after))
  const programs = Examples.programsOf({ path: "packages/some/src/Module.ts", module })
  assert.strictEqual(programs.length, 1)
  return programs
}

describe("the docstrings of a module", () => {
  it("pass if each export has a sentence", () => {
    const documented = lacks(
      "/** The module itself: all numbers of it… */",
      'import * as Schema from "effect/Schema"',
      "/** The number one. */",
      "export const one = 1",
      "/**",
      " * Adds one.",
      " *",
      " * @since 0.1.0",
      " */",
      "export function increment(n: number): number",
      "export function increment(n: number): number { return n + one }",
      "/** A schema of it. */",
      "export const Count = Schema.Number",
      "export type Count = typeof Count.Type",
      "/** A pair of them. */",
      "export interface Pair { readonly first: Count }",
      "const own = 2",
      "void own"
    )
    assert.deepStrictEqual(documented, [])
  })

  it("fail for an export without a docstring, whose nearest comment belongs to something else", () => {
    const module = ["/** The module itself. */", "export const one = 1, two = 2", "export class Three {}"]
    assert.deepStrictEqual(lacks(...module), ["3: Three has no docstring"])
    assert.deepStrictEqual(lacks("// Not one.", "export type A = 1"), ["2: A has no docstring"])
    assert.deepStrictEqual(lacks("/* Not one. */", "export enum A {}"), ["2: A has no docstring"])
    assert.deepStrictEqual(lacks("export default 1"), ["1: default has no docstring"])
    assert.deepStrictEqual(lacks("/** A list of them. */", "const b = 1", "export { b as c }"), [
      "3: c has no docstring"
    ])
  })

  it("fail for a docstring of tags, titles, code or one word", () => {
    const tags = ["/**", " * @category models", " * @since 0.1.0 The first one. ", " */"]
    const code = ["/**", " * **Example** (Adding one. And two.)", " *", " * ```ts", " * // Adds one.", " * ```", " */"]
    const word = ["/** Addition. */"]
    for (const docstring of [tags, code, word, ["/***/"]]) {
      assert.deepStrictEqual(lacks(...docstring, "export const one = 1"), [
        `${docstring.length + 1}: one has no sentence`
      ])
    }
  })

  it("give their programs, each with its line, and no other code", () => {
    const found = examples(
      "/**",
      " * The module…",
      " *",
      " * ```ts",
      " * const one = 1",
      " *",
      " *   void one",
      " * ```",
      " *",
      " * ```text",
      " * ```ts isn't one in here",
      " * ```",
      " */",
      "export const two = 2",
      "// ```ts",
      "interface Three {",
      "  /**",
      "   * A member.",
      "   *",
      "   * ~~~typescript title=three",
      "   * three()",
      "   * ~~~",
      "   */",
      "  readonly three: number",
      "}"
    )
    assert.deepStrictEqual(found, [
      { line: 5, code: "const one = 1\n\n  void one" },
      { line: 21, code: "three()" }
    ])
  })

  it("give an unclosed program with all that follows, so that it can't compile", () => {
    assert.deepStrictEqual(examples("/**", " * ```ts", " * void 1", " *", " * @since 0.1.0", " */"), [
      { line: 3, code: "void 1\n\n@since 0.1.0\n" }
    ])
  })

  it("can't be read from a text that isn't TypeScript", () => {
    assert.throws(() => Docstrings.parse("export const = 1"), SyntaxError)
  })
})

describe("a program in a docstring", () => {
  it("passes if it compiles and ends", { timeout: patience }, () => {
    const program = shown(
      'import * as assert from "node:assert"',
      "const one: number = 1",
      "assert.strictEqual(one, 1)"
    )
    assert.strictEqual(Examples.compile(program), "")
    assert.strictEqual(Examples.run(program), "")
  })

  it("fails if it doesn't compile, and the error names the line of the module", { timeout: patience }, () => {
    const said = Examples.compile(
      shown(
        'export * from "@vm-sentinel/core/Errno"',
        'export * from "@vm-sentinel/core/internal/nonce"',
        'export const one: number = "1"',
        "const two = 2"
      )
    )
    const errors = [...said.matchAll(/Module\.5\.ts\((\d+),\d+\): error/g)].map(([, line]) => Number(line))
    assert.deepStrictEqual(errors, [6, 7, 8])
  })

  it("fails if it throws, rejects, never ends, exits early or sets an exit code", { timeout: patience }, () => {
    assert.match(
      Examples.run(shown('throw new Error("on purpose")')),
      /^packages\/some\/src\/Module\.5\.ts Error: on purpose/
    )
    assert.match(
      Examples.run(shown('void Promise.reject(new Error("on purpose"))')),
      /Error: on purpose[^]*ended with 1$/
    )
    assert.match(Examples.run(shown("await new Promise(() => {})")), /ended with 13$/)
    assert.match(Examples.run(shown("process.exit(0)")), /ended with 0$/)
    assert.match(Examples.run(shown("process.exitCode = 3")), /sets an exit code/)
  })
})

describe("the packages", () => {
  const sources = Examples.sources()
  const published = sources.filter(({ isPublic }) => isPublic)

  it("document each public export", () => {
    assert.isAbove(published.length, 40)
    const undocumented = published.flatMap(({ module, path }) =>
      Docstrings.undocumented(module).map((problem) => `${path}:${problem}`)
    )
    assert.deepStrictEqual(undocumented, [])
  })

  it("re-export from public modules only, which document their own exports", () => {
    const paths = new Set(published.map(({ path }) => path))
    const others = published.flatMap(({ module, path }) =>
      module.sources.map((source) => Path.join(Path.dirname(path), source)).filter((from) => !paths.has(from))
    )
    assert.deepStrictEqual(others, [])
  })

  it("show a program for each export of the simulation", () => {
    const exports = published.flatMap(({ module, path }) =>
      path.includes("/testing/Simulation") ? module.exports : []
    )
    assert.isNotEmpty(exports)
    const unshown = exports.filter(({ docstrings }) => !docstrings.some((docstring) => docstring.includes("```ts")))
    assert.deepStrictEqual(unshown, [])
  })

  it("show programs that compile and run, as the pages do", { timeout: patience }, () => {
    const shown = documentation().flatMap(Examples.programsInPage)
    assert.isAbove(shown.length, 2)
    const programs = [...sources.flatMap(Examples.programsOf), ...shown]
    assert.isAbove(programs.length, 20)
    const unchecked = programs.filter(({ code }) => !code.includes('from "node:assert"'))
    assert.deepStrictEqual(unchecked, [])
    assert.strictEqual(Examples.compile(programs), "")
    assert.strictEqual(Examples.run(programs), "")
  })
})
