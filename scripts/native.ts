/**
 * Compiles the native code of the Linux package: `node scripts/native.ts`. A target without a compiler on this machine
 * gets no library, and there the package works without it. `scripts/release.ts` refuses to continue without a library.
 */
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"

const internal = Path.resolve(import.meta.dirname, "../packages/platform-linux/src/internal")
const built = Path.resolve(internal, "../../dist/internal")

/** A machine that gets a library. */
export interface Target {
  /** The architecture, in the spelling of Node. */
  readonly arch: "x64" | "arm64"
  /** The architecture, in the spelling of GNU. */
  readonly machine: "x86_64" | "aarch64"
  readonly libc: "glibc" | "musl"
}

export const targets: ReadonlyArray<Target> = [
  { arch: "x64", machine: "x86_64", libc: "glibc" },
  { arch: "x64", machine: "x86_64", libc: "musl" },
  { arch: "arm64", machine: "aarch64", libc: "glibc" },
  { arch: "arm64", machine: "aarch64", libc: "musl" }
]

/** Name of a target's library. `pool.ts` makes the same name for the machine that it runs on. */
export const fileOf = ({ arch, libc }: Target): string => `pool-linux-${arch}-${libc}.so`

/** Path of a target's library, beside the module that loads it. */
export const outputOf = (target: Target): string => `${internal}/${fileOf(target)}`

/** The machine's own compiler, if it compiles for the target. */
const own = ({ machine, libc }: Target): ReadonlyArray<string> =>
  ["cc", "gcc", "clang"].filter((compiler) => {
    const { stdout } = spawnSync(compiler, ["-dumpmachine"], { encoding: "utf8" })
    return stdout?.startsWith(`${machine}-`) && stdout.includes("musl") === (libc === "musl")
  })

/** The name under which distributions have GNU's compiler for another machine or another libc. */
const cross = ({ machine, libc }: Target): string => `${machine}-linux-${libc === "musl" ? "musl" : "gnu"}-gcc`

/** Compilers for a target. Some of them may be missing on this machine. */
export const compilersFor = (target: Target): ReadonlyArray<string> => [cross(target), ...own(target)]

// The linker reports a missing symbol as an error. musl would refuse to load such a library.
const options = [
  "-std=c11",
  "-O2",
  "-Wall",
  "-Wextra",
  "-Wpedantic",
  "-Werror",
  "-shared",
  "-fPIC",
  "-s",
  "-Wl,-z,defs"
]
// Atomics that detect the processor's abilities at run time need a function that musl lacks.
const machineOptions = { x64: [], arm64: ["-mno-outline-atomics"] } as const
const sources = ["listing", "look", "peek", "pool", "removal"].map((name) => `${internal}/${name}.c`)
const headers = ["kernel", "pool"].map((name) => `${internal}/${name}.h`)

/** Whether the compiler exists here and compiles the library. */
const compile = (compiler: string, target: Target, output: string): boolean => {
  const all = [...options, ...machineOptions[target.arch], "-o", output, ...sources]
  return spawnSync(compiler, all, { stdio: "inherit" }).status === 0
}

const newest = (files: ReadonlyArray<string>): number => Math.max(...files.map((file) => Fs.statSync(file).mtimeMs))

const isCurrent = (output: string): boolean =>
  Fs.existsSync(output) && newest([output]) > newest([...sources, ...headers, import.meta.filename])

/**
 * Compiles each library that is older than its sources. A rename puts it in place, because another process may load the
 * library meanwhile.
 */
const build = (target: Target): boolean => {
  const output = outputOf(target)
  if (isCurrent(output)) return true
  const temporary = `${output}.${process.pid}`
  if (!compilersFor(target).some((compiler) => compile(compiler, target, temporary))) return false
  Fs.renameSync(temporary, output)
  return true
}

/** The targets whose libraries could be compiled. */
export const buildNative = (): ReadonlyArray<Target> => (process.platform === "linux" ? targets.filter(build) : [])

/** Copies libraries to the directory of built code, in which that code looks for them. */
export const copyNative = (ofTargets: ReadonlyArray<Target>, directory: string): void => {
  for (const target of ofTargets) Fs.copyFileSync(outputOf(target), `${directory}/${fileOf(target)}`)
}

if (import.meta.main) {
  const done = buildNative()
  if (Fs.existsSync(built)) copyNative(done, built)
  const left = targets.filter((target) => !done.includes(target))
  if (done.length > 0) console.log(done.map(fileOf).join(" "))
  if (left.length > 0) console.log(`left out, no compiler here makes it: ${left.map(fileOf).join(" ")}`)
}
