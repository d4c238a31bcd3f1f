/**
 * Races a deletion with two attackers' symbolic links, mounts and renames: `node stress/attack.ts [SECONDS]`, default
 * 60. Needs root, for a mount namespace of its own.
 */
import "./prebuilt.ts"
import { Effect } from "effect"
import { AttackResult } from "@vm-sentinel/platform-linux/test/agents/attackResult"
import * as Random from "@vm-sentinel/platform-linux/test/support/random"
import { inOwnMounts } from "@vm-sentinel/platform-linux/test/support/inOwnMounts"

const [seconds = "60"] = process.argv.slice(2)

const result = await Effect.runPromise(inOwnMounts(AttackResult, "attack", [seconds, "0", `${Random.seed}`]))
console.log({ seed: Random.seed, seconds: Number(seconds), ...result })
process.exitCode = result.problems.length === 0 ? 0 : 1
