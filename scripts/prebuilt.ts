/**
 * Builds the programs that tests start as processes, once before all tests. A process that runs JavaScript starts in a
 * third of the time of one that runs TypeScript, and tests run the published form of the command. Without this build,
 * tests run the sources.
 */
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { build } from "rolldown"
import { buildNative, copyNative } from "./native.ts"

const packages = Path.resolve(import.meta.dirname, "../packages")
const linux = `${packages}/platform-linux`
const darwin = `${packages}/platform-darwin`

const variable = "SENTINEL_TEST_PREBUILT"

/** A directory from which Node resolves koffi. */
const parent = `${packages}/cli/node_modules/.cache`

export default async (): Promise<() => void> => {
  if (process.platform !== "linux" || process.env[variable] !== undefined) return () => undefined
  Fs.mkdirSync(parent, { recursive: true })
  const directory = Fs.mkdtempSync(`${parent}/vm-sentinel-test-`)
  // Tests also start the programs in this directory as other users, so others need access to it.
  Fs.chmodSync(directory, 0o755)
  Fs.writeFileSync(`${directory}/package.json`, '{ "type": "module" }')
  execFileSync(process.execPath, [`${import.meta.dirname}/bundle.ts`, `${directory}/command`], { stdio: "inherit" })
  await build({
    input: {
      sweeper: `${linux}/test/agents/sweeper.ts`,
      inspector: `${linux}/test/agents/inspector.ts`,
      darwinInspector: `${darwin}/test/agents/inspector.ts`,
      withoutKoffi: `${darwin}/test/agents/withoutKoffi.ts`,
      torn: `${linux}/test/agents/torn.ts`,
      taker: `${linux}/test/agents/taker.ts`,
      attack: `${linux}/test/agents/attack.ts`,
      attacker: `${linux}/test/agents/attacker.ts`,
      fullDisk: `${linux}/test/agents/fullDisk.ts`
    },
    platform: "node",
    external: ["koffi"],
    output: { dir: `${directory}/agent`, format: "esm" },
    logLevel: "warn"
  })
  copyNative(buildNative(), `${directory}/agent`)
  Fs.cpSync(`${linux}/test/support/programs`, `${directory}/agent/programs`, { recursive: true })
  process.env[variable] = directory
  return () => Fs.rmSync(directory, { recursive: true })
}
