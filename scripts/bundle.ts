/**
 * Bundles the published command: `node scripts/bundle.ts [DIRECTORY]`, by default into `packages/cli/dist`. The bundle
 * holds every dependency except koffi. Modules that are loaded by `import()` (the commands, the platforms) have chunks
 * of their own. The format is CommonJS, which Node loads faster than ES modules.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { build, type OutputChunk } from "rolldown"
import { buildNative, copyNative } from "./native.ts"

const cli = Path.resolve(import.meta.dirname, "../packages/cli")
const [directory = `${cli}/dist`] = process.argv.slice(2)

const { output } = await build({
  cwd: cli,
  // Each entry has a file of its own, so `bin.cjs` stays small, and no chunk imports it.
  input: ["src/bin.ts", "src/start.ts"],
  platform: "node",
  external: ["koffi"],
  transform: { inject: { "Intl.Segmenter": [`${import.meta.dirname}/lazySegmenter.ts`, "Segmenter"] } },
  logLevel: "warn",
  // Effect's configuration tests for `import.meta.env`, which Node doesn't have, and then reads `process.env`.
  checks: { emptyImportMeta: false },
  output: {
    dir: Path.resolve(directory),
    cleanDir: true,
    format: "cjs",
    minify: true,
    entryFileNames: "[name].cjs",
    chunkFileNames: "[name]-[hash].cjs",
    // Modules that 5 or more chunks share go into two files, so `list` opens 23 files instead of 48. V8 compiles Effect
    // and this project's modules faster as two files than as one.
    codeSplitting: {
      groups: [
        { name: "effect", test: /node_modules/, minShareCount: 5 },
        { name: "shared", minShareCount: 5 }
      ]
    }
  }
})
Fs.chmodSync(`${directory}/bin.cjs`, 0o755)
copyNative(buildNative(), directory)

const chunks = output.filter((file): file is OutputChunk => file.type === "chunk")

/** Directories of the third-party packages in the bundle, whose licences must be published with it. */
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
