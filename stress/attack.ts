/**
 * Two attackers race the delete with symbolic links, mounts and renames: `node stress/attack.ts [SECONDS]`, default 60.
 * Needs root: it works in a mount namespace of its own.
 */
import "./prebuilt.ts"
import { Effect } from "effect"
import { AttackResult } from "../packages/platform-linux/test/deletion/attackResult.ts"
import * as Random from "../packages/platform-linux/test/deletion/random.ts"
import { inOwnMounts } from "../packages/platform-linux/test/deletion/scripts.ts"

const [seconds = "60"] = process.argv.slice(2)

const result = await Effect.runPromise(inOwnMounts(AttackResult, "attack", [seconds, "0", `${Random.seed}`]))
console.log({ seed: Random.seed, seconds: Number(seconds), ...result })
process.exitCode = result.problems.length === 0 ? 0 : 1
