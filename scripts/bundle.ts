/**
 * The published command: `packages/cli/dist`, in which everything but Node and koffi is. The program is one file, run by
 * `CodeCache.ts`; what few commands and the other platform need is in files of its own, which aren't loaded before.
 * CommonJS, for Node loads it faster than modules. `node scripts/bundle.ts [DIRECTORY]`.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { build, type OutputChunk, type Plugin } from "rolldown"
import { buildNative, copyNative } from "./native.ts"

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

/** All that is outside of ASCII stands in texts and patterns, and takes half the room and time to read so. */
const ascii: Plugin = {
  name: "ascii",
  generateBundle(_, bundle) {
    for (const chunk of Object.values(bundle)) {
      if (chunk.type !== "chunk") continue
      chunk.code = chunk.code.replaceAll(
        /[^\0-\x7f]/g,
        (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
      )
    }
  }
}

const startByCodeCache = (program: string): Plugin => ({
  name: "start by code cache",
  load: {
    filter: { id: /\/cli\/src\/start\.ts$/ },
    handler: () => `
      import { load } from "./CodeCache.ts"
      export const { start } = load(import.meta.dirname + ${JSON.stringify(`/${program}`)})("./start.cjs")
    `
  }
})

/** Modules that aren't the program's unless it imports them. */
const fewNeed = /platform-(darwin|node)|\/(demo|testing)\/|src\/Run\.ts$/

const common = { cwd: cli, platform: "node", logLevel: "warn" } as const
const output = { dir: Path.resolve(directory), format: "cjs", minify: true, entryFileNames: "[name].cjs" } as const

const { output: program } = await build({
  ...common,
  input: "src/start.ts",
  external: ["koffi"],
  plugins: [segmenterWhenNeeded, ascii],
  output: {
    ...output,
    cleanDir: true,
    chunkFileNames: "[name]-[hash].cjs",
    codeSplitting: { groups: [{ name: "program", test: (id) => !fewNeed.test(id) }] }
  }
})
const programFile = program.find(({ name }) => name === "program")
if (programFile === undefined) throw new Error("no chunk is the program")
const { output: bin } = await build({
  ...common,
  input: "src/bin.ts",
  plugins: [startByCodeCache(programFile.fileName)],
  output: { ...output, codeSplitting: false }
})
Fs.chmodSync(`${directory}/bin.cjs`, 0o755)
copyNative(buildNative(), directory)

const chunks = [...program, ...bin].filter((file): file is OutputChunk => file.type === "chunk")

/** Directories of the packages that came in from elsewhere. Their licences go with them. */
const bundled = new Set(
  chunks.flatMap(({ moduleIds }) =>
    moduleIds.flatMap((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(id)?.[0] ?? [])
  )
)
const licences = [...bundled].sort().map((path) => {
  const name = path.slice(path.lastIndexOf("/node_modules/") + "/node_modules/".length)
  const file = Fs.readdirSync(path).find((entry) => /^licen[cs]e/i.test(entry))
  if (file === undefined) throw new Error(`${name} comes without a licence`)
  return `${name}\n\n${Fs.readFileSync(`${path}/${file}`, "utf8").trim()}\n`
})
Fs.writeFileSync(`${directory}/LICENSES.txt`, licences.join(`\n${"-".repeat(72)}\n\n`))
