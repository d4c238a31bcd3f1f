/** Builds the packages from scratch, packs them as for publication, and checks the tarballs. */
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { outputOf, targets } from "../native.ts"

export const repository = Path.join(import.meta.dirname, "../..")

/** A packed package. `directory` has its unpacked contents. */
export interface Packed {
  readonly name: string
  readonly tarball: string
  readonly directory: string
}

/** The variables of this process. With pnpm's `NODE_PATH`, Node would find koffi from every directory. */
const { NODE_PATH: _, ...environment } = process.env
export { environment }

export interface Options {
  readonly cwd: string
  readonly env?: NodeJS.ProcessEnv
  readonly uid?: number | undefined
}

/** Runs a program to its end. Throws an error with its whole output if it failed. */
export const run = (file: string, args: ReadonlyArray<string>, { cwd, env = environment, uid }: Options): string => {
  const user = uid === undefined ? {} : { uid, gid: uid }
  const { error, status, stderr, stdout } = spawnSync(file, args, { cwd, env, encoding: "utf8", ...user })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${file} ${args.join(" ")} ended with ${status}\n${stdout}${stderr}`)
  return `${stdout}${stderr}`
}

/** A field of the manifest in a directory. */
export const field = (directory: string, name: string): string => {
  const manifest: unknown = JSON.parse(Fs.readFileSync(`${directory}/package.json`, "utf8"))
  return String(Object(manifest)[name])
}

const tool = (name: string): string => `${repository}/node_modules/.bin/${name}`

const packages = (): ReadonlyArray<string> => Fs.globSync(`${repository}/packages/*`).sort()

const build = (): void => {
  // An earlier build may hold a module that was deleted since, or a library that isn't compiled any more.
  for (const target of targets) Fs.rmSync(outputOf(target), { force: true })
  for (const path of packages()) {
    for (const built of ["dist", "tsconfig.tsbuildinfo"])
      Fs.rmSync(`${path}/${built}`, { recursive: true, force: true })
  }
  run("npm", ["run", "--silent", "build"], { cwd: repository })
}

/** Public modules of a library, in the spelling of `exports`. `.` is the index. */
const entryPoints = ({ directory }: Packed): ReadonlyArray<string> =>
  Fs.globSync("dist/**/*.d.ts", { cwd: directory })
    .filter((file) => !file.split("/").includes("internal"))
    .map((file) => file.slice("dist/".length, -".d.ts".length))
    .map((module) => (module === "index" ? "." : module))

/** Checks that source maps and declaration maps lead to sources in the package. */
const checkMaps = ({ directory, name }: Packed): void => {
  for (const map of Fs.globSync("dist/**/*.map", { cwd: directory })) {
    const { sources }: { readonly sources: ReadonlyArray<string> } = JSON.parse(
      Fs.readFileSync(`${directory}/${map}`, "utf8")
    )
    for (const source of sources) {
      const path = Path.join(directory, Path.dirname(map), source)
      if (!Fs.existsSync(path)) throw new Error(`${name}: ${map} leads to ${source}, which isn't in the package`)
    }
  }
}

const check = (packed: Packed): void => {
  const { directory, name, tarball } = packed
  const license = (root: string) => Fs.readFileSync(`${root}/LICENSE`, "utf8")
  if (license(directory) !== license(repository)) throw new Error(`${name}: another license`)
  if (!Fs.existsSync(`${directory}/README.md`)) throw new Error(`${name}: no README.md`)
  checkMaps(packed)
  run(tool("publint"), ["run", "--strict", tarball], { cwd: repository })
  const modules = entryPoints(packed)
  // The command has no modules. The libraries have only ES modules.
  if (modules.length > 0) {
    run(tool("attw"), ["--profile", "esm-only", tarball, "--entrypoints", ...modules], { cwd: repository })
  }
}

/** Packs all packages into tarballs below `target`. */
export const pack = (target: string): ReadonlyArray<Packed> => {
  build()
  const pnpm = field(repository, "packageManager")
  return packages().map((path) => {
    const directory = `${target}/${Path.basename(path)}`
    Fs.mkdirSync(directory, { recursive: true })
    run("npx", ["--yes", pnpm, "pack", "--pack-destination", directory], { cwd: path })
    const [tarball = ""] = Fs.globSync(`${directory}/*.tgz`)
    run("tar", ["-xzf", tarball, "-C", directory], { cwd: target })
    const packed = { name: field(path, "name"), tarball, directory: `${directory}/package` }
    check(packed)
    return packed
  })
}
