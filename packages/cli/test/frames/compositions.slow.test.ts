/** The Layers of a program judge as the command does. */
import { assert, describe } from "@effect/vitest"
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import { initialPidNamespace } from "@vm-sentinel/core/ProcessIdentity"
import * as LinuxProcessInspector from "@vm-sentinel/platform-linux/LinuxProcessInspector"
import * as LinuxSentinelStore from "@vm-sentinel/platform-linux/LinuxSentinelStore"
import { piped } from "@vm-sentinel/platform-linux/test/support/processes"
import { Effect } from "effect"
import * as FS from "node:fs"
import { fileURLToPath } from "node:url"
import * as Places from "../support/Places.ts"

/** The program of the README. */
const smallest = fileURLToPath(new URL("../../../../examples/orchestrator/src/smallest.ts", import.meta.url))

/** `undefined` if this process sees all processes of the kernel. */
const blind = () =>
  FS.readlinkSync("/proc/self/ns/pid") === initialPidNamespace ? undefined : "not in the initial PID namespace"

describe("the Layers of the README", () => {
  Places.real(
    Places.without() ?? blind(),
    "scenarios 10, 13: judge the owner of another PID namespace as the command does, the living one and the dead one",
    ({ open, root }) =>
      Effect.gen(function* () {
        const [host, container] = [yield* open(), yield* open(Places.ownPids)]
        yield* container.run(`sleep 1000000 >/dev/null & mkdir $R/vm; $VS write $R/vm --pid $!`)
        const judged = Cleanup.judge(`${root}/vm`).pipe(
          Effect.map(({ reason, verdict }) => `${verdict}, ${reason}`),
          Effect.provide([LinuxProcessInspector.layer, LinuxSentinelStore.layer])
        )
        assert.strictEqual(yield* judged, "alive, matches")
        assert.deepStrictEqual(yield* host.actions("$VS list $R --json"), { vm: "kept: alive, matches" })
        yield* Places.end(container)
        const dead = yield* judged
        assert.match(dead, /^dead, (process|namespace)-gone$/)
        assert.deepStrictEqual(yield* host.actions("$VS list $R --json"), { vm: `would-remove: ${dead}` })
        const { line } = yield* piped(process.execPath, [smallest, root, "mine"])
        const lines = [yield* line]
        while (lines.at(-1) !== "running mine") lines.push(yield* line)
        assert.include(lines, "removed 1, kept 0, failed 0")
      }),
    ["sources"]
  )
})
