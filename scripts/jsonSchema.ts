/** Writes the JSON Schema of the lines of `--json`, `docs/json-schema.json`. A test checks that it is current. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as JsonSchema from "../packages/cli/src/JsonSchema.ts"
import { root } from "./pages.ts"

Fs.writeFileSync(Path.join(root, "docs/json-schema.json"), JsonSchema.text())
