/** The smallest orchestrator: sweeps ROOT, then owns ROOT/NAME until it ends: `node src/smallest.ts ROOT NAME`. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import * as Ownership from "@vm-sentinel/core/Ownership"
import * as LinuxProcessInspector from "@vm-sentinel/platform-linux/LinuxProcessInspector"
import * as LinuxSentinelStore from "@vm-sentinel/platform-linux/LinuxSentinelStore"
import { Console, Effect } from "effect"

const [root = "", name = ""] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const { summary } = yield* Cleanup.sweep(root)
  yield* Console.log(`removed ${summary.removed}, kept ${summary.kept}, failed ${summary.failed}`)

  // The directory appears with its sentinel and its lock, or not at all.
  yield* Ownership.create(`${root}/${name}`)
  yield* Console.log("running", name)
  yield* Effect.never
})

program.pipe(
  Effect.scoped,
  Effect.provide([LinuxProcessInspector.layer, LinuxSentinelStore.layer]),
  NodeRuntime.runMain
)
