/** Finds the programs in the docstrings of all packages and in pages, compiles them and runs them. */
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import { createRequire } from "node:module"
import * as Os from "node:os"
import * as Path from "node:path"
import { type Example, examplesIn, type Module, parse } from "./docstrings.ts"

const root = Path.join(import.meta.dirname, "..")
const tsc = Path.join(root, "node_modules/typescript/bin/tsc")

/** Milliseconds after which a compiler or a program that hangs is killed. */
const patience = 120_000

/** A module. `path` is relative to the repository. If `isPublic`, other packages import the module by `specifier`. */
export interface Source {
  readonly path: string
  readonly specifier: string
  readonly isPublic: boolean
  readonly module: Module
}

const nameOf = (directory: string): string => {
  const manifest: unknown = JSON.parse(Fs.readFileSync(Path.join(root, directory, "package.json"), "utf8"))
  return typeof manifest === "object" && manifest !== null && "name" in manifest ? String(manifest.name) : ""
}

const { resolve } = createRequire(Path.join(root, "package.json"))

/** Whether another package can import the module. Node itself applies the `exports` of the manifest. */
const isExported = (specifier: string): boolean => {
  try {
    resolve(specifier)
    return true
  } catch {
    return false
  }
}

/** The modules of all packages. */
export const sources = (): ReadonlyArray<Source> =>
  Fs.globSync("packages/*", { cwd: root }).flatMap((directory) => {
    const name = nameOf(directory)
    return Fs.globSync("src/**/*.ts", { cwd: Path.join(root, directory) })
      .sort()
      .map((file) => {
        const specifier = file === "src/index.ts" ? name : `${name}/${file.slice("src/".length, -".ts".length)}`
        return {
          path: `${directory}/${file}`,
          specifier,
          isPublic: isExported(specifier),
          module: parse(Fs.readFileSync(Path.join(root, directory, file), "utf8"))
        }
      })
  })

/** A program in a docstring of the module at `path`, or in the page at `path`. */
export interface Program extends Example {
  readonly path: string
}

/** The programs in the docstrings of a module. */
export const programsOf = ({ module, path }: Pick<Source, "module" | "path">): ReadonlyArray<Program> =>
  module.examples.map(({ code, line }) => ({ path, line, code }))

/** The programs in a page of Markdown. It leaves out examples (`pageExamples.ts`), which are compiled as files. */
export const programsInPage = (path: string): ReadonlyArray<Program> => {
  const text = Fs.readFileSync(Path.join(root, path), "utf8")
  const lines = text.split("\n")
  const isExample = ({ line }: Example) => lines[line - 3]?.startsWith("<!-- example: ") ?? false
  return examplesIn({ line: 1, text }).flatMap((example) => (isExample(example) ? [] : [{ path, ...example }]))
}

/**
 * Runs all programs in one process, one after the other, because a process for each would load Effect each time. Only
 * exit code 42 means that every program succeeded, because a program can end the process early, even with 0.
 */
const runner = `
let isDone = false
process.on("exit", (code) => {
  if (isDone && code === 0) process.exitCode = 42
})
for (const file of process.argv.slice(2)) {
  try {
    await import("./" + file)
    if (process.exitCode) throw new Error("sets an exit code")
  } catch (error) {
    console.error(file, error)
    process.exit(1)
  }
}
isDone = true
`

interface Ended {
  readonly said: string
  readonly status: number | string
}

/**
 * Runs Node in a new project that holds only the programs and resolves packages like the workspace. Line numbers in
 * messages are those of the module that shows the program.
 */
const node = (
  programs: ReadonlyArray<Program>,
  args: (files: ReadonlyArray<string>) => ReadonlyArray<string>
): Ended => {
  const project = Fs.mkdtempSync(Path.join(Os.tmpdir(), "vm-sentinel-examples-"))
  try {
    Fs.symlinkSync(Path.join(root, "node_modules"), Path.join(project, "node_modules"))
    const files = programs.map(({ code, line, path }) => {
      const file = `${path.replace(/\.[a-z]+$/, "")}.${line}.ts`
      Fs.mkdirSync(Path.join(project, Path.dirname(file)), { recursive: true })
      Fs.writeFileSync(Path.join(project, file), `${"\n".repeat(line - 1)}${code}\n`)
      return file
    })
    const compilerOptions = { noEmit: true, types: ["node"] }
    const configuration = { extends: Path.join(root, "tsconfig.base.json"), compilerOptions, files }
    Fs.writeFileSync(Path.join(project, "tsconfig.json"), JSON.stringify(configuration))
    Fs.writeFileSync(Path.join(project, "package.json"), JSON.stringify({ type: "module" }))
    Fs.writeFileSync(Path.join(project, "run.js"), runner)
    const options = { cwd: project, encoding: "utf8", timeout: patience } as const
    const { signal, status, stderr, stdout } = spawnSync(process.execPath, args(files), options)
    return { said: `${stdout}${stderr}`, status: status ?? signal ?? "" }
  } finally {
    Fs.rmSync(project, { recursive: true, force: true })
  }
}

/** Compiles programs with the strict options of the workspace. Returns the errors, empty if there are none. */
export const compile = (programs: ReadonlyArray<Program>): string => {
  const { said, status } = node(programs, () => [tsc, "--pretty", "false"])
  return status === 0 ? "" : said
}

/** Runs programs. Returns the output if one of them fails, empty if all end with exit code 0. */
export const run = (programs: ReadonlyArray<Program>): string => {
  const { said, status } = node(programs, (files) => ["run.js", ...files])
  return status === 42 ? "" : `${said}ended with ${status}`
}
