/**
 * Builds what is published, checks it, and packs it: `npm run release -- DIRECTORY`. The script leaves the tarballs in
 * the directory, for `npm publish`. It publishes nothing, but makes a dry run of the publication. It refuses a package
 * if one of its native libraries is missing or wrong.
 */
import { execFileSync, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { check } from "./libraries.ts"
import { outputOf, targets } from "./native.ts"

const repository = Path.resolve(import.meta.dirname, "..")

/** The packages in the order of their publication. Each comes after its dependencies. */
const packages = ["core", "platform-linux", "platform-darwin", "cli"]

/** Directories of the native libraries in the packages that have them. */
const withLibraries: Readonly<Record<string, string>> = { "platform-linux": "dist/internal", cli: "dist" }

const manifest: { readonly packageManager: string } = JSON.parse(Fs.readFileSync(`${repository}/package.json`, "utf8"))

const run = (command: string, args: ReadonlyArray<string>, cwd = repository): void => {
  const { error, status } = spawnSync(command, args, { cwd, stdio: "inherit" })
  if (error !== undefined || status !== 0) refuse([`${command} ${args.join(" ")} failed`])
}

const refuse = (complaints: ReadonlyArray<string>): never => {
  for (const complaint of complaints) console.error(complaint)
  console.error("nothing is released")
  process.exit(1)
}

/** The tarball's own copy of a package, unpacked: what is checked is what would be installed. */
const unpacked = <A>(tarball: string, use: (directory: string) => A): A => {
  const directory = Fs.mkdtempSync(`${Os.tmpdir()}/vm-sentinel-release-`)
  try {
    execFileSync("tar", ["-xzf", tarball, "-C", directory])
    return use(`${directory}/package`)
  } finally {
    Fs.rmSync(directory, { recursive: true })
  }
}

const pack = (name: string, into: string): string => {
  const args = ["--yes", manifest.packageManager, "pack", "--json", "--pack-destination", into]
  const printed = execFileSync("npx", args, { cwd: `${repository}/packages/${name}`, encoding: "utf8" })
  const { filename }: { readonly filename: string } = JSON.parse(printed)
  return filename
}

const [into] = process.argv.slice(2)
if (into === undefined) {
  console.error("usage: npm run release -- DIRECTORY")
  process.exit(2)
}
Fs.mkdirSync(into, { recursive: true })
// Removes what an earlier build left, so that it isn't published.
for (const name of packages) {
  for (const left of ["dist", "tsconfig.tsbuildinfo"]) {
    Fs.rmSync(`${repository}/packages/${name}/${left}`, { recursive: true, force: true })
  }
}
for (const target of targets) Fs.rmSync(outputOf(target), { force: true })
run("npm", ["run", "--silent", "build"])
const tarballs = packages.map((name) => {
  const tarball = pack(name, Path.resolve(into))
  const libraries = withLibraries[name]
  const complaints = libraries === undefined ? [] : unpacked(tarball, (directory) => check(`${directory}/${libraries}`))
  if (complaints.length > 0) refuse(complaints.map((complaint) => `${Path.basename(tarball)}: ${complaint}`))
  return tarball
})
for (const tarball of tarballs)
  run("npm", ["publish", "--dry-run", "--access", "public", "--loglevel", "warn", tarball])
