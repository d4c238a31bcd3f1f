/** A whole sweep on the Layers of macOS over the shim: real processes, real directories, one report. */
import { assert, describe, it } from "@effect/vitest"
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import * as Ownership from "@vm-sentinel/core/Ownership"
import type { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import type { Format } from "@vm-sentinel/core/Sentinel"
import type { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import { Effect, Layer, References, type Scope } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { ProcessWorld } from "@vm-sentinel/core/test/support/ProcessInspectorTest"
import { world as files } from "@vm-sentinel/core/test/support/NodeWorld"
import { because, skipped } from "@vm-sentinel/core/test/support/able"
import * as PidNamespace from "../../platform-linux/src/testing/PidNamespace.ts"
import { scriptOf } from "@vm-sentinel/platform-linux/test/support/prebuilt"
import { Programs } from "@vm-sentinel/platform-linux/test/support/programs"
import * as Remote from "@vm-sentinel/platform-linux/test/support/remoteInspector"
import { makeWorld } from "@vm-sentinel/platform-linux/test/support/processes"
import * as DarwinProcessInspector from "../src/DarwinProcessInspector.ts"
import * as DarwinSentinelStore from "../src/DarwinSentinelStore.ts"
import * as Shim from "./support/shim.ts"

type Services<R> = ProcessInspector | SentinelStore | Scope.Scope | R

/** Makes directories with owners of every fate, and sweeps them twice. */
const demo = Effect.fnUntraced(function* <R>(
  world: ProcessWorld<R>,
  options: Cleanup.SweepOptions = {}
): Effect.fn.Return<void, unknown, Services<R>> {
  const { exit, recycle, zombify } = world
  if (exit === undefined || zombify === undefined) return yield* Effect.die("a world of real processes")
  const root = yield* files.scratch
  const outside = yield* files.scratch
  yield* files.file(`${outside}/precious`, "precious")
  const expected: Record<string, string> = {}

  const own = Effect.fnUntraced(function* (name: string, format: Format, answer: string) {
    const pid = yield* world.spawn
    const path = `${root}/${name}`
    yield* files.file(`${path}/disks/a/b/c/disk.img`, name)
    yield* files.symlink(`${path}/disks/out`, outside)
    yield* Ownership.record(path, { pid, format })
    expected[name] = answer
    return pid
  })

  for (const format of ["v1", "v2", "v3"] as const) {
    yield* own(`alive-${format}`, format, `kept alive ${format === "v1" ? "pid-alive" : "matches"}`)
    yield* exit(yield* own(`exited-${format}`, format, "removed dead pid-dead"))
    yield* zombify(yield* own(`zombie-${format}`, format, "removed dead zombie"))
  }
  if (recycle !== undefined) {
    yield* recycle(yield* own("recycled-v3", "v3", "removed dead identity-mismatch"), "same")
    yield* recycle(yield* own("recycled-v2", "v2", "kept unknown exe-changed"), "other")
    // Scenario 81: only a process that started after the record was written proves a recycled PID. `mtime` doesn't show
    // when the record was written.
    yield* files.setTime(`${root}/recycled-v2/.vm-sentinel`, Date.now() - 3_600_000)
    yield* recycle(yield* own("renamed-v2", "v2", "kept unknown exe-changed"), "other")
    yield* recycle(yield* own("recycled-v1", "v1", "kept alive pid-alive"), "same")
  }
  yield* files.file(`${root}/malformed/.vm-sentinel`, "{")
  expected["malformed"] = "kept unknown malformed-sentinel"
  yield* files.file(`${root}/nobody/file`, "nobody's")
  expected["nobody"] = "kept none no-sentinel"

  const { outcomes, summary } = yield* Cleanup.sweep(root, options)
  const found = outcomes.map(({ action, name, reason, verdict }) => [name, `${action} ${verdict} ${reason}`])
  assert.deepStrictEqual(Object.fromEntries(found), expected)
  assert.strictEqual(summary.failed, 0)

  const kept = Object.keys(expected).filter((name) => expected[name]?.startsWith("kept"))
  assert.sameMembers(Fs.readdirSync(root), kept)
  assert.deepStrictEqual(yield* files.tree(outside), { precious: "precious" })
  for (const name of kept.filter((name) => name.includes("-v"))) {
    assert.deepInclude(yield* files.tree(`${root}/${name}`), {
      "disks/a/b/c/disk.img": name,
      "disks/out": `-> ${outside}`
    })
  }

  const again = yield* Cleanup.sweep(root, options)
  assert.sameMembers(
    again.outcomes.map(({ action, name }) => `${action} ${name}`),
    kept.map((name) => `kept ${name}`)
  )
})

const shim = Shim.build()
if (typeof shim === "string") {
  skipped("a sweep over the shim", shim)
} else {
  const options = { libraryPath: shim.path }
  const quiet = Layer.succeed(References.MinimumLogLevel, "None")
  const store = Layer.merge(DarwinSentinelStore.layerWith(options), quiet)
  const why = await Effect.runPromise(PidNamespace.unavailable)
  const agent = scriptOf(new URL("agents/inspector.ts", import.meta.url).pathname, "darwinInspector")
  const inNamespace = Remote.layer(
    Effect.flatMap(PidNamespace.unshareArguments, (args) =>
      Remote.tidySession(["unshare", ...args], agent, [JSON.stringify(options)])
    )
  )
  const here = Layer.merge(DarwinProcessInspector.layerWith(options), Programs.layer)

  describe("a sweep on the Layers of macOS, over the shim", () => {
    it.live(
      "removes what exited owners and zombies left, and keeps what is owned or unknown",
      () => Effect.provide(demo(makeWorld()), Layer.merge(here, store)),
      60_000
    )

    it.live.skipIf(why !== undefined)(
      because("also where PIDs were recycled", why),
      // The inspector in the namespace answers one request at a time.
      () => Effect.provide(demo(Remote.world, { concurrency: 1 }), Layer.merge(inNamespace, store)),
      120_000
    )

    const answersOf = (root: string) =>
      Effect.map(Cleanup.sweep(root), ({ outcomes }) =>
        outcomes.map(({ action, name, reason, verdict }) => `${name}: ${action} ${verdict} ${reason}`)
      )

    const owned = Effect.fnUntraced(function* (world: ProcessWorld<Programs>, root: string, name: string) {
      const pid = yield* world.spawn
      yield* files.file(`${root}/${name}/disk.img`, name)
      yield* Ownership.record(`${root}/${name}`, { pid })
      return pid
    })

    for (const [type, present, answer] of [
      ["smbfs", 1, "kept unknown machine-unknown"],
      ["smbfs", undefined, "kept unknown machine-unknown"],
      ["smbfs", 0, "removed dead pid-dead"],
      ["apfs", 1, "removed dead pid-dead"]
    ] as const) {
      it.live(`scenario 99: an exited owner on ${type}, where kern.hv_vmm_present is ${present}: ${answer}`, () =>
        Effect.gen(function* () {
          yield* shim.volume({ type })
          yield* shim.virtualMachine(present)
          const { exit, ...world } = makeWorld()
          const root = yield* files.scratch
          const swept = Effect.gen(function* () {
            const pid = yield* owned(world, root, "vm")
            yield* exit?.(pid) ?? Effect.die("nothing exits here")
            return yield* answersOf(root)
          })
          assert.deepStrictEqual(yield* Effect.provide(swept, Layer.fresh(Layer.merge(here, store))), [`vm: ${answer}`])
        })
      )
    }

    for (const name of [".vm-sentinel", ""]) {
      it.live(
        `an owner that lives isn't believed where an access list lets others write (${name || "directory"})`,
        () =>
          Effect.gen(function* () {
            const writeData = 1 << 2
            const root = yield* files.scratch
            yield* owned(makeWorld(), root, "vm")
            assert.deepStrictEqual(yield* answersOf(root), ["vm: kept alive matches"])
            yield* shim.accessList(Path.join(root, "vm", name), "allow", writeData)
            assert.deepStrictEqual(yield* answersOf(root), ["vm: kept unknown untrusted-sentinel"])
          }).pipe(Effect.provide(Layer.merge(here, store)))
      )
    }

    it.live("scenario 78: a copy of a dead owner's directory is kept, also one of a whole volume", () =>
      Effect.gen(function* () {
        const { exit, ...world } = makeWorld()
        const [root, other] = [yield* files.scratch, yield* files.scratch]
        const pid = yield* owned(world, root, "vm")
        Fs.cpSync(`${root}/vm`, `${root}/copy`, { recursive: true })
        Fs.cpSync(`${root}/vm`, `${other}/vm`, { recursive: true })
        assert.sameMembers(yield* answersOf(root), ["vm: kept alive matches", "copy: kept alive matches"])
        yield* exit?.(pid) ?? Effect.die("nothing exits here")
        assert.deepStrictEqual(yield* answersOf(other), ["vm: kept unknown other-directory"])
        assert.sameMembers(yield* answersOf(root), ["vm: removed dead pid-dead", "copy: kept unknown other-directory"])
      }).pipe(Effect.provide(Layer.merge(here, store)))
    )
  })
}
