/**
 * Writes `src/index.ts` of each library: `node scripts/indexes.ts`. An index has every module directly in `src`, with
 * the docstring of the module. Modules below `testing/` are imported only by their own paths, so a program doesn't load
 * them.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"

const root = Path.join(import.meta.dirname, "..")

/** Directories of the libraries, relative to the repository. */
export const libraries = ["packages/core", "packages/platform-darwin", "packages/platform-linux"] as const

/** An index. `path` is relative to the repository. `modules` has the names of its modules, sorted. */
export interface Index {
  readonly path: string
  readonly modules: ReadonlyArray<string>
  readonly text: string
}

const docstringOf = (path: string): string => {
  const [docstring] = /^\/\*\*.*?\*\/\n/s.exec(Fs.readFileSync(path, "utf8")) ?? []
  if (docstring === undefined) throw new Error(`${path} doesn't begin with a docstring`)
  return docstring
}

const head = `/**
 * All modules of this package except those for tests, as namespaces. A module for tests has a path of its own.
 *
 * @since 0.1.0
 */
`

/** The index of a library, made from its modules. */
export const indexOf = (library: string): Index => {
  const source = Path.join(root, library, "src")
  const modules = Fs.globSync("*.ts", { cwd: source })
    .map((file) => Path.basename(file, ".ts"))
    .filter((name) => name !== "index")
    .sort()
  const exports = modules.map(
    (name) => `${docstringOf(`${source}/${name}.ts`)}export * as ${name} from "./${name}.ts"\n`
  )
  return { path: `${library}/src/index.ts`, modules, text: [head, ...exports].join("\n") }
}

if (import.meta.main) {
  for (const { path, text } of libraries.map(indexOf)) Fs.writeFileSync(Path.join(root, path), text)
}
