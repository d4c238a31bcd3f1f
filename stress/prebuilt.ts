/**
 * What the scripts start as processes is built first, as for the tests. To be imported before all else, and synchronous:
 * the next import doesn't wait for one that awaits.
 */
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"

const script = new URL("../scripts/prebuilt.ts", import.meta.url).href
const variable = "VM_SENTINEL_PREBUILT"

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
