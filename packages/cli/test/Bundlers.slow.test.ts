/** Programs that use the Layers, bundled by other bundlers, each in a folder with nothing else in it. */
import { assert, describe, it } from "@effect/vitest"
import { ableIn, Missing } from "@vm-sentinel/core/test/support/able"
import { Effect } from "effect"
import type { Scope } from "effect"
import * as Esbuild from "esbuild"
import { spawnSync } from "node:child_process"
import * as FS from "node:fs"
import { createRequire } from "node:module"
import * as Path from "node:path"
import * as Rolldown from "rolldown"
import * as Native from "../../../scripts/native.ts"
import * as Cli from "./support/Cli.ts"
import * as Roots from "./support/Roots.ts"

const repository = Path.join(import.meta.dirname, "../../..")
const example = `${repository}/examples/orchestrator/src/main.ts`
const darwin = `${import.meta.dirname}/agents/darwinLayers.ts`

type Format = "esm" | "cjs"

const bundlers = {
  esbuild: async (entry: string, format: Format, outfile: string) => {
    const warning = format === "cjs" ? ["empty-import-meta"] : []
    const { warnings } = await Esbuild.build({
      entryPoints: [entry],
      bundle: true,
      platform: "node",
      format,
      outfile,
      logLevel: "silent"
    })
    // esbuild reports no warnings about `node_modules`, the place of a user's packages.
    for (const { id } of warnings) assert.include(warning, id)
  },
  rolldown: async (entry: string, format: Format, file: string) => {
    const output = { file, format, codeSplitting: false }
    await Rolldown.build({ input: entry, platform: "node", output, logLevel: "silent" })
  }
}

const bundles = (["esbuild", "rolldown"] as const).flatMap((bundler) =>
  (["esm", "cjs"] as const).map((format) => ({ bundler, format }))
)

const able = ableIn<Scope.Scope>(it.live)
const libraries = Native.buildNative()
const compiled = libraries.length === 0 ? new Missing("no C compiler") : {}

/** Bundles a program into a folder of its own. */
const bundle = Effect.fnUntraced(function* (entry: string, { bundler, format }: (typeof bundles)[number]) {
  const folder = yield* Roots.scratch
  const file = `${folder}/main.${format === "esm" ? "mjs" : "cjs"}`
  yield* Effect.promise(() => bundlers[bundler](entry, format, file))
  // pnpm's wrappers of commands set NODE_PATH. With it, Node would find koffi from every directory.
  const options = { cwd: folder, env: { NODE_PATH: "" } }
  const run = (...args: ReadonlyArray<string>) =>
    Effect.map(Cli.execute(process.execPath, [file, ...args], options), ({ code, stderr, stdout }) => {
      assert.deepStrictEqual([code, stderr], [0, ""])
      return stdout
    })
  return { file, folder, run }
})

const koffi = Path.dirname(createRequire(`${repository}/packages/platform-linux/package.json`).resolve("koffi"))

const installKoffi = (folder: string): void => {
  FS.mkdirSync(`${folder}/node_modules`)
  FS.symlinkSync(koffi, `${folder}/node_modules/koffi`)
}

describe.runIf(process.platform === "linux")("a bundle, moved to a bare folder", () => {
  for (const made of bundles) {
    const name = `by ${made.bundler}, ${made.format}`

    able(compiled, `${name}: an orchestrator works, and says which native code it lacks`, () =>
      Effect.gen(function* () {
        const { file, folder, run } = yield* bundle(example, made)
        const root = yield* Roots.scratch
        const [lacking = "", started = ""] = (yield* run(root, "vm")).split("\n")
        const pid = Number(/^started vm (\d+)$/.exec(started)?.[1])
        process.kill(pid, "SIGKILL")
        assert.strictEqual(
          lacking,
          `no koffi (not-found): koffi isn't installed where ${file} finds it; no library (unloadable): only koffi can load it`
        )
        while (FS.existsSync(`/proc/${pid}/cwd`)) continue
        assert.match(yield* run(root), /^removed vm /m)

        installKoffi(folder)
        const library = `${folder}/${/pool-\S+\.so/.exec(yield* run(root))?.[0]}`
        const found = `koffi: ${koffi}/index.cjs; `
        assert.strictEqual(yield* run(root), `${found}no library (not-found): there is no ${library}\n`)
        Native.copyNative(libraries, folder)
        assert.strictEqual(yield* run(root), `${found}library: ${library}\n`)
        FS.rmSync(`${folder}/node_modules`, { recursive: true })
        assert.include(yield* run(root), "no koffi (not-found)")
      })
    )

    it.live(`${name}: the Layers of macOS are built, and say which native code they lack`, () =>
      Effect.gen(function* () {
        const { file, folder, run } = yield* bundle(darwin, made)
        const lacking = `koffi isn't installed where ${file} finds it`
        assert.strictEqual(
          yield* run(),
          `no koffi (not-found): ${lacking}; no library (unloadable): koffi can't be loaded: ${lacking}\n`
        )
        installKoffi(folder)
        assert.strictEqual(
          yield* run(),
          `koffi: ${koffi}/index.cjs; no library (unloadable): libc.so.6 has neither proc_pidinfo nor sysctl\n`
        )
      })
    )
  }

  able(compiled, "refuses a library of another build, and what isn't a library", () =>
    Effect.gen(function* () {
      const { folder, run } = yield* bundle(example, { bundler: "esbuild", format: "cjs" })
      const root = yield* Roots.scratch
      installKoffi(folder)
      const library = `${folder}/${/pool-\S+\.so/.exec(yield* run(root))?.[0]}`
      FS.writeFileSync(library, "not a library")
      assert.include(yield* run(root), `no library (unloadable): ${library}: `)
      FS.writeFileSync(`${folder}/other.c`, "int vm_sentinel_layout(void) { return 0; }")
      spawnSync("cc", ["-shared", "-fPIC", "-o", library, `${folder}/other.c`])
      assert.include(
        yield* run(root),
        `no library (unloadable): ${library}: the library is of another build: layout 0, not `
      )
    })
  )
})
