/**
 * Compiles what of the Linux package is native code: `node scripts/native.ts`. Without a compiler the package does without
 * it, and so does a machine of an architecture that there was no compiler for.
 */
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"

const internal = Path.resolve(import.meta.dirname, "../packages/platform-linux/src/internal")
const built = Path.resolve(internal, "../../dist/internal")

/** By `process.arch`, how Debian names the compilers for it. */
const triples = { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" }

const compilersFor = (arch: string, triple: string): ReadonlyArray<string> =>
  arch === process.arch ? ["cc", "gcc", "clang"] : [`${triple}-gcc`]

const compile = (compiler: string, output: string): boolean => {
  const options = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-shared", "-fPIC", "-s"]
  const sources = ["listing", "peek", "removal"].map((name) => `${internal}/${name}.c`)
  return spawnSync(compiler, [...options, "-o", output, ...sources], { stdio: "inherit" }).status === 0
}

/** Into the sources, where it is found as in what is published; never half written, for others may load it meanwhile. */
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

/** Copies it to where what was made of the sources looks for it. */
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
