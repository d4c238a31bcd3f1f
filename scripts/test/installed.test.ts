import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { afterAll } from "vitest"

const scratch = Fs.mkdtempSync(Path.join(Os.tmpdir(), "vm-sentinel-installed-"))
afterAll(() => Fs.rmSync(scratch, { recursive: true, force: true }))

const executable = (path: string, script: string): void =>
  Fs.writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 })

/** Makes a repository whose `npx` only records its arguments, and ends with the given exit code. */
const repository = (name: string) => {
  const root = Path.join(scratch, name)
  const log = `${root}/npx.log`
  for (const directory of ["scripts", "node_modules", "tools"])
    Fs.mkdirSync(`${root}/${directory}`, { recursive: true })
  Fs.copyFileSync(Path.join(import.meta.dirname, "../installed"), `${root}/scripts/installed`)
  Fs.writeFileSync(`${root}/package.json`, '{ "packageManager": "pnpm@1.2.3" }')
  Fs.writeFileSync(`${root}/pnpm-lock.yaml`, "lockfileVersion: 1\n")
  Fs.writeFileSync(log, "")
  executable(`${root}/tools/npx`, `echo "$@" >>${log}; exit "\${CODE:-0}"`)
  const real = `exec '${process.execPath}' "$@"`
  executable(
    `${root}/tools/node`,
    `case $2 in *version*) echo "\${VERSION:-v20.0.0} x64 \${AT:-/usr/bin}/node" ;; *) ${real} ;; esac`
  )
  const run = (variables: Record<string, string> = {}, args: ReadonlyArray<string> = ["echo", "ran", "a b"]) => {
    Fs.writeFileSync(log, "")
    const { npm_node_execpath: _, ...inherited } = process.env
    const env = { ...inherited, PATH: `${root}/tools:${inherited["PATH"]}`, ...variables }
    const { status, stdout } = spawnSync("sh", [`${root}/scripts/installed`, ...args], { encoding: "utf8", env })
    return { status, stdout, installed: Fs.readFileSync(log, "utf8") }
  }
  return { root, run }
}

const installs = (root: string): string =>
  `--yes pnpm@1.2.3 --dir ${Fs.realpathSync(root)} install --frozen-lockfile --loglevel error\n`

describe("scripts/installed", () => {
  it("installs the tools before the first command, and no more after it", () => {
    const { root, run } = repository("first")
    assert.deepStrictEqual(run(), { status: 0, stdout: "ran a b\n", installed: installs(root) })
    assert.deepStrictEqual(run(), { status: 0, stdout: "ran a b\n", installed: "" })
    assert.deepStrictEqual(run({}, ["sh", "-c", "exit 3"]), { status: 3, stdout: "", installed: "" })
    assert.deepStrictEqual(run({}, []), { status: 0, stdout: "", installed: "" })
  })

  it("installs them again after a change of the lockfile or of Node, or without node_modules", () => {
    const { root, run } = repository("changed")
    run()
    Fs.appendFileSync(`${root}/pnpm-lock.yaml`, "settings:\n")
    assert.strictEqual(run().installed, installs(root))
    assert.strictEqual(run({ VERSION: "v20.0.1" }).installed, installs(root))
    assert.strictEqual(run({ VERSION: "v20.0.1" }).installed, "")
    assert.strictEqual(run({ VERSION: "v20.0.1", npm_node_execpath: process.execPath }).installed, installs(root))
    Fs.rmSync(`${root}/node_modules`, { recursive: true })
    Fs.mkdirSync(`${root}/node_modules`)
    assert.strictEqual(run().installed, installs(root))
  })

  it("doesn't take a `node` that is one of the tools for another Node", () => {
    const { root, run } = repository("nested")
    const tool = { VERSION: "v24.0.0", AT: `${Fs.realpathSync(root)}/node_modules/node/bin` }
    assert.strictEqual(run(tool).installed, installs(root))
    assert.strictEqual(run(tool).installed, "")
    assert.strictEqual(run().installed, installs(root))
    assert.strictEqual(run(tool).installed, "")
    assert.strictEqual(run().installed, "")
    Fs.appendFileSync(`${root}/pnpm-lock.yaml`, "settings:\n")
    assert.strictEqual(run(tool).installed, installs(root))
  })

  it("installs them again after an installation that failed, and runs no command without them", () => {
    const { root, run } = repository("failed")
    assert.deepStrictEqual(run({ CODE: "7" }), { status: 7, stdout: "", installed: installs(root) })
    assert.strictEqual(run().installed, installs(root))
    Fs.appendFileSync(`${root}/pnpm-lock.yaml`, "settings:\n")
    assert.strictEqual(run({ CODE: "7" }).status, 7)
    // The lockfile is the earlier one again, but `node_modules` may still have the packages of the other one.
    Fs.writeFileSync(`${root}/pnpm-lock.yaml`, "lockfileVersion: 1\n")
    assert.strictEqual(run().installed, installs(root))
  })
})
