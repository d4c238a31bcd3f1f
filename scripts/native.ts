/**
 * Compiles the native code of the Linux package: `node scripts/native.ts`. An architecture without a compiler gets no
 * library: on such a machine the package works without native code.
 */
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"

const internal = Path.resolve(import.meta.dirname, "../packages/platform-linux/src/internal")
const built = Path.resolve(internal, "../../dist/internal")

/** Prefixes of Debian's cross compilers, by `process.arch`. */
const triples = { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" }

const compilersFor = (arch: string, triple: string): ReadonlyArray<string> =>
  arch === process.arch ? ["cc", "gcc", "clang"] : [`${triple}-gcc`]

const compile = (compiler: string, output: string): boolean => {
  const options = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-shared", "-fPIC", "-s"]
  const sources = ["listing", "peek", "removal"].map((name) => `${internal}/${name}.c`)
  return spawnSync(compiler, [...options, "-o", output, ...sources], { stdio: "inherit" }).status === 0
}

/**
 * Compiles one library for each architecture, next to the sources: sources and published code look for the library in
 * their own directory. A rename puts each file in place, because another process may load the library meanwhile.
 */
export const buildNative = (): ReadonlyArray<string> => {
  if (process.platform !== "linux") return []
  return Object.entries(triples).flatMap(([arch, triple]) => {
    const output = `${internal}/pool-${arch}.so`
    const temporary = `${output}.${process.pid}`
    if (!compilersFor(arch, triple).some((compiler) => compile(compiler, temporary))) return []
    Fs.renameSync(temporary, output)
    return [output]
  })
}

/** Copies the libraries to the directory of built code, in which that code looks for them. */
export const copyNative = (files: ReadonlyArray<string>, directory: string): void => {
  for (const file of files) Fs.copyFileSync(file, `${directory}/${Path.basename(file)}`)
}

if (import.meta.main) {
  const files = buildNative()
  if (Fs.existsSync(built)) copyNative(files, built)
  console.log(
    files.length === 0 ? "no compiler: without native code" : files.map((file) => Path.basename(file)).join(" ")
  )
}
