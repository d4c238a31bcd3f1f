/** An empty project. npm installs the tarballs in it. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { type Packed, repository, run } from "./tarballs.ts"

export interface Project {
  readonly directory: string
  /** Whether koffi, the optional dependency, is installed. */
  readonly isComplete: boolean
}

const programs = ["fakes", "layers"] as const

/** Options of the compiler in a strict project that checks its libraries. */
export const compilerOptions = {
  target: "ES2024",
  lib: ["ES2024", "DOM", "DOM.Iterable", "DOM.AsyncIterable"],
  module: "NodeNext",
  moduleResolution: "NodeNext",
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  types: ["node"]
}

const versionOf = (name: string): string => {
  const manifest: unknown = JSON.parse(Fs.readFileSync(`${repository}/node_modules/${name}/package.json`, "utf8"))
  return `${name}@${String(Object(manifest).version)}`
}

/** Installs the packages, then compiles the programs against their declarations, which are checked as well. */
export const install = (directory: string, packed: ReadonlyArray<Packed>, isComplete: boolean): Project => {
  Fs.mkdirSync(directory)
  Fs.writeFileSync(`${directory}/package.json`, JSON.stringify({ private: true, type: "module" }))
  const names = ["effect", "@effect/platform-node", "@types/node"].map(versionOf)
  const tarballs = packed.map(({ tarball }) => tarball)
  const options = ["--no-audit", "--no-fund", "--prefer-offline", ...(isComplete ? [] : ["--omit=optional"])]
  run("npm", ["install", ...options, ...tarballs, ...names], { cwd: directory })
  if (Fs.existsSync(`${directory}/node_modules/koffi`) !== isComplete) {
    throw new Error(`koffi must ${isComplete ? "" : "not "}be in ${directory}`)
  }
  for (const name of programs) {
    Fs.copyFileSync(`${import.meta.dirname}/programs/${name}.ts`, `${directory}/${name}.ts`)
  }
  const files = programs.map((name) => `${name}.ts`)
  Fs.writeFileSync(`${directory}/tsconfig.json`, JSON.stringify({ compilerOptions, files }))
  run(process.execPath, [`${repository}/node_modules/typescript/bin/tsc`, "-p", directory], { cwd: directory })
  return { directory, isComplete }
}

/** The files in `node_modules`, with the time of each last change. */
export const contents = ({ directory }: Project): string => {
  const root = Path.join(directory, "node_modules")
  return Fs.readdirSync(root, { recursive: true, encoding: "utf8" })
    .sort()
    .map((name) => {
      const { mtimeNs, size } = Fs.lstatSync(Path.join(root, name), { bigint: true })
      return `${name} ${size} ${mtimeNs}`
    })
    .join("\n")
}
