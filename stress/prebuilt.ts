/**
 * Builds the programs that the stress scripts start as processes, as for the tests. A script imports this module before
 * all others. The build is synchronous, because the next import wouldn't wait for a module with a top-level `await`.
 */
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"

const script = new URL("../scripts/prebuilt.ts", import.meta.url).href
const variable = "SENTINEL_TEST_PREBUILT"

if (process.env[variable] === undefined) {
  const program = `
    const { default: build } = await import(${JSON.stringify(script)})
    await build()
    console.log(process.env.${variable})`
  const said = execFileSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8" })
  const directory = said.trim().split("\n").at(-1) ?? ""
  process.env[variable] = directory
  process.once("exit", () => Fs.rmSync(directory, { recursive: true }))
}
