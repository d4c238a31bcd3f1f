import { assert, describe, it } from "@effect/vitest"
import { execFileSync, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { afterAll } from "vitest"
import { compilerOptions } from "../packed/project.ts"

const root = Path.join(import.meta.dirname, "../..")
const tsc = Path.join(root, "node_modules/typescript/bin/tsc")
const scratch = Fs.mkdtempSync(Path.join(Os.tmpdir(), "vm-sentinel-declarations-"))
afterAll(() => Fs.rmSync(scratch, { recursive: true, force: true }))

const packages = ["core", "platform-linux", "platform-darwin"] as const

/** Milliseconds. The compiler may share the machine with other tests. */
const patience = 120_000

/** Makes a package in its published form: its manifest, with the exports for publishing, and its declarations. */
const publish = (name: string): string => {
  const source = `${root}/packages/${name}`
  const target = `${scratch}/node_modules/@vm-sentinel/${name}`
  Fs.mkdirSync(target, { recursive: true })
  const manifest: unknown = JSON.parse(Fs.readFileSync(`${source}/package.json`, "utf8"))
  const published =
    typeof manifest === "object" && manifest !== null && "publishConfig" in manifest ? manifest.publishConfig : {}
  Fs.writeFileSync(`${target}/package.json`, JSON.stringify({ ...Object(manifest), ...Object(published) }))
  Fs.cpSync(`${source}/dist`, `${target}/dist`, { recursive: true })
  return target
}

const declarations = (directory: string): ReadonlyArray<string> =>
  Fs.readdirSync(`${directory}/dist`, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".d.ts"))

const isInternal = (name: string): boolean => name.split("/").includes("internal")

describe("the built declarations", () => {
  it(
    "name no internal type, and compile in a strict project that checks its libraries",
    () => {
      execFileSync(process.execPath, [tsc, "-b", `${root}/tsconfig.build.json`], { cwd: root })
      const modules = packages.flatMap((name) => {
        const directory = publish(name)
        const found = declarations(directory).filter((file) => !isInternal(file))
        const leaking = found.filter((file) =>
          /["'][^"']*internal\//.test(Fs.readFileSync(`${directory}/dist/${file}`, "utf8"))
        )
        assert.deepStrictEqual(leaking, [], name)
        return found.map((file) => `@vm-sentinel/${name}/${file.replace(/\.d\.ts$/, "")}`.replace(/\/index$/, ""))
      })
      assert.isAbove(modules.length, 30)
      for (const name of ["effect", "koffi", "@types", "@effect"]) {
        const target = [`${root}/node_modules/${name}`, `${root}/packages/platform-linux/node_modules/${name}`].find(
          Fs.existsSync
        )
        if (target !== undefined) Fs.symlinkSync(Fs.realpathSync(target), `${scratch}/node_modules/${name}`)
      }
      const imports = modules.map((module, index) => `import * as M${index} from "${module}"\nvoid M${index}\n`)
      Fs.writeFileSync(`${scratch}/consumer.ts`, imports.join(""))
      Fs.writeFileSync(`${scratch}/package.json`, JSON.stringify({ type: "module" }))
      const configuration = { compilerOptions: { ...compilerOptions, noEmit: true }, files: ["consumer.ts"] }
      Fs.writeFileSync(`${scratch}/tsconfig.json`, JSON.stringify(configuration))
      const { stdout } = spawnSync(process.execPath, [tsc, "-p", scratch], { encoding: "utf8" })
      assert.strictEqual(stdout, "")
    },
    patience
  )
})
