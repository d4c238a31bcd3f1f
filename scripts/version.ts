/** Writes the version of the command's manifest into its source, after changesets changed the manifest. */
import * as Fs from "node:fs"
import * as Path from "node:path"

const cli = Path.join(import.meta.dirname, "../packages/cli")
const manifest: unknown = JSON.parse(Fs.readFileSync(`${cli}/package.json`, "utf8"))
const source = `${cli}/src/Version.ts`
const text = Fs.readFileSync(source, "utf8")
Fs.writeFileSync(
  source,
  text.replace(/(?<=export const version = )".*"/, () => JSON.stringify(Object(manifest).version))
)
