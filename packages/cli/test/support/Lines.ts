/** Validates the lines of `--json` by the published JSON Schema. */
import { Ajv2020 } from "ajv/dist/2020.js"
import * as FS from "node:fs"
import { fileURLToPath } from "node:url"

export const file = fileURLToPath(new URL("../../../../docs/json-schema.json", import.meta.url))

/** The schema without room for the keys of later releases, so each key of a line must be in the schema. */
const closed = (text: string): object =>
  JSON.parse(text, (key, value: unknown) => (key === "additionalProperties" && value === true ? false : value))

/** Makes a function that returns the fault of a line, or `undefined`. */
export const validator = (text: string): ((line: unknown) => string | undefined) => {
  const ajv = new Ajv2020({ allErrors: true })
  const validate = ajv.compile(closed(text))
  return (line) => (validate(line) ? undefined : ajv.errorsText(validate.errors))
}

const validate = validator(FS.readFileSync(file, "utf8"))

/** Throws for a line of stdout that doesn't match the schema. */
export const check = (stdout: string): void => {
  for (const line of stdout.split("\n")) {
    if (line === "") continue
    const problem = validate(JSON.parse(line))
    if (problem !== undefined) throw new Error(`not by the schema: ${problem}: ${line}`)
  }
}
