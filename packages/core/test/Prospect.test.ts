import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as Cleanup from "../src/Cleanup.ts"
import * as Ground from "../src/Ground.ts"
import * as Ownership from "../src/Ownership.ts"
import { PidNamespaces } from "../src/PidNamespaces.ts"
import * as Prospect from "../src/Prospect.ts"
import { SentinelStore } from "../src/SentinelStore.ts"
import { FakeProcessTable } from "../src/testing/FakeProcessTable.ts"
import { MemoryDisk } from "../src/testing/MemoryDisk.ts"
import * as Simulation from "../src/testing/Simulation.ts"

const root = "/srv/vms"

/** The predicted `VERDICT, REASON` of each case. */
const foresee = Effect.fnUntraced(function* (options: Cleanup.JudgeOptions = {}) {
  const store = yield* SentinelStore
  const opened = yield* store.openRoot(root)
  const lock = yield* Effect.scoped(Effect.result(store.lock(root)))
  const ground = yield* Ground.of(opened)
  const prospects = yield* Prospect.foresee(opened, ground, Result.getOrUndefined(lock), options)
  return Object.fromEntries(prospects.map((each) => [each.case, `${each.verdict}, ${each.reason}`]))
})

const blindly = Effect.provideService(PidNamespaces, {
  prove: () => Effect.succeed({ _tag: "Incomplete", why: "it is dark" })
})

/** Makes ended owners of every case, in a container and outside, and returns what a sweep reports about each. */
const sweep = Effect.fnUntraced(function* (options: Cleanup.SweepOptions = {}) {
  yield* Simulation.crashed(`${root}/crashed`)
  yield* Simulation.crashed(`${root}/v1`, { format: "v1" })
  for (const name of ["crashed-held", "restarted-held", "restarted"]) {
    yield* Simulation.seed({ [`${root}/${name}/disk`]: "disk" })
  }
  const holder = yield* Simulation.actor()
  const [contained, other] = [
    yield* Simulation.actor().pipe(Simulation.inContainer("pid:[77]")),
    yield* Simulation.actor().pipe(Simulation.inContainer("pid:[77]"))
  ]
  const canLock = yield* Effect.isSuccess(Effect.scoped(SentinelStore.use((store) => store.lock(`${root}/crashed`))))
  if (canLock) {
    yield* Simulation.hold(holder, `${root}/crashed-held`)
    yield* Simulation.hold(contained, `${root}/restarted-held`)
  }
  yield* other.run(Ownership.record(`${root}/restarted`))
  for (const actor of [holder, contained, other]) yield* actor.kill
  yield* FakeProcessTable.use((table) => table.endPidNamespace("pid:[77]"))
  const { outcomes } = yield* Cleanup.sweep(root, { ...options, dryRun: true })
  return Object.fromEntries(
    outcomes.flatMap(({ name, reason, verdict }) => (verdict === "none" ? [] : [[name, `${verdict}, ${reason}`]]))
  )
})

interface Row {
  readonly title: string
  readonly machine?: Simulation.Options
  readonly arrange?: Effect.Effect<unknown, unknown, Simulation.Services>
  readonly options?: Cleanup.JudgeOptions
  /** No search can look into other PID namespaces. */
  readonly isBlind?: true
  readonly says: Readonly<Record<string, string>>
}

const dead = {
  crashed: "dead, pid-dead",
  "crashed-held": "dead, pid-dead",
  rebooted: "dead, rebooted",
  restarted: "dead, process-gone",
  "restarted-held": "dead, process-gone",
  v1: "dead, pid-dead"
}

const blind = {
  ...dead,
  restarted: "unknown, other-pid-namespace",
  "restarted-held": "dead, lock-free"
}

const shared = {
  crashed: "unknown, machine-unknown",
  "crashed-held": "unknown, machine-unknown",
  rebooted: "unknown, machine-unknown",
  restarted: "unknown, machine-unknown",
  "restarted-held": "unknown, machine-unknown",
  v1: "unknown, not-local"
}

const vm: Simulation.Options = { fileSystem: "nfs4", table: { virtualMachine: true } }

const rows: ReadonlyArray<Row> = [
  { title: "a host, a file system of one kernel's", says: dead },
  {
    title: "no native code: searches go by PID namespaces",
    machine: { table: { processIds: false } },
    says: { ...dead, restarted: "dead, namespace-gone", "restarted-held": "dead, namespace-gone" }
  },
  { title: "a reader that can't search", isBlind: true, says: blind },
  {
    title: "no locks",
    machine: { locks: false },
    isBlind: true,
    says: {
      crashed: dead.crashed,
      rebooted: dead.rebooted,
      restarted: "unknown, other-pid-namespace",
      v1: dead.v1
    }
  },
  {
    title: "a covered boot id",
    arrange: FakeProcessTable.use((table) => table.coverBootId({})),
    says: { ...dead, rebooted: "dead, pid-dead" }
  },
  { title: "an overlay", machine: { fileSystem: "overlay" }, says: { ...dead, rebooted: "dead, rebooted" } },
  { title: "a shared file system in a virtual machine", machine: vm, says: shared },
  {
    title: "the same, trusted",
    machine: vm,
    options: { shared: "trust" },
    says: { ...dead, v1: "unknown, not-local" }
  },
  {
    title: "v1 records that aren't trusted",
    options: { legacy: "keep" },
    says: { ...dead, v1: "unknown, legacy-kept" }
  }
]

describe("what is foreseen for owners that have ended", () => {
  for (const { arrange = Effect.void, isBlind = false, machine = {}, options, says, title } of rows) {
    it.effect(`${title}: a sweep says the same`, () =>
      Effect.gen(function* () {
        yield* Simulation.seed({ [`${root}/none/disk`]: "disk" })
        yield* arrange
        const both = Effect.all([foresee(options), sweep(options)])
        const [foreseen, swept] = yield* isBlind ? blindly(both) : both
        assert.deepStrictEqual(foreseen, says)
        const { rebooted: _, ...asked } = says
        assert.deepStrictEqual(swept, asked)
      }).pipe(Effect.provide(Simulation.layerWith(machine)))
    )
  }

  it.effect("an owner of an earlier boot is judged as foreseen once the machine has booted again", () =>
    Effect.gen(function* () {
      yield* Simulation.crashed(`${root}/rebooted`)
      yield* FakeProcessTable.use((table) => table.reboot())
      const [outcome] = (yield* Cleanup.sweep(root, { dryRun: true })).outcomes
      assert.strictEqual(`${outcome?.verdict}, ${outcome?.reason}`, (yield* foresee())["rebooted"])
    }).pipe(Effect.provide(Simulation.layer))
  )

  it.effect(
    "nothing is written, and a lock that somebody holds on the root itself says nothing about its directories",
    () =>
      Effect.gen(function* () {
        yield* Simulation.seed({ [`${root}/vm/disk`]: "disk" })
        const memory = yield* MemoryDisk
        const holder = yield* Simulation.actor()
        yield* Simulation.hold(holder, root)
        const before = yield* memory.snapshot()
        assert.deepStrictEqual(yield* foresee(), dead)
        assert.deepStrictEqual(yield* memory.snapshot(), before)
      }).pipe(Effect.provide(Simulation.layer))
  )
})

describe("what the kernel tells about processes that don't exist", () => {
  it.effect("a reader on the host is told that they are gone", () =>
    Effect.gen(function* () {
      const { absent, byId, byNamespace } = yield* Prospect.sight
      assert.strictEqual(absent._tag, "Absent")
      assert.deepStrictEqual(byId, { _tag: "Gone", by: "processId64" })
      assert.deepStrictEqual(byNamespace, { _tag: "Gone", by: "namespace" })
    }).pipe(Effect.provide(Simulation.layer))
  )

  it.effect("a reader that can't search is told why", () =>
    Effect.gen(function* () {
      const { byId, byNamespace } = yield* blindly(Prospect.sight)
      for (const proof of [byId, byNamespace]) assert.deepStrictEqual(proof, { _tag: "Incomplete", why: "it is dark" })
    }).pipe(Effect.provide(Simulation.layer))
  )
})
