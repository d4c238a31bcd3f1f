/**
 * The published command: `packages/cli/dist`, in which everything but Node and koffi is. What a command doesn't need is
 * in files of its own, which it doesn't load. `node scripts/bundle.ts [DIRECTORY]`.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { build, type Plugin } from "rolldown"

const cli = Path.resolve(import.meta.dirname, "../packages/cli")
const [directory = `${cli}/dist`] = process.argv.slice(2)

const segmenter = /new Intl\.Segmenter\(undefined, \{\s*granularity: "grapheme"\s*\}\)/

/** ICU's data of graphemes takes long to load, and text that is all ASCII doesn't need it. */
const segmenterWhenNeeded: Plugin = {
  name: "segmenter when needed",
  transform: {
    filter: { id: /\/effect\/dist\/cli\/CliOutput\.js$/ },
    handler: (code) => {
      if (!segmenter.test(code)) throw new Error("CliOutput.js has no segmenter where it had one")
      return code.replace(segmenter, (made) => `{ segment: (text) => (${made}).segment(text) }`)
    }
  }
}

const { output } = await build({
  cwd: cli,
  // What is started by its file's name keeps that.
  input: { bin: "src/bin.ts", removalThread: "../platform-linux/src/internal/removalThread.ts" },
  platform: "node",
  // Native, and optional.
  external: ["koffi"],
  plugins: [segmenterWhenNeeded],
  output: { dir: Path.resolve(directory), format: "esm", minify: true, cleanDir: true },
  logLevel: "warn"
})
Fs.chmodSync(`${directory}/bin.js`, 0o755)

/** Directories of the packages that came in from elsewhere. Their licences go with them. */
const bundled = new Set(
  output.flatMap((file) =>
    file.type === "chunk"
      ? file.moduleIds.flatMap((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(id)?.[0] ?? [])
      : []
  )
)
const licences = [...bundled].sort().map((path) => {
  const name = path.slice(path.lastIndexOf("/node_modules/") + "/node_modules/".length)
  const file = Fs.readdirSync(path).find((entry) => /^licen[cs]e/i.test(entry))
  if (file === undefined) throw new Error(`${name} comes without a licence`)
  return `${name}\n\n${Fs.readFileSync(`${path}/${file}`, "utf8").trim()}\n`
})
Fs.writeFileSync(`${directory}/LICENSES.txt`, licences.join(`\n${"-".repeat(72)}\n\n`))
