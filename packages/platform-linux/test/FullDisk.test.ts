/** Where nothing can be written any more, and a sweep is wanted most. Every kill: `stress/crash-points.ts`. */
import { assert, describe } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { execFile } from "node:child_process"
import { join } from "node:path"
import { compiled, ownMounts } from "./deletion/agents.ts"
import { Result } from "./deletion/fullDiskResult.ts"
import { liveUnless } from "./deletion/live.ts"
import * as Places from "./deletion/places.ts"
import * as Random from "./deletion/random.ts"

const script = join(import.meta.dirname, "deletion/fullDisk.ts")

const run = (kind: string, count: number) =>
  Effect.callback<string, Error>((resume) => {
    const [file = "", ...args] = [
      ...compiled,
      ...ownMounts,
      process.execPath,
      script,
      kind,
      `${count}`,
      `${Random.seed}`
    ]
    const child = execFile(file, args, (error, stdout, stderr) =>
      resume(error === null ? Effect.succeed(stdout) : Effect.fail(new Error(stderr || error.message)))
    )
    return Effect.sync(() => child.kill())
  }).pipe(Effect.flatMap(Schema.decodeEffect(Schema.fromJsonString(Result))))

describe("on a full file system", () => {
  for (const [kind, what, reason] of [
    ["tmpfs", "a tmpfs without blocks and inodes", Places.noMounts],
    ["tmpfs-bytes", "a tmpfs without blocks", Places.noMounts],
    ["ext4", "an ext4 without a block", Places.noMounts ?? Places.noExt4]
  ] as const) {
    liveUnless(reason, `${what}: the dead go, the living stay, and a killed sweep is taken up`, () =>
      Effect.gen(function* () {
        const result = yield* run(kind, 1)
        assert.deepStrictEqual(result.problems, [], `seed ${Random.seed}`)
        assert.strictEqual(result.runs, 4)
        assert.strictEqual(result.killed, 2)
        assert.isAbove(result.inPlace, 0, "there was no room for a workspace")
      })
    )
  }
})
