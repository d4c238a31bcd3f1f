import { Effect, Schema } from "effect"
import { execFile } from "node:child_process"
import { join } from "node:path"
import { scriptOf } from "./prebuilt.ts"
import { compiled, ownMounts } from "./sweepers.ts"

/** Runs a script of `test/agents` in a mount namespace of its own. Succeeds with the JSON that the script prints. */
export const inOwnMounts = <A>(
  schema: Schema.Codec<A, unknown>,
  script: "attack" | "fullDisk",
  args: ReadonlyArray<string>
) =>
  Effect.callback<string, Error>((resume) => {
    const [file = "", ...rest] = [
      ...compiled,
      ...ownMounts,
      process.execPath,
      scriptOf(join(import.meta.dirname, `../agents/${script}.ts`), script),
      ...args
    ]
    const child = execFile(file, rest, (error, stdout, stderr) =>
      resume(error === null ? Effect.succeed(stdout) : Effect.fail(new Error(stderr || error.message)))
    )
    return Effect.sync(() => child.kill())
  }).pipe(Effect.flatMap(Schema.decodeEffect(Schema.fromJsonString(schema))))
