import { assert, describe, it } from "@effect/vitest"
import { FakeProcessTable } from "@vm-sentinel/core/testing/FakeProcessTable"
import * as Simulation from "@vm-sentinel/core/testing/Simulation"
import { Effect, Layer } from "effect"
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { Hypervisor, layerOf } from "../src/Hypervisor.ts"
import * as Orchestrator from "../src/Orchestrator.ts"

const here = import.meta.dirname

const root = "/vms"

/** Each VM is a process of the fake table. */
const layerHypervisor = Layer.effect(
  Hypervisor,
  Effect.map(FakeProcessTable, (table) =>
    Hypervisor.of({ boot: () => Effect.orDie(table.spawn({ exe: "/usr/bin/qemu" })) })
  )
)

const layer = Layer.provideMerge(layerHypervisor, Simulation.layer)

const emptyRoot = Simulation.seed({ [root]: { type: "directory" } })

/** Starts the orchestrator, its sweep included. */
const boot = Effect.scoped(
  Effect.gen(function* () {
    const services = yield* Layer.build(Layer.fresh(Orchestrator.layer(root)))
    return yield* Effect.provide(Orchestrator.Orchestrator, services)
  })
)

const recovered = Effect.map(boot, ({ recovered }) =>
  recovered.outcomes.map(({ action, name, reason }) => `${name} ${action} ${reason}`)
)

describe("the example orchestrator over fakes", () => {
  it.effect("sweeps first: keeps the VM that outlived it, removes the one whose PID was recycled", () =>
    Effect.gen(function* () {
      const table = yield* FakeProcessTable
      yield* emptyRoot
      const first = yield* boot
      const alive = yield* first.start("alive")
      const crashed = yield* first.start("crashed")
      yield* Simulation.recycle(crashed.pid, { exe: "/usr/bin/qemu" })
      assert.deepStrictEqual(yield* recovered, ["alive kept matches", "crashed removed identity-mismatch"])
      yield* table.exit(alive.pid)
      assert.deepStrictEqual(yield* recovered, ["alive removed pid-dead"])
    }).pipe(Effect.provide(layer))
  )

  it.effect("keeps what it can't know", () =>
    Effect.gen(function* () {
      const table = yield* FakeProcessTable
      yield* emptyRoot
      const vm = yield* Effect.flatMap(boot, ({ start }) => start("vm"))
      yield* table.fail(vm.pid, "resources")
      assert.deepStrictEqual(yield* recovered, ["vm kept inspection-failed"])
      yield* table.otherMachine
      assert.deepStrictEqual(yield* recovered, ["vm kept other-machine"])
    }).pipe(Effect.provide(layer))
  )

  it.effect("refuses a name that is taken", () =>
    Effect.gen(function* () {
      yield* emptyRoot
      const { start } = yield* boot
      yield* start("vm")
      const error = yield* Effect.flip(start("vm"))
      assert.strictEqual(error._tag, "AlreadyOwned")
    }).pipe(Effect.provide(layer))
  )

  it.effect("fails where the VM can't be started, and keeps the directory until it ends itself", () =>
    Effect.gen(function* () {
      yield* emptyRoot
      const { start } = yield* boot
      const error = yield* Effect.flip(start("vm"))
      assert.strictEqual(error._tag, "BootError")
      assert.match(error.message, /^\/vms\/vm: the VM can't be started: .*ENOENT/)
      assert.deepStrictEqual(yield* recovered, ["vm kept matches"])
    }).pipe(Effect.provide(Layer.provideMerge(layerOf("/no/such/vmm", []), Simulation.layer)))
  )
})

describe("the example hypervisor", () => {
  /** The errno of a boot that fails. */
  const errnoOf = (vmm: string, directory: string) =>
    Hypervisor.use(({ boot }) => boot(directory, undefined)).pipe(
      Effect.flip,
      Effect.map(({ cause }) => (cause instanceof Error && "code" in cause ? cause.code : cause)),
      Effect.provide(layerOf(vmm, []))
    )

  it.effect("fails with BootError, whether Node emits the error or throws it", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* errnoOf("/no/such/vmm", here), "ENOENT")
      assert.strictEqual(yield* errnoOf(process.execPath, import.meta.filename), "ENOTDIR")
    })
  )
})

const isLinux = process.platform === "linux"
const kernel = `the example orchestrator on this kernel${isLinux ? "" : " (skipped: it is written for Linux)"}`

describe.runIf(isLinux)(kernel, () => {
  const run = (...args: ReadonlyArray<string>) =>
    execFileSync(process.execPath, [Path.join(here, "../src/main.ts"), ...args], { encoding: "utf8" })

  it("keeps a VM that outlived it, and removes one that was killed", { timeout: 60_000 }, () => {
    const root = Fs.mkdtempSync(Path.join(Os.tmpdir(), "vm-sentinel-example-"))
    const pids: Array<number> = []
    try {
      const started = run(root, "alive", "crashed")
      for (const [, pid] of started.matchAll(/^started \S+ (\d+)$/gm)) pids.push(Number(pid))
      assert.lengthOf(pids, 2)
      process.kill(pids[1] ?? 0, "SIGKILL")
      // The VM's working directory is its own directory. The kernel has released it once the `cwd` link is gone.
      while (Fs.existsSync(`/proc/${pids[1]}/cwd`)) continue
      const lines = run(root)
      assert.match(lines, /^kept alive lock-held$/m)
      assert.match(lines, /^removed crashed (pid-dead|zombie)$/m)
      assert.deepStrictEqual(Fs.readdirSync(root), ["alive"])
    } finally {
      if (pids[0] !== undefined) process.kill(pids[0], "SIGKILL")
      Fs.rmSync(root, { recursive: true })
    }
  })

  it("in its smallest form removes what a killed one left", { timeout: 120_000 }, async () => {
    const root = Fs.mkdtempSync(Path.join(Os.tmpdir(), "vm-sentinel-example-"))
    /** Runs an orchestrator until it owns its directory, then kills it. Returns its output. */
    const say = async (name: string) => {
      const program = Path.join(here, "../src/smallest.ts")
      const child = spawn(process.execPath, [program, root, name], { timeout: 50_000, killSignal: "SIGKILL" })
      const ended = once(child, "exit")
      let said = ""
      for await (const chunk of child.stdout) {
        said += String(chunk)
        if (said.endsWith(`running ${name}\n`)) child.kill("SIGKILL")
      }
      await ended
      return said
    }
    try {
      assert.match(await say("first"), /^removed 0, kept 0, failed 0$/m)
      assert.match(await say("second"), /^removed 1, kept 0, failed 0$/m)
      assert.deepStrictEqual(Fs.readdirSync(root), ["second"])
    } finally {
      Fs.rmSync(root, { recursive: true })
    }
  })
})
