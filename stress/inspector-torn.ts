/**
 * No observation mixes two processes. Two programs give one PID to one process after another, as fast as they can,
 * while the inspector observes that PID. `node stress/inspector-torn.ts [COUNT]` makes COUNT (default 100 000)
 * observations with pidfds, and as many without.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { dirname, join } from "node:path"
import * as PidNamespace from "../packages/platform-linux/src/testing/PidNamespace.ts"

const Result = Schema.Struct({
  count: Schema.Int,
  seen: Schema.Record(Schema.String, Schema.Int),
  mixtures: Schema.Int,
  examples: Schema.Array(Schema.Unknown)
})

const script = join(dirname(import.meta.filename), "../packages/platform-linux/test/agents/torn.ts")
const count = process.argv[2] ?? "100000"

const program = Effect.gen(function* () {
  for (const kind of ["pidfd", "procfs"]) {
    const result = yield* Effect.flatMap(PidNamespace.run(script, [kind, count]), Schema.decodeUnknownEffect(Result))
    console.log(kind, result)
    if (result.mixtures > 0) process.exitCode = 1
  }
})

await Effect.runPromise(program)
