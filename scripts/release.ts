/**
 * Builds what is published, packs it and checks it: `npm run release -- DIRECTORY`. The script leaves the tarballs in
 * the directory, for `npm publish`. It publishes nothing, but makes a dry run of the publication. It refuses a package
 * whose native libraries aren't all there and right.
 */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { check } from "./libraries.ts"
import { pack, repository, run } from "./packed/tarballs.ts"

/** Directories of the native libraries in the packages that have them. */
const withLibraries: Readonly<Record<string, string>> = {
  "@vm-sentinel/platform-linux": "dist/internal",
  "vm-sentinel": "dist"
}

const [into] = process.argv.slice(2)
if (into === undefined) {
  console.error("usage: npm run release -- DIRECTORY")
  process.exit(2)
}
const scratch = Fs.mkdtempSync(`${Os.tmpdir()}/vm-sentinel-release-`)
process.once("exit", () => Fs.rmSync(scratch, { recursive: true, force: true }))
const packed = pack(scratch)
const complaints = packed.flatMap(({ directory, name }) => {
  const libraries = withLibraries[name]
  return libraries === undefined ? [] : check(`${directory}/${libraries}`).map((complaint) => `${name}: ${complaint}`)
})
if (complaints.length > 0) {
  for (const complaint of complaints) console.error(complaint)
  console.error("nothing is released")
  process.exit(1)
}
Fs.mkdirSync(into, { recursive: true })
for (const { tarball } of packed) {
  const released = Path.resolve(into, Path.basename(tarball))
  Fs.copyFileSync(tarball, released)
  const args = ["publish", "--dry-run", "--access", "public", "--loglevel", "warn", released]
  console.log(run("npm", args, { cwd: repository }).trim())
}
