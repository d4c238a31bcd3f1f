/**
 * A program with the installed packages that sweeps a directory of this machine: `layers.ts ROOT`. It prints `native`
 * if it has the kernel's own id of its process.
 */
import { Cleanup, Ownership, ProcessIdentity } from "@vm-sentinel/core"
import * as VmSentinelDarwin from "@vm-sentinel/platform-darwin"
import * as VmSentinelLinux from "@vm-sentinel/platform-linux"
import { Effect, Layer, References } from "effect"
import * as assert from "node:assert"
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs"

const [root = ""] = process.argv.slice(2)

const services =
  process.platform === "darwin"
    ? Layer.merge(VmSentinelDarwin.DarwinProcessInspector.layer, VmSentinelDarwin.DarwinSentinelStore.layer)
    : Layer.merge(VmSentinelLinux.LinuxProcessInspector.layer, VmSentinelLinux.LinuxSentinelStore.layer)

const program = Effect.gen(function* () {
  yield* Ownership.create(`${root}/mine`)
  const isNative = Fs.readFileSync(`${root}/mine/.vm-sentinel`, "utf8").includes('"processId64"')
  process.stdout.write(isNative ? "native\n" : "portable\n")
  Fs.mkdirSync(`${root}/crashed`)
  const owner = spawn(process.execPath, ["--eval", "setInterval(() => {}, 1000)"])
  yield* Ownership.record(`${root}/crashed`, { pid: ProcessIdentity.Pid.make(owner.pid ?? 0) })
  owner.kill("SIGKILL")
  yield* Effect.promise(() => once(owner, "exit"))
  const { outcomes } = yield* Cleanup.sweep(root)
  assert.deepStrictEqual(outcomes.map(({ action, name, verdict }) => `${name}: ${action}, ${verdict}`).sort(), [
    "crashed: removed, dead",
    "mine: kept, alive"
  ])
})

await program.pipe(
  Effect.provide(services),
  Effect.provideService(References.MinimumLogLevel, "None"),
  Effect.scoped,
  Effect.runPromise
)
