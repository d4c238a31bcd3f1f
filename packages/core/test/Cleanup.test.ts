import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Context,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  References,
  Result,
  Schema,
  type Scope,
  Stream
} from "effect"
import { TestClock } from "effect/testing"
import * as Cleanup from "../src/Cleanup.ts"
import { Disk } from "../src/Disk.ts"
import * as Outcome from "../src/Outcome.ts"
import * as Ownership from "../src/Ownership.ts"
import { PidNamespaces } from "../src/PidNamespaces.ts"
import type { Pid } from "../src/ProcessIdentity.ts"
import { ProcessInspector } from "../src/ProcessInspector.ts"
import { type Reason, reasons } from "../src/Reason.ts"
import { layer as storeLayer, SentinelStore } from "../src/SentinelStore.ts"
import { FakeProcessTable } from "../src/testing/FakeProcessTable.ts"
import { type Call, MemoryDisk } from "../src/testing/MemoryDisk.ts"
import * as Simulation from "../src/testing/Simulation.ts"
import { fresh, textOf } from "./support/condemning.ts"
import * as Races from "./support/Races.ts"
import { refusal } from "./support/reaping.ts"

const root = "/srv/vms"
const vm = `${root}/vm`
const sentinel = `${vm}/.vm-sentinel`

type Arrange = Effect.Effect<unknown, unknown, Simulation.Services | Scope.Scope>

const onStage = (options: Simulation.Options = {}) => Layer.merge(Simulation.layerWith(options), Logger.layer([]))

const stageTest = (
  title: string,
  test: () => Effect.Effect<void, unknown, Simulation.Services | Scope.Scope>,
  options?: Simulation.Options
): void => {
  it.effect(title, () => Effect.provide(test(), onStage(options)))
}

const names = Simulation.names(root)

const tag = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), ({ _tag }) => _tag)

const said = ({ outcomes }: Cleanup.Report) =>
  Object.fromEntries(outcomes.map(({ action, name, reason, verdict }) => [name, `${action} ${verdict} ${reason}`]))

/** Starts an owner of the VM, which then meets a fate. */
const owner = (
  become: (table: FakeProcessTable["Service"], pid: Pid) => Effect.Effect<unknown, unknown, FakeProcessTable>,
  options?: Ownership.RecordOptions
) =>
  Effect.gen(function* () {
    const pid = yield* Simulation.owned(vm, options)
    yield* become(yield* FakeProcessTable, pid)
  })

/** Gives the owner's PID to another process, one minute later. */
const recycledBy =
  (exe: string) =>
  (_: FakeProcessTable["Service"], pid: Pid): Effect.Effect<unknown, unknown, FakeProcessTable> =>
    Effect.andThen(TestClock.adjust("1 minute"), Simulation.recycle(pid, { exe }))

/** Runs `own` as an owner in another PID namespace than the sweep's. */
const contained = (
  own: (container: Simulation.Actor) => Effect.Effect<unknown, unknown, Simulation.Services | Scope.Scope>
): Arrange =>
  Effect.gen(function* () {
    yield* Simulation.seed({ [`${vm}/disk`]: "disk" })
    yield* own(yield* Simulation.actor().pipe(Simulation.inContainer("pid:[77]")))
  })

const before = (matches: string, act: (memory: MemoryDisk["Service"]) => Effect.Effect<unknown>): Arrange =>
  Effect.gen(function* () {
    yield* Simulation.crashed(vm)
    const memory = yield* MemoryDisk
    yield* memory.before(({ path, to }) => (to ?? path).endsWith(matches), act(memory))
  })

const beside = (path: string, content: Parameters<typeof Simulation.seed>[0][string]): Arrange =>
  Effect.andThen(Simulation.crashed(vm), Simulation.seed({ [`${vm}/${path}`]: content }))

interface Row {
  readonly says: `${Outcome.Outcome["action"]} ${Outcome.Outcome["verdict"]} ${Reason}`
  readonly arrange: Arrange
  readonly options?: Cleanup.SweepOptions
  readonly stage?: Simulation.Options
  /** No search can look into other PID namespaces. */
  readonly isBlind?: true
  /** The error that the outcome carries. */
  readonly error?: string
}

const nobodyKnows = { prove: () => Effect.succeed({ _tag: "Incomplete" } as const) }

const rows: ReadonlyArray<Row> = [
  { says: "kept alive matches", arrange: owner(() => Effect.void) },
  {
    says: "kept alive matches",
    arrange: contained((container) => container.run(Ownership.record(vm)))
  },
  { says: "kept alive pid-alive", arrange: owner(() => Effect.void, { format: "v1" }) },
  {
    says: "kept alive lock-held",
    isBlind: true,
    arrange: contained((container) => Simulation.hold(container, vm))
  },
  { says: "removed dead rebooted", arrange: owner((table) => table.reboot()) },
  { says: "removed dead pid-dead", arrange: owner((table, pid) => table.exit(pid)) },
  {
    says: "removed dead not-a-process",
    stage: { table: { pidMax: 8 } },
    arrange: owner((table, pid) =>
      Effect.gen(function* () {
        yield* table.exit(pid)
        const other = yield* table.spawn()
        let thread = other
        while (thread !== pid) thread = yield* table.addThread(other)
      })
    )
  },
  { says: "removed dead zombie", arrange: owner((table, pid) => table.zombie(pid)) },
  { says: "removed dead identity-mismatch", arrange: owner(recycledBy("/usr/bin/vmm")) },
  {
    says: "removed dead start-time-mismatch",
    stage: { table: { processIds: false } },
    arrange: owner(recycledBy("/usr/bin/vmm"))
  },
  { says: "removed dead exe-mismatch", arrange: owner(recycledBy("/usr/bin/other"), { format: "v2" }) },
  {
    says: "removed dead lock-free",
    isBlind: true,
    arrange: contained((container) => Effect.andThen(Simulation.hold(container, vm), container.kill))
  },
  {
    says: "removed dead namespace-gone",
    stage: { table: { processIds: false } },
    arrange: Effect.gen(function* () {
      yield* contained((container) => container.run(Ownership.record(vm)))
      yield* FakeProcessTable.use(({ endPidNamespace }) => endPidNamespace("pid:[77]"))
    })
  },
  {
    says: "removed dead process-gone",
    arrange: contained((container) => Effect.andThen(container.run(Ownership.record(vm)), container.kill))
  },
  {
    says: "removed dead assumed-dead",
    arrange: owner((table, pid) => table.hide(pid)),
    options: { assumeDead: "the host was reinstalled" }
  },
  {
    says: "removed dead resumed",
    arrange: Simulation.seed({ [`${root}/.vm-sentinel-reap.0/dead/vm/disk`]: "half" })
  },
  { says: "kept unknown other-machine", arrange: owner((table) => table.otherMachine) },
  {
    says: "kept unknown boot-unknown",
    isBlind: true,
    arrange: Effect.andThen(
      contained((container) => container.run(Ownership.record(vm))),
      FakeProcessTable.use(({ mask }) => mask("bootId"))
    )
  },
  {
    says: "kept unknown other-directory",
    arrange: Effect.gen(function* () {
      yield* Simulation.crashed("/srv/original")
      yield* MemoryDisk.use(({ copy }) => copy("/srv/original", vm))
    })
  },
  {
    says: "kept unknown machine-unknown",
    stage: { fileSystem: "nfs4", table: { virtualMachine: true } },
    arrange: owner((table, pid) => table.exit(pid))
  },
  {
    says: "kept unknown lock-unknown",
    arrange: Effect.gen(function* () {
      yield* Simulation.seed({ [`${vm}/disk`]: "disk" })
      const holder = yield* Simulation.actor()
      yield* Simulation.hold(holder, vm)
      yield* holder.kill
      for (let time = 0; time < 8; time += 1) yield* MemoryDisk.use(({ failNext }) => failNext("flock", "ENOLCK"))
    })
  },
  {
    says: "kept dead owner-inside",
    arrange: Effect.andThen(Simulation.crashed(vm), Simulation.owned(`${vm}/group/inner`))
  },
  {
    says: "kept unknown other-pid-namespace",
    isBlind: true,
    arrange: contained((container) => container.run(Ownership.record(vm)))
  },
  { says: "kept unknown permission-denied", arrange: owner((table, pid) => table.hide(pid)) },
  { says: "kept unknown not-comparable", arrange: owner((table) => table.mask("processId64", "startTime")) },
  {
    says: "kept unknown exe-changed",
    arrange: owner((table, pid) => table.renameExe(pid, "/usr/bin/vmm.old"), { format: "v2" })
  },
  { says: "kept unknown no-procfs", arrange: owner((table, pid) => table.fail(pid, "no-procfs")) },
  { says: "kept unknown inspection-failed", arrange: owner((table) => table.fail("all", "resources")) },
  {
    says: "kept unknown legacy-kept",
    arrange: owner((table, pid) => table.exit(pid), { format: "v1" }),
    options: { legacy: "keep" }
  },
  {
    says: "kept unknown not-local",
    arrange: owner((table, pid) => table.exit(pid), { format: "v2" }),
    stage: { fileSystem: "nfs4" }
  },
  {
    says: "kept unknown oversized-sentinel",
    arrange: Simulation.seed({ [sentinel]: { type: "file", size: 5 * 1024 ** 3 } }),
    error: "OversizedSentinel"
  },
  { says: "kept unknown malformed-sentinel", arrange: Simulation.seed({ [sentinel]: "" }), error: "MalformedSentinel" },
  {
    says: "kept unknown untrusted-sentinel",
    arrange: Simulation.seed({ [sentinel]: { type: "fifo" } }),
    error: "UntrustedSentinel"
  },
  {
    says: "kept unknown unsupported-version",
    arrange: Simulation.seed({ [sentinel]: '17\n\n{"v":4}\n' }),
    error: "UnsupportedVersion"
  },
  {
    says: "kept unknown unreadable",
    arrange: Simulation.seed({ [sentinel]: { type: "file", content: "17", mode: 0 } }),
    error: "PermissionDenied"
  },
  {
    says: "kept unknown unreadable",
    arrange: Simulation.seed({ [vm]: { type: "directory", mode: 0 } }),
    error: "PermissionDenied"
  },
  {
    says: "failed dead pid-dead",
    arrange: Effect.andThen(
      beside("sub/file", "x"),
      Simulation.seed({ [`${vm}/sub`]: { type: "directory", mode: 0o755, uid: 0 } })
    ),
    error: "PermissionDenied"
  },
  { says: "kept unknown other-owner", arrange: beside(".bbox-sentinel", "17\n/usr/bin/bbox") },
  { says: "kept unknown other-owner", arrange: beside("data/go-microvm-state.json", "{}") },
  { says: "kept none no-sentinel", arrange: Simulation.seed({ [`${vm}/disk`]: "disk" }) },
  { says: "kept none skipped", arrange: Simulation.crashed(vm), options: { skip: (name) => name === "vm" } },
  {
    says: "kept dead mount-inside",
    arrange: Effect.gen(function* () {
      yield* Simulation.crashed(vm)
      yield* Simulation.seed({ "/srv/source/file": "source", [`${vm}/mnt`]: { type: "directory" } })
      yield* MemoryDisk.use(({ mount }) => mount(`${vm}/mnt`, { source: "/srv/source" }))
    }),
    error: "MountInside"
  },
  {
    says: "kept dead mount-inside",
    arrange: Effect.gen(function* () {
      yield* Simulation.crashed(vm)
      yield* Simulation.seed({ [`${vm}/a/mnt`]: { type: "directory" } })
      yield* MemoryDisk.use(({ mount }) => mount(`${vm}/a/mnt`, { fileSystem: "fuse", hangs: true }))
    }),
    options: { sizes: true },
    error: "MountInside"
  },
  {
    says: "kept dead mount-inside",
    arrange: Effect.gen(function* () {
      yield* Simulation.crashed(vm)
      yield* Simulation.seed({ [`${vm}/data`]: { type: "directory" } })
      yield* MemoryDisk.use(({ mount }) => mount(`${vm}/data`, { fileSystem: "fuse", hangs: true }))
    }),
    error: "MountInside"
  },
  {
    says: "kept unknown mount-inside",
    arrange: Effect.gen(function* () {
      yield* Simulation.crashed(vm)
      yield* MemoryDisk.use(({ mount }) => mount(vm, { fileSystem: "fuse", hangs: true }))
    }),
    options: { sizes: true },
    error: "MountInside"
  },
  { says: "kept none no-sentinel", arrange: Simulation.seed({ [vm]: { type: "directory", mode: 0o700, uid: 0 } }) },
  { says: "kept none taken", arrange: before("claimed/vm", ({ move }) => move(vm, "/srv/elsewhere")) },
  {
    says: "kept dead taken",
    arrange: Effect.andThen(
      before("claimed/vm", ({ move }) => move(vm, "/srv/elsewhere")),
      Simulation.seed({ [`${vm}/data`]: { type: "directory" } })
    )
  },
  {
    says: "kept unknown changed",
    arrange: Effect.andThen(
      before("claimed/vm", ({ seed }) => seed({ [sentinel]: textOf(fresh()) })),
      Simulation.seed({ [`${vm}/data`]: { type: "directory" } })
    )
  },
  {
    says: "failed unknown name-taken",
    arrange: Effect.gen(function* () {
      const memory = yield* MemoryDisk
      yield* Simulation.crashed(vm)
      const isClaimed = (path: string) => path.endsWith("claimed/vm")
      const meanwhile = Effect.gen(function* () {
        const claimed = Object.keys(yield* memory.snapshot(root)).find(isClaimed)
        yield* memory.seed({ [`${claimed}/.vm-sentinel`]: textOf(fresh()), [`${vm}/new`]: "new" })
      })
      yield* memory.before(({ operation, path }) => operation === "readdir" && isClaimed(path), meanwhile)
    }),
    error: "NameTaken"
  }
]

/** Whether a dry run can predict the outcome. It can't predict a race, a single failure or what a removal meets. */
const isForeseeable = (says: string): boolean =>
  !says.startsWith("failed") &&
  !["taken", "changed", "lock-unknown", "mount-inside"].some((reason) => says.endsWith(reason))

describe("Cleanup.sweep: every outcome", () => {
  for (const { arrange, error, isBlind, options, says, stage } of rows) {
    stageTest(
      `${says}${error === undefined ? "" : `, with ${error}`}`,
      () =>
        Effect.gen(function* () {
          yield* Simulation.seed({ [`${root}/neighbour/file`]: "not ours" })
          yield* arrange
          const seeing = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
            isBlind === true ? Effect.provideService(effect, PidNamespaces, nobodyKnows) : effect
          if (isForeseeable(says)) {
            const foretold = yield* seeing(Cleanup.sweep(root, { ...options, dryRun: true }))
            assert.strictEqual(said(foretold)["vm"], says.replace("removed", "would-remove"))
          }
          if (isForeseeable(says) && error === undefined && options?.skip === undefined) {
            const { reason, verdict } = yield* seeing(Cleanup.judge(vm, options))
            assert.strictEqual(`${verdict} ${reason}`, says.slice(says.indexOf(" ") + 1))
          }
          const report = yield* seeing(Cleanup.sweep(root, options))
          assert.deepStrictEqual(said(report), { neighbour: "kept none no-sentinel", vm: says })
          const outcome = report.outcomes.find(({ name }) => name === "vm")
          assert.strictEqual(outcome?.path, vm)
          assert.strictEqual(outcome?.error?._tag, error)
          yield* Schema.decodeUnknownEffect(Outcome.Line)(
            yield* Schema.encodeEffect(Outcome.Line)(outcome ?? report.summary)
          )
          const left = yield* names
          const isGone = says.startsWith("removed") || says.endsWith(" taken") || says === "failed dead pid-dead"
          assert.strictEqual(left.includes("vm"), !isGone)
          assert.strictEqual(left.length, (isGone ? 1 : 2) + (says.startsWith("failed") ? 1 : 0), left.join(" "))
        }),
      stage
    )
  }

  it("the table above has every reason there is", () => {
    // `abandoned` is a reason to adopt a workspace, never the reason of an outcome.
    const { alive, dead, kept, none, unknown } = reasons
    const all = [...alive, ...dead, ...unknown, ...none, ...kept].filter((reason) => reason !== "abandoned")
    const covered = new Set(rows.map(({ says }) => says.split(" ")[2]))
    assert.sameMembers([...covered], all)
  })
})

describe("Cleanup.sweep", () => {
  /** Directories of each kind: alive, dead, unknown, without a sentinel, and a leftover of a killed sweep. */
  const some = Effect.gen(function* () {
    yield* Simulation.owned(`${root}/alive`)
    yield* Simulation.crashed(`${root}/dead`)
    yield* Simulation.seed({
      [`${root}/broken/.vm-sentinel`]: "",
      [`${root}/none/file`]: "x",
      [`${root}/file`]: "x",
      [`${root}/.vm-sentinel-reap.0/dead/half/disk`]: "half",
      [`${root}/.vm-sentinel-reap.0/claimed/back/.vm-sentinel`]: "",
      [`${root}/.vm-sentinel-reap.00000000.dead=marked/disk`]: "half",
      [`${root}/.vm-sentinel-reap.1.new/claimed`]: { type: "directory", modifiedAt: -3_600_000 }
    })
    yield* Simulation.crashed(`${root}/gone`)
    yield* MemoryDisk.use(({ move }) => move(`${root}/gone`, `${root}/.vm-sentinel-reap.0/claimed/gone`))
  })

  const expected = (removed: string) => ({
    alive: "kept alive matches",
    back: "kept unknown malformed-sentinel",
    broken: "kept unknown malformed-sentinel",
    dead: `${removed} dead pid-dead`,
    gone: `${removed} dead pid-dead`,
    half: `${removed} dead resumed`,
    marked: `${removed} dead resumed`,
    none: "kept none no-sentinel"
  })

  stageTest("keeps a directory whose owner lives, though its name is that of an unfinished one", () =>
    Effect.gen(function* () {
      yield* Simulation.owned(`${root}/alive`)
      yield* MemoryDisk.use(({ move }) => move(`${root}/alive`, `${root}/.vm-sentinel-reap.1.new`))
      const before = yield* MemoryDisk.use(({ snapshot }) => snapshot(root))
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(said(yield* Cleanup.sweep(root)), {})
      assert.deepStrictEqual(yield* MemoryDisk.use(({ snapshot }) => snapshot(root)), before)
    })
  )

  stageTest("keeps a home directory that has a sentinel", () =>
    Effect.gen(function* () {
      yield* Simulation.crashed(vm)
      const disk = yield* Disk
      const { id } = yield* disk.lstat(vm)
      const ofUser = { ...disk, principal: Effect.map(disk.principal, (user) => ({ ...user, homeIds: [id] })) }
      const store = yield* SentinelStore.pipe(
        Effect.provide(Layer.provide(Layer.fresh(storeLayer), Layer.succeed(Disk, ofUser)))
      )
      const report = yield* Effect.provideService(Cleanup.sweep(root), SentinelStore, store)
      assert.deepStrictEqual(said(report), { vm: "kept unknown untrusted-sentinel" })
      const word = { assumeDead: "nobody lives there" }
      const told = yield* Effect.provideService(Cleanup.sweep(root, word), SentinelStore, store)
      assert.deepStrictEqual(said(told), { vm: "kept unknown untrusted-sentinel" })
      assert.deepStrictEqual(yield* names, ["vm"])
      // Its user may own it all the same.
      yield* Effect.provideService(Ownership.record(vm), SentinelStore, store)
    })
  )

  stageTest("removes an unfinished directory whose sentinel has a name of its own, if it reads that name", () =>
    Effect.gen(function* () {
      const sentinelName = ".mine"
      yield* Simulation.crashed(`${root}/vm`, { sentinelName })
      yield* MemoryDisk.use(({ move }) => move(`${root}/vm`, `${root}/.vm-sentinel-reap.1.new`))
      yield* TestClock.adjust("2 minutes")
      yield* Cleanup.sweep(root)
      assert.lengthOf(yield* names, 1)
      yield* Cleanup.sweep(root, { sentinelNames: [sentinelName] })
      assert.deepStrictEqual(yield* names, [])
    })
  )

  stageTest("removes what is dead, takes up what was left, and keeps the rest as it was", () =>
    Effect.gen(function* () {
      yield* some
      const memory = yield* MemoryDisk
      const earlier = yield* memory.snapshot(root)
      yield* TestClock.adjust("2 minutes")
      const report = yield* Cleanup.sweep(root)
      assert.deepStrictEqual(said(report), expected("removed"))
      assert.deepInclude(report.summary, {
        root,
        dryRun: false,
        scanned: 8,
        removed: 4,
        kept: 4,
        failed: 0,
        unknown: 2
      })
      const later = yield* memory.snapshot(root)
      const kept = Object.keys(earlier).filter((path) => /\/(alive|broken|none|file)(\/|$)/.test(path))
      assert.sameMembers(Object.keys(later), [root, ...kept, `${root}/back`, `${root}/back/.vm-sentinel`])
      for (const path of kept) assert.deepStrictEqual(later[path], earlier[path])
    })
  )

  stageTest("scenario 57: a dry run says the same and changes nothing", () =>
    Effect.gen(function* () {
      yield* some
      const memory = yield* MemoryDisk
      const earlier = yield* memory.snapshot()
      yield* memory.clearCalls
      const report = yield* Cleanup.sweep(root, { dryRun: true, sizes: true })
      assert.deepStrictEqual(said(report), expected("would-remove"))
      assert.deepInclude(report.summary, { dryRun: true, removed: 4, kept: 4 })
      assert.deepStrictEqual(yield* Races.mutations(memory), [])
      assert.deepStrictEqual(yield* memory.snapshot(), earlier)
    })
  )

  stageTest("writes nothing to a root where all live", () =>
    Effect.gen(function* () {
      for (const name of ["a", "b", "c"]) yield* Simulation.owned(`${root}/${name}`)
      const memory = yield* MemoryDisk
      yield* memory.clearCalls
      const { summary } = yield* Cleanup.sweep(root)
      assert.deepInclude(summary, { scanned: 3, kept: 3, removed: 0 })
      assert.deepStrictEqual(yield* Races.mutations(memory), [])
    })
  )

  stageTest("makes one workspace for all, and leaves none", () =>
    Effect.gen(function* () {
      for (let index = 0; index < 40; index += 1) yield* Simulation.crashed(`${root}/${index}`)
      const memory = yield* MemoryDisk
      yield* memory.clearCalls
      const { summary } = yield* Cleanup.sweep(root, { concurrency: 40 })
      assert.deepInclude(summary, { scanned: 40, removed: 40 })
      const made = (yield* memory.calls).filter(({ operation }) => operation === "mkdir")
      assert.strictEqual(made.length, 3)
      assert.deepStrictEqual(yield* names, [])
    })
  )

  stageTest("scenario 49: refuses `/`, homes and nothing at all before any I/O", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      yield* memory.setPrincipal({ homes: ["/home/me"] })
      for (const path of ["/", "", "/home/me", "/home/me/", "/srv/.."]) {
        assert.strictEqual(yield* tag(Cleanup.sweep(path)), "RefusedRoot", path)
      }
      for (const path of ["/", "", "/vm", "/home/me/vm"]) {
        assert.strictEqual(yield* tag(Cleanup.reclaim(path)), "RefusedRoot", path)
      }
      assert.deepStrictEqual(yield* memory.calls, [])
    })
  )

  stageTest("fails for a root that is missing, unreadable, or none", () =>
    Effect.gen(function* () {
      yield* Simulation.seed({
        "/srv/closed": { type: "directory", mode: 0 },
        "/srv/file": "x",
        "/srv/link": { type: "symlink", target: root },
        "/srv/theirs": { type: "directory", uid: 7, mode: 0o755 }
      })
      assert.strictEqual(yield* tag(Cleanup.sweep("/srv/missing")), "NotFound")
      assert.strictEqual(yield* tag(Cleanup.sweep("/srv/closed")), "PermissionDenied")
      for (const entry of ["file", "link", "theirs"]) {
        assert.strictEqual(yield* tag(Cleanup.sweep(`/srv/${entry}`)), "RefusedRoot", entry)
      }
    })
  )

  for (const [states, says] of [
    [["dead", "dead", "dead"], "removed dead pid-dead"],
    [["dead", "alive", "dead"], "kept alive matches"],
    [["alive", "dead", "dead"], "kept alive matches"],
    [["dead", "hidden", "dead"], "kept unknown permission-denied"],
    [["hidden", "dead", "alive"], "kept alive matches"],
    [["dead", "broken", "dead"], "kept unknown malformed-sentinel"],
    [["broken", "dead", "alive"], "kept alive matches"]
  ] as const) {
    stageTest(`several sentinels, ${states.join(", ")}: ${says}`, () =>
      Effect.gen(function* () {
        const table = yield* FakeProcessTable
        for (const [index, role] of ["owner", "helper", "runner"].entries()) {
          const pid = yield* Simulation.owned(vm, { role })
          if (states[index] === "dead") yield* table.exit(pid)
          if (states[index] === "hidden") yield* table.hide(pid)
          const path = role === "owner" ? sentinel : `${sentinel}.${role}`
          if (states[index] === "broken") yield* Simulation.seed({ [path]: "broken" })
        }
        assert.deepStrictEqual(said(yield* Cleanup.sweep(root)), { vm: says })
      })
    )
  }

  stageTest("reads the sentinel names that it is told, and knows the others", () =>
    Effect.gen(function* () {
      yield* Simulation.crashed(`${root}/bbox`, { sentinelName: ".bbox-sentinel" })
      yield* Simulation.crashed(`${root}/own`, { sentinelName: "owner.pid" })
      yield* Simulation.crashed(`${root}/both`, { sentinelName: ".bbox-sentinel" })
      yield* Simulation.crashed(`${root}/both`)
      assert.deepStrictEqual(said(yield* Cleanup.sweep(root, { sentinelNames: ["owner.pid"], dryRun: true })), {
        bbox: "kept unknown other-owner",
        both: "kept unknown other-owner",
        own: "would-remove dead pid-dead"
      })
      assert.deepStrictEqual(said(yield* Cleanup.sweep(root)), {
        bbox: "kept unknown other-owner",
        both: "kept unknown other-owner",
        own: "kept none no-sentinel"
      })
      const all = { sentinelNames: [".vm-sentinel", ".bbox-sentinel", "owner.pid"] }
      assert.strictEqual((yield* Cleanup.sweep(root, all)).summary.removed, 3)
      assert.deepStrictEqual(yield* names, [])
    })
  )

  stageTest("tells sizes where they are asked for, and only there", () =>
    Effect.gen(function* () {
      yield* Simulation.crashed(`${root}/dead`)
      yield* Simulation.owned(`${root}/alive`)
      yield* Simulation.seed({
        [`${root}/dead/disk`]: "x".repeat(40_000),
        [`${root}/alive/disk`]: "x".repeat(9000),
        [`${root}/.vm-sentinel-reap.0/dead/half/disk`]: "x".repeat(5000),
        [`${root}/.vm-sentinel-reap.0/claimed`]: { type: "directory" }
      })
      yield* Simulation.crashed(`${root}/claimed`)
      yield* MemoryDisk.use(({ move }) => move(`${root}/claimed`, `${root}/.vm-sentinel-reap.0/claimed/claimed`))
      const dry = yield* Cleanup.sweep(root, { dryRun: true })
      assert.isUndefined(dry.summary.bytesFreed)
      assert.isTrue(dry.outcomes.every(({ bytes }) => bytes === undefined))
      const sizes = { alive: 4096 * 5, claimed: 4096 * 3, dead: 4096 * 12, half: 4096 * 3 }
      for (const dryRun of [true, false]) {
        const { outcomes, summary } = yield* Cleanup.sweep(root, { dryRun, sizes: true })
        assert.deepStrictEqual(Object.fromEntries(outcomes.map(({ bytes, name }) => [name, bytes])), sizes)
        assert.strictEqual(summary.bytesFreed, sizes.claimed + sizes.dead + sizes.half)
        assert.strictEqual(summary.bytesKept, sizes.alive)
      }
    })
  )

  stageTest("leaves out a time that no calendar has, which anybody can give to a file that is theirs", () =>
    Effect.gen(function* () {
      yield* Simulation.owned(`${root}/alive`)
      yield* Simulation.crashed(`${root}/dead`)
      yield* owner(recycledBy("/usr/bin/other"), { format: "v2" })
      const memory = yield* MemoryDisk
      for (const modifiedAt of [2 ** 62, -(2 ** 62)]) {
        for (const name of ["alive", "dead", "vm"]) {
          yield* memory.setAttributes(`${root}/${name}/.vm-sentinel`, { modifiedAt })
        }
        const report = yield* Cleanup.sweep(root, { dryRun: true })
        assert.deepStrictEqual(said(report), {
          alive: "kept alive matches",
          dead: "would-remove dead pid-dead",
          // The test sets only mtime. ctime is the present time, so the process may be as old as the record.
          vm: "kept unknown exe-changed"
        })
        assert.deepStrictEqual(
          report.outcomes.filter(({ since }) => since !== undefined),
          []
        )
      }
    })
  )

  stageTest("says whose it was, since when, and what was compared", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2026, 0, 2, 3, 4, 5))
      const pid = yield* Simulation.crashed(vm)
      const [outcome] = (yield* Cleanup.sweep(root)).outcomes
      assert.deepInclude(outcome, { name: "vm", path: vm, pid, since: "2026-01-02T03:04:05.000Z" })
      assert.deepStrictEqual(outcome?.evidence["process"], {
        recorded: `${pid}`,
        observed: "absent",
        result: "different"
      })
      assert.deepInclude(outcome?.evidence["bootId"], { result: "equal" })
    })
  )

  stageTest("keeps the bytes of a name that isn't UTF-8", () =>
    Effect.gen(function* () {
      yield* Simulation.crashed(`${root}/a\uDCFF`)
      const [outcome] = (yield* Cleanup.sweep(root)).outcomes
      assert.deepInclude(outcome, { action: "removed", name: "a\uFFFD", nameBytes: btoa("a\xff") })
      assert.deepStrictEqual(yield* names, [])
    })
  )

  for (const errno of ["EIO", "EMFILE"]) {
    for (const operation of ["mkdir", "create", "link", "rename", "fsync"] as const) {
      stageTest(`scenario 91: one ${errno} (${operation}) while the workspace is made costs no directory`, () =>
        Effect.gen(function* () {
          for (const name of ["a", "b", "c", "d", "e"]) yield* Simulation.crashed(`${root}/${name}`)
          const sweeper = yield* Simulation.actor()
          yield* sweeper.memory.failNext(operation, errno)
          const { outcomes } = yield* sweeper.run(Cleanup.sweep(root))
          assert.deepStrictEqual(
            outcomes.map(({ action }) => action),
            ["removed", "removed", "removed", "removed", "removed"]
          )
          assert.deepStrictEqual(yield* names, [])
        })
      )
    }
  }

  const readAgain = (arrange: Effect.Effect<void, never, MemoryDisk>, expected: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const told = new Set<string>()
      for (let [at, isReached] = [1, true]; isReached; at++) {
        const sweeper = yield* Simulation.actor()
        yield* Simulation.crashed(`${root}/a`)
        yield* arrange
        isReached = false
        const fail = Effect.andThen(
          sweeper.memory.failNext("read", "EMFILE"),
          Effect.sync(() => (isReached = true))
        )
        yield* sweeper.memory.before(at, fail)
        const { outcomes } = yield* sweeper.run(Cleanup.sweep(root))
        for (const { action, error, reason } of outcomes) told.add(`${action}: ${reason}, ${error?._tag}`)
        yield* Cleanup.sweep(root)
      }
      assert.sameMembers([...told], ["removed: pid-dead, undefined", "kept: unreadable, StoreFailure", ...expected])
    })

  for (const [kind, arrange, expected] of [
    ["a plain directory", Effect.void, ["failed: pid-dead, StoreFailure"]],
    [
      "a directory with another one in it",
      Simulation.seed({ [`${root}/a/data`]: { type: "directory" } }),
      ["failed: pid-dead, StoreFailure"]
    ],
    [
      "a directory that can't be renamed",
      MemoryDisk.use(({ setAttributes }) => setAttributes(`${root}/a`, { isLower: true })),
      ["failed: pid-dead, StoreFailure"]
    ]
  ] as const) {
    stageTest(`scenario 91: in ${kind}, a sentinel that can't be read again isn't told as a change`, () =>
      readAgain(arrange, expected)
    )
  }

  stageTest(
    "scenario 86: a directory that can be neither renamed nor locked is left as it is, and told why",
    () =>
      Effect.gen(function* () {
        const memory = yield* MemoryDisk
        for (const name of ["a", "b"]) yield* Simulation.crashed(`${root}/${name}`)
        yield* memory.setAttributes(`${root}/a`, { isLower: true })
        const before = yield* memory.snapshot(`${root}/a`)
        const { outcomes, summary } = yield* Cleanup.sweep(root)
        const outcome = outcomes.find(({ name }) => name === "a")
        assert.deepInclude(outcome, { action: "failed", verdict: "dead", reason: "pid-dead" })
        assert.deepInclude(outcome?.error, { _tag: "Immovable", path: `${root}/a`, errno: "EXDEV" })
        assert.deepInclude(summary, { removed: 1, failed: 1 })
        assert.deepStrictEqual(yield* memory.snapshot(`${root}/a`), before)
        assert.deepStrictEqual(yield* names, ["a"])
      }),
    { locks: false }
  )

  stageTest("scenario 86: what can't be renamed is removed under its lock, whatever its record claims", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      yield* Simulation.crashed(vm, { format: "v1" })
      yield* memory.setAttributes(vm, { isLower: true })
      const { outcomes } = yield* Cleanup.sweep(root)
      assert.deepInclude(outcomes[0], { action: "removed" })
      assert.notProperty(outcomes[0], "unlocked")
      assert.deepStrictEqual(yield* names, [])
    })
  )

  stageTest("scenario 105: an owner that publishes right before the rmdir keeps what couldn't be renamed", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      yield* Simulation.crashed(vm)
      yield* memory.setAttributes(vm, { isLower: true })
      const { publish } = yield* SentinelStore
      const late = fresh()
      yield* memory.before(
        ({ operation, path }) => operation === "rmdir" && path === vm,
        Effect.orDie(publish(vm, late))
      )
      const { outcomes, summary } = yield* Cleanup.sweep(root)
      assert.strictEqual(outcomes.length, 1)
      assert.deepInclude(outcomes[0], { action: "failed", reason: "owner-inside" })
      assert.strictEqual(outcomes[0]?.evidence.below?.recorded, ".")
      assert.deepInclude(summary, { removed: 0, failed: 1 })
      assert.deepStrictEqual(yield* Simulation.paths(root), ["vm", "vm/.vm-sentinel"])
    })
  )

  for (const when of ["unlink", "rmdir"]) {
    stageTest(
      `scenario 108: an owner that publishes by its working directory right before an ${when} keeps its record`,
      () =>
        Effect.gen(function* () {
          const memory = yield* MemoryDisk
          yield* Simulation.crashed(vm)
          yield* Simulation.seed({ [`${vm}/disk`]: "" })
          let marked = ""
          const come = Effect.suspend(() => memory.seed({ [`${marked}/.vm-sentinel`]: textOf(fresh()) }))
          yield* memory.before(({ operation, path }) => {
            const [found] = /^.*\/dead\/[^/]*=vm(?=$|\/disk$)/.exec(path) ?? []
            marked = found ?? marked
            return operation === when && found !== undefined
          }, come)
          const { outcomes, summary } = yield* Cleanup.sweep(root)
          assert.strictEqual(outcomes.length, 1)
          assert.deepInclude(outcomes[0], { action: "failed", reason: "owner-inside" })
          assert.strictEqual(outcomes[0]?.evidence.below?.recorded, ".")
          assert.deepInclude(summary, { removed: 0, failed: 1 })
          assert.deepStrictEqual(yield* Simulation.paths(marked), [".vm-sentinel"])
        })
    )
  }

  for (const [title, held] of [
    ["scenario 69: the lock of a directory is asked for although its record claims none", vm],
    ["scenario 109: the lock of an inner directory is asked for although it has no sentinel", `${vm}/a/b`]
  ] as const) {
    stageTest(title, () =>
      Effect.gen(function* () {
        const other = yield* MemoryDisk.use(({ fork }) => fork)
        yield* Simulation.crashed(vm, { format: "v1" })
        yield* Simulation.seed({ [`${vm}/a/b/disk`]: "" })
        const lock = Disk.use((disk) => disk.lock(held, { mode: "shared", test: false }))
        yield* Effect.provideContext(lock, Context.merge(other, yield* Effect.context<Scope.Scope>()))
        yield* Races.ticking
        const { outcomes } = yield* Cleanup.sweep(root)
        assert.strictEqual(outcomes.length, 1)
        assert.notStrictEqual(outcomes[0]?.action, "removed")
        assert.strictEqual(outcomes[0]?.reason, held === vm ? "lock-held" : "owner-inside")
      })
    )
  }

  stageTest("goes on past a directory's own error, or ends with it", () =>
    Effect.gen(function* () {
      yield* Simulation.seed({
        [`${root}/a/.vm-sentinel`]: { type: "file", size: 5 * 1024 ** 3 },
        [`${root}/b`]: { type: "directory", mode: 0 }
      })
      yield* Simulation.crashed(`${root}/c`)
      const strict = (options: Cleanup.SweepOptions) =>
        Stream.runDrain(Stream.mapEffect(Cleanup.outcomes(root, options), Cleanup.failOnError))
      assert.strictEqual(yield* tag(strict({ concurrency: 1 })), "OversizedSentinel")
      assert.strictEqual(yield* tag(strict({ concurrency: 1, skip: (name) => name === "a" })), "PermissionDenied")
      assert.include(yield* names, "c")
      const { outcomes, summary } = yield* Cleanup.sweep(root)
      assert.deepInclude(summary, { removed: 1, kept: 2, unknown: 2 })
      assert.sameMembers(
        outcomes.map(({ error }) => error?._tag),
        ["OversizedSentinel", "PermissionDenied", undefined]
      )
    })
  )

  it.effect("logs each removal with its reason, and nothing else", () => {
    const logged: Array<unknown> = []
    const logger = Logger.make(({ fiber, logLevel, message }) => {
      const { path, pid, reason, verdict } = fiber.getRef(References.CurrentLogAnnotations)
      logged.push([logLevel, message, path, verdict, reason, pid])
    })
    return Effect.gen(function* () {
      const pid = yield* Simulation.crashed(`${root}/a`)
      yield* Simulation.owned(`${root}/b`)
      const claimed = yield* Simulation.crashed(`${root}/d`)
      yield* MemoryDisk.use(({ move }) => move(`${root}/d`, `${root}/.vm-sentinel-reap.0123abcd.claimed=d`))
      yield* Simulation.seed({ [`${root}/.vm-sentinel-reap.0/dead/c/disk`]: "half" })
      yield* Cleanup.sweep(root, { dryRun: true })
      assert.deepStrictEqual(logged, [])
      yield* Cleanup.sweep(root)
      assert.deepStrictEqual(logged, [
        ["Info", ["removed directory"], `${root}/d`, "dead", "pid-dead", claimed],
        ["Info", ["removed directory"], `${root}/c`, "dead", "resumed", undefined],
        ["Info", ["removed directory"], `${root}/a`, "dead", "pid-dead", pid]
      ])
    }).pipe(Effect.provide(Layer.merge(Simulation.layerWith({}), Logger.layer([logger]))))
  })

  stageTest("gives its outcomes as they come, and stops where nobody wants more", () =>
    Effect.gen(function* () {
      for (const name of ["a", "b", "c"]) yield* Simulation.crashed(`${root}/${name}`)
      const first = yield* Stream.runCollect(Stream.take(Cleanup.outcomes(root, { concurrency: 1 }), 1))
      assert.deepStrictEqual(
        first.map(({ action, name }) => `${action} ${name}`),
        ["removed a"]
      )
      assert.deepStrictEqual(yield* names, ["b", "c"])
    })
  )

  stageTest("scenario 52: an interrupted sweep leaves what the next one finishes", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      for (const name of ["a", "b", "c"]) yield* Simulation.crashed(`${root}/${name}`)
      const sweep = yield* Effect.forkChild(Cleanup.sweep(root, { concurrency: 1 }))
      const interrupt = Effect.andThen(
        Effect.sync(() => sweep.interruptUnsafe()),
        Effect.yieldNow
      )
      yield* memory.before(
        ({ operation, path }) => operation === "unlink" && Races.untagged(path).endsWith("/dead/b/disk"),
        interrupt
      )
      yield* Fiber.await(sweep)
      const left = yield* Simulation.paths(root)
      assert.sameMembers(
        left.map((path) => Races.untagged(path).replace(/reap\.[0-9a-f]+/, "reap")),
        [
          ".vm-sentinel-reap",
          ".vm-sentinel-reap/dead",
          ".vm-sentinel-reap/dead/b",
          ".vm-sentinel-reap/dead/b/.vm-sentinel",
          ".vm-sentinel-reap/dead/b/disk",
          "c",
          "c/.vm-sentinel",
          "c/disk"
        ]
      )
      assert.deepStrictEqual(said(yield* Cleanup.sweep(root)), {
        b: "removed dead resumed",
        c: "removed dead pid-dead"
      })
      assert.deepStrictEqual(yield* names, [])
    })
  )

  stageTest(
    "scenario 52: to reclaim one directory is interruptible while it is deleted, and the next sweep finishes",
    () =>
      Effect.gen(function* () {
        const memory = yield* MemoryDisk
        yield* Simulation.crashed(vm)
        const reclaiming = yield* Effect.forkChild(Cleanup.reclaim(vm))
        const interrupt = Effect.andThen(
          Effect.sync(() => reclaiming.interruptUnsafe()),
          Effect.yieldNow
        )
        yield* memory.before(
          ({ operation, path }) => operation === "unlink" && Races.untagged(path).endsWith("/dead/vm/disk"),
          interrupt
        )
        const exit = yield* Fiber.await(reclaiming)
        assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
        assert.isTrue((yield* Simulation.paths(root)).some((path) => Races.untagged(path).endsWith("/dead/vm/disk")))
        assert.deepStrictEqual(said(yield* Cleanup.sweep(root)), { vm: "removed dead resumed" })
        assert.deepStrictEqual(yield* names, [])
      })
  )

  stageTest("scenario 51: with no time left, a sweep says how far it came", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      const dead = ["a", "b", "c", "d"]
      for (const name of dead) yield* Simulation.crashed(`${root}/${name}`)
      yield* memory.pause(Effect.sleep("1 second"))
      const options = { concurrency: 1, stopWhen: Effect.sleep("1 minute") }
      const sweep = yield* Effect.forkChild(Cleanup.sweep(root, options))
      yield* TestClock.adjust("10 minutes")
      const first = yield* Fiber.join(sweep)
      assert.isTrue(first.summary.interrupted)
      assert.isAtLeast(first.summary.removed, 1)
      assert.isBelow(first.summary.removed, dead.length)
      yield* memory.pause(Effect.void)
      const second = yield* Cleanup.sweep(root, options)
      assert.isUndefined(second.summary.interrupted)
      assert.strictEqual(first.summary.removed + second.summary.removed, dead.length)
      assert.deepStrictEqual(yield* names, [])
    })
  )

  stageTest("scenario 50: what can't be removed is told, stays marked, and is finished when it can be", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      yield* Simulation.crashed(vm)
      yield* Simulation.seed({ [`${vm}/sub/file`]: "x", [`${vm}/sub`]: { type: "directory", mode: 0o755, uid: 0 } })
      yield* Simulation.crashed(`${root}/other`)
      const first = yield* Cleanup.sweep(root)
      assert.deepStrictEqual(said(first), { other: "removed dead pid-dead", vm: "failed dead pid-dead" })
      assert.strictEqual(first.summary.failed, 1)
      const again = yield* Cleanup.sweep(root)
      assert.deepStrictEqual(said(again), { vm: "failed dead resumed" })
      assert.strictEqual(again.outcomes[0]?.error?._tag, "PermissionDenied")
      const grave = (yield* Simulation.paths(root)).find((path) => Races.untagged(path).endsWith("dead/vm/sub"))
      yield* memory.setAttributes(`${root}/${grave}`, { uid: 1000 })
      assert.deepStrictEqual(said(yield* Cleanup.sweep(root)), { vm: "removed dead resumed" })
      assert.deepStrictEqual(yield* names, [])
    })
  )

  stageTest("scenario 83: a directory that a process keeps writing into is told after 30 s, and the others go", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      yield* Simulation.crashed(vm)
      yield* Simulation.seed({ [`${vm}/logs/0`]: "x" })
      for (const name of ["a", "z"]) yield* Simulation.crashed(`${root}/${name}`)
      let written = 0
      let at = ""
      let isStopped = false
      const isEmptied = ({ operation, path }: Call) => {
        if (isStopped || operation !== "rmdir" || !path.endsWith("/logs")) return false
        at = path
        return true
      }
      const write: Effect.Effect<void> = Effect.suspend(() => memory.before(isEmptied, Effect.andThen(writeOne, write)))
      const writeOne = Effect.suspend(() =>
        Effect.andThen(memory.seed({ [`${at}/${(written += 1)}`]: "x" }), TestClock.adjust("1 second"))
      )
      yield* write
      const report = yield* Cleanup.sweep(root)
      const failed = report.outcomes.find(({ name }) => name === "vm")
      assert.deepStrictEqual(said(report), {
        a: "removed dead pid-dead",
        vm: "failed dead pid-dead",
        z: "removed dead pid-dead"
      })
      const error = { _tag: "StoreFailure", operation: "delete", errno: "ENOTEMPTY", path: at } as const
      assert.deepInclude(failed?.error, error)
      assert.strictEqual(written, 31)
      isStopped = true
      assert.deepStrictEqual(said(yield* Cleanup.sweep(root)), { vm: "removed dead resumed" })
      assert.deepStrictEqual(yield* names, [])
    })
  )

  stageTest("scenario 87: read-only directories of ours go, and what only looks doesn't change them", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      for (const name of ["top", "zero", "owned"]) {
        yield* Simulation.crashed(`${root}/${name}`)
        yield* Simulation.seed({ [`${root}/${name}/rootfs/bin/ls`]: { type: "file", mode: 0 } })
      }
      yield* Simulation.owned(`${root}/owned/rootfs`)
      yield* memory.setAttributes(`${root}/top`, { mode: 0o500 })
      for (const name of ["zero", "owned"]) yield* memory.setAttributes(`${root}/${name}/rootfs`, { mode: 0 })
      const before = yield* memory.snapshot(root)
      const kept = "kept dead owner-inside"
      assert.deepStrictEqual(said(yield* Cleanup.sweep(root, { dryRun: true })), {
        top: "would-remove dead pid-dead",
        zero: kept,
        owned: kept
      })
      assert.deepStrictEqual(yield* memory.snapshot(root), before)
      assert.deepStrictEqual(said(yield* Cleanup.sweep(root)), {
        top: "removed dead pid-dead",
        zero: "removed dead pid-dead",
        owned: kept
      })
      assert.deepStrictEqual(yield* names, ["owned"])
    })
  )

  stageTest("puts a claimed directory that is to be skipped back, unjudged", () =>
    Effect.gen(function* () {
      yield* Simulation.crashed(vm)
      yield* MemoryDisk.use(({ move }) => move(vm, `${root}/.vm-sentinel-reap.00000000.claimed=vm`))
      assert.deepStrictEqual(said(yield* Cleanup.sweep(root, { skip: (name) => name === "vm", dryRun: true })), {
        vm: "kept none skipped"
      })
      assert.deepStrictEqual(said(yield* Cleanup.sweep(root, { skip: (name) => name === "vm" })), {
        vm: "kept none skipped"
      })
      assert.deepStrictEqual(yield* names, ["vm"])
    })
  )

  stageTest("refuses a root that is a VM directory itself: what lies in it is its owner's", () =>
    Effect.gen(function* () {
      yield* Simulation.owned(vm)
      yield* Simulation.crashed(`${vm}/inner`)
      const before = yield* MemoryDisk.use(({ snapshot }) => snapshot(root))
      const error = yield* Effect.flip(Cleanup.sweep(vm))
      assert.deepInclude(error, { _tag: "RefusedRoot", path: vm, rule: "vm-directory" })
      assert.deepStrictEqual(yield* MemoryDisk.use(({ snapshot }) => snapshot(root)), before)
    })
  )

  for (const entry of ["vm.pid", "vm.pid.helper", ".owner"]) {
    stageTest(`refuses a root that has a sentinel of a name that the sweep is told to read: ${entry}`, () =>
      Effect.gen(function* () {
        const sentinelNames = ["vm.pid", ".owner"]
        const owner = yield* Simulation.actor()
        yield* Simulation.seed({ [`${vm}/${entry}`]: `${owner.pid}` })
        yield* Simulation.crashed(`${vm}/inner`, { sentinelName: "vm.pid" })
        const before = yield* MemoryDisk.use(({ snapshot }) => snapshot(root))
        const error = yield* Effect.flip(Cleanup.sweep(vm, { sentinelNames }))
        assert.deepInclude(error, { _tag: "RefusedRoot", path: vm })
        assert.deepStrictEqual(yield* MemoryDisk.use(({ snapshot }) => snapshot(root)), before)
      })
    )
  }

  for (const [entry, when, says] of [
    [".vm-sentinel", "claim", "failed dead owner-inside"],
    ["vm.pid", "claim", "kept dead owner-inside"],
    [".vm-sentinel", "mark", "failed dead owner-inside"],
    ["vm.pid", "mark", "failed dead owner-inside"]
  ] as const) {
    stageTest(
      `scenario 109: an inner sentinel named ${entry}, written anew before the ${when}, keeps its directory`,
      () =>
        Effect.gen(function* () {
          const memory = yield* MemoryDisk
          yield* Simulation.crashed(vm)
          yield* Simulation.seed({ [`${vm}/inner/${entry}`]: "4000000", [`${vm}/inner/disk`]: "disk" })
          const owner = yield* Simulation.actor()
          const folder = when === "claim" ? "/claimed/vm" : "/dead/"
          let place = vm
          const isNext = ({ path, to }: { readonly path: string; readonly to?: string | undefined }) => {
            place = path
            return to?.includes(folder) ?? false
          }
          // The write goes into the existing file, like `echo $$ > .vm-sentinel`.
          const write = Effect.andThen(
            TestClock.adjust("1 second"),
            Effect.suspend(() => memory.seed({ [`${place}/inner/${entry}`]: `${owner.pid}` }))
          )
          yield* memory.before(isNext, write)
          const sentinelNames = [...new Set([".vm-sentinel", entry])]
          assert.deepStrictEqual(said(yield* Cleanup.sweep(root, { sentinelNames })), { vm: says })
          const left = Object.keys(yield* memory.snapshot(root)).filter((path) => path.endsWith("inner/disk"))
          assert.lengthOf(left, 1)
        })
    )
  }

  for (const entry of [".vm-sentinel", "vm.pid"]) {
    const sentinelNames = [...new Set([".vm-sentinel", entry])]

    stageTest(`scenario 109: an inner directory with more than 64 sentinels named ${entry} keeps its directory`, () =>
      Effect.gen(function* () {
        yield* Simulation.crashed(vm)
        const owner = yield* Simulation.actor()
        const roles = Array.from({ length: 65 }, (_, role) => [`${vm}/inner/${entry}.r${role}`, `${owner.pid}`])
        yield* Simulation.seed(Object.fromEntries(roles))
        const before = yield* MemoryDisk.use(({ snapshot }) => snapshot(root))
        assert.deepStrictEqual(said(yield* Cleanup.sweep(root, { sentinelNames })), { vm: "kept dead owner-inside" })
        assert.deepStrictEqual(yield* MemoryDisk.use(({ snapshot }) => snapshot(root)), before)
      })
    )

    stageTest(`scenario 109: an inner directory where others hide ${entry} among files keeps its directory`, () =>
      Effect.gen(function* () {
        const memory = yield* MemoryDisk
        yield* Simulation.crashed(vm)
        const owner = yield* Simulation.actor()
        const others = Array.from({ length: 10_001 }, (_, file) => [`${vm}/inner/file${file}`, ""])
        yield* Simulation.seed({ ...Object.fromEntries(others), [`${vm}/inner/${entry}`]: `${owner.pid}` })
        yield* memory.setAttributes(`${vm}/inner`, { mode: 0o777 })
        assert.deepStrictEqual(said(yield* Cleanup.sweep(root, { sentinelNames })), { vm: "kept dead owner-inside" })
        assert.deepStrictEqual(yield* names, ["vm"])
      })
    )
  }

  stageTest("leaves a directory that a sweep has begun to delete where it lies, if it is to be skipped", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      yield* Simulation.crashed(vm)
      yield* Simulation.seed({ [`${root}/.vm-sentinel-reap.0/dead/half/disk`]: "half" })
      yield* memory.move(vm, `${root}/.vm-sentinel-reap.00000000.dead=vm`)
      const skip = (name: string) => name === "vm" || name === "half"
      const before = yield* memory.snapshot(root)
      const kept = { vm: "kept none skipped", half: "kept none skipped" }
      assert.deepStrictEqual(said(yield* Cleanup.sweep(root, { skip, dryRun: true })), kept)
      assert.deepStrictEqual(yield* memory.snapshot(root), before)
      assert.deepStrictEqual(said(yield* Cleanup.sweep(root, { skip })), kept)
      const removed = { vm: "removed dead resumed", half: "removed dead resumed" }
      assert.deepStrictEqual(said(yield* Cleanup.sweep(root)), removed)
      assert.deepStrictEqual(yield* names, [])
    })
  )

  for (const spare of [0, 1, 2, 3]) {
    stageTest(`a file system with room for ${spare} blocks more: all that is dead goes`, () =>
      Effect.gen(function* () {
        const memory = yield* MemoryDisk
        yield* Simulation.owned(`${root}/alive`)
        for (const name of ["a", "b", "c"]) yield* Simulation.crashed(`${root}/${name}`)
        yield* Simulation.seed({ [`${root}/.vm-sentinel-reap.0/dead/half/disk`]: "half" })
        yield* Simulation.crashed(`${root}/gone`)
        yield* memory.move(`${root}/gone`, `${root}/.vm-sentinel-reap.00000000.claimed=gone`)
        yield* memory.fill(spare)
        const report = yield* Cleanup.sweep(root)
        assert.deepStrictEqual(said(report), {
          a: "removed dead pid-dead",
          alive: "kept alive matches",
          b: "removed dead pid-dead",
          c: "removed dead pid-dead",
          gone: "removed dead pid-dead",
          half: "removed dead resumed"
        })
        assert.deepStrictEqual(yield* names, ["alive"])
      })
    )
  }

  stageTest("judges once more what it has claimed, and puts back what has come to life", () =>
    Effect.gen(function* () {
      const [memory, table] = [yield* MemoryDisk, yield* FakeProcessTable]
      // A v1 record names only a PID, so whichever process has that PID is its owner.
      const pid = yield* Simulation.crashed(vm, { format: "v1" })
      yield* memory.before(({ to }) => to?.endsWith("claimed/vm") ?? false, Effect.orDie(table.spawnAt(pid)))
      const before = yield* memory.snapshot(vm)
      assert.deepStrictEqual(said(yield* Cleanup.sweep(root)), { vm: "kept alive pid-alive" })
      assert.deepStrictEqual(yield* memory.snapshot(vm), before)
      assert.deepStrictEqual(yield* names, ["vm"])
    })
  )

  stageTest("takes time by the clock", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      yield* Simulation.crashed(vm)
      yield* memory.before("rename", TestClock.adjust("3 seconds"))
      assert.strictEqual((yield* Cleanup.sweep(root)).summary.durationMs, 3000)
    })
  )
})

describe("an operator's word", () => {
  const assumeDead = "the host was reinstalled"

  stageTest("overrides unknown, with the reason in the evidence, and never alive or none", () =>
    Effect.gen(function* () {
      const table = yield* FakeProcessTable
      yield* Simulation.owned(`${root}/alive`)
      yield* table.hide(yield* Simulation.owned(`${root}/hidden`))
      yield* Simulation.crashed(`${root}/dead`)
      yield* Simulation.crashed(`${root}/foreign`)
      yield* Simulation.seed({
        [`${root}/broken/.vm-sentinel`]: "",
        [`${root}/foreign/.bbox-sentinel`]: "17\n/usr/bin/bbox",
        [`${root}/none/file`]: "x",
        [`${root}/untrusted/.vm-sentinel`]: { type: "fifo" }
      })
      const { outcomes, summary } = yield* Cleanup.sweep(root, { assumeDead })
      assert.deepStrictEqual(said({ outcomes, summary }), {
        alive: "kept alive matches",
        broken: "removed dead assumed-dead",
        dead: "removed dead pid-dead",
        foreign: "removed dead assumed-dead",
        hidden: "removed dead assumed-dead",
        none: "kept none no-sentinel",
        untrusted: "removed dead assumed-dead"
      })
      assert.deepStrictEqual(yield* names, ["alive", "none"])
      const hidden = outcomes.find(({ name }) => name === "hidden")
      assert.deepInclude(hidden?.evidence["assumption"], { recorded: "permission-denied", observed: assumeDead })
    })
  )

  stageTest("says nothing when it is blank, or of several owners when one lives", () =>
    Effect.gen(function* () {
      const table = yield* FakeProcessTable
      yield* table.hide(yield* Simulation.owned(vm))
      assert.deepStrictEqual(said(yield* Cleanup.sweep(root, { assumeDead: "  " })), {
        vm: "kept unknown permission-denied"
      })
      yield* Simulation.owned(vm, { role: "helper" })
      assert.deepStrictEqual(said(yield* Cleanup.sweep(root, { assumeDead })), { vm: "kept alive matches" })
    })
  )
})

describe("Cleanup.reclaim", () => {
  stageTest("removes one directory, and looks at no other", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      yield* Simulation.crashed(vm)
      yield* Simulation.crashed(`${root}/other`)
      yield* memory.clearCalls
      assert.deepInclude(yield* Cleanup.reclaim(vm), { action: "removed", reason: "pid-dead", name: "vm" })
      assert.deepStrictEqual(yield* names, ["other"])
      assert.notInclude(JSON.stringify(yield* memory.calls), "other")
    })
  )

  stageTest("keeps what lives, and says so", () =>
    Effect.gen(function* () {
      yield* Simulation.owned(vm)
      assert.deepInclude(yield* Cleanup.reclaim(vm), { action: "kept", reason: "matches" })
      assert.deepStrictEqual(yield* names, ["vm"])
    })
  )

  for (const { arrange, error, says, stage } of rows.filter(({ error }) => error !== undefined)) {
    stageTest(
      `fails with ${error} where a sweep says ${says}`,
      () =>
        Effect.gen(function* () {
          yield* arrange
          assert.strictEqual(yield* tag(Cleanup.reclaim(vm)), error)
        }),
      stage
    )
  }

  stageTest("fails for what isn't there, and refuses a sweep's own, which may hold what lives", () =>
    Effect.gen(function* () {
      yield* Simulation.seed({ [`${root}/file`]: "x" })
      assert.strictEqual(yield* tag(Cleanup.reclaim(vm)), "NotFound")
      assert.strictEqual(yield* tag(Cleanup.reclaim(`${root}/file`)), "NotFound")
      const pid = yield* Simulation.owned(vm)
      const memory = yield* MemoryDisk
      const workspace = `${root}/.vm-sentinel-reap.0`
      const reaper = yield* Simulation.crashed(`${root}/reaper`)
      assert.notStrictEqual(reaper, pid)
      yield* memory.move(`${root}/reaper`, workspace)
      yield* memory.seed({ [`${workspace}/claimed`]: { type: "directory" } })
      yield* memory.move(vm, `${workspace}/claimed/vm`)
      const earlier = yield* memory.snapshot(root)
      for (const path of [workspace, `${root}/.vm-sentinel-reap.00000000.dead=x`, `${root}/.vm-sentinel-reap.1.new`]) {
        assert.strictEqual(
          yield* refusal(Cleanup.reclaim(path, { assumeDead: "by mistake" })),
          "RefusedRoot: sweeps-own"
        )
      }
      assert.deepStrictEqual(yield* memory.snapshot(root), earlier)
    })
  )

  stageTest("refuses a directory in that of an owner who isn't gone, even on an operator's word", () =>
    Effect.gen(function* () {
      const table = yield* FakeProcessTable
      const inner = `${vm}/inner`
      const pid = yield* Simulation.owned(vm)
      yield* Simulation.crashed(inner)
      const before = yield* MemoryDisk.use(({ snapshot }) => snapshot(root))
      const refused = Effect.flip(Cleanup.reclaim(inner, { assumeDead: "it is" }))
      assert.deepInclude(yield* refused, { _tag: "RefusedRoot", path: vm, rule: "vm-directory" })
      yield* table.hide(pid)
      assert.deepInclude(yield* refused, { _tag: "RefusedRoot", path: vm, rule: "vm-directory" })
      assert.deepStrictEqual(yield* MemoryDisk.use(({ snapshot }) => snapshot(root)), before)
      yield* table.exit(pid)
      assert.deepInclude(yield* Cleanup.reclaim(inner), { action: "removed", reason: "pid-dead" })
      assert.deepStrictEqual(yield* names, ["vm"])
    })
  )

  for (const verdict of ["dead", "unknown"] as const) {
    stageTest(`takes an operator's word about a directory that is ${verdict} for no owner below it`, () =>
      Effect.gen(function* () {
        const word = { assumeDead: "its host is gone" }
        yield* Simulation.crashed(vm)
        if (verdict === "unknown") yield* Simulation.seed({ [`${vm}/.vm-sentinel.other`]: "not a record" })
        yield* Simulation.seed({ [`${vm}/nested/.vm-sentinel`]: "not a record" })
        const kept = yield* Cleanup.reclaim(vm, word)
        assert.deepInclude(kept, { action: "kept", reason: "owner-inside" })
        assert.strictEqual(kept.evidence.below?.recorded, "nested")
        if (verdict === "unknown") return
        assert.deepInclude(yield* Cleanup.reclaim(`${vm}/nested`, word), { action: "removed", reason: "assumed-dead" })
        assert.deepInclude(yield* Cleanup.reclaim(vm), { action: "removed", reason: "pid-dead" })
      })
    )
  }

  stageTest("scenario 77: takes an operator's word about a copy of a record for none about the owner below it", () =>
    Effect.gen(function* () {
      const word = { assumeDead: "it is a copy" }
      const table = yield* FakeProcessTable
      const memory = yield* MemoryDisk
      const inner = `${vm}/inner`
      const pid = yield* Simulation.owned(inner)
      yield* table.hide(pid)
      const { content = "" } = (yield* memory.snapshot())[`${inner}/.vm-sentinel`] ?? {}
      yield* Simulation.seed({ [`${vm}/.vm-sentinel`]: content })
      yield* Simulation.crashed(vm, { role: "helper" })
      const before = yield* memory.snapshot(root)
      const kept = yield* Cleanup.reclaim(vm, word)
      assert.deepInclude(kept, { action: "kept", reason: "owner-inside" })
      assert.deepInclude(kept.evidence.below, { recorded: "inner", observed: "unknown, permission-denied" })
      assert.deepStrictEqual(yield* memory.snapshot(root), before)
      yield* table.exit(pid)
      assert.deepInclude(yield* Cleanup.reclaim(vm, word), { action: "removed", reason: "assumed-dead" })
    })
  )

  stageTest("takes an operator's word, and a dry run", () =>
    Effect.gen(function* () {
      yield* owner((table, pid) => table.hide(pid))
      assert.deepInclude(yield* Cleanup.reclaim(vm), { action: "kept", reason: "permission-denied" })
      const assumeDead = "it is"
      assert.deepInclude(yield* Cleanup.reclaim(vm, { assumeDead, dryRun: true, sizes: true }), {
        action: "would-remove",
        reason: "assumed-dead",
        bytes: 4096 * 3
      })
      assert.deepStrictEqual(yield* names, ["vm"])
      assert.deepInclude(yield* Cleanup.reclaim(vm, { assumeDead }), { action: "removed", reason: "assumed-dead" })
      assert.deepStrictEqual(yield* names, [])
    })
  )
})

describe("Cleanup.judge", () => {
  stageTest("judges every sentinel, and writes nothing", () =>
    Effect.gen(function* () {
      const table = yield* FakeProcessTable
      const memory = yield* MemoryDisk
      yield* Simulation.crashed(vm)
      yield* table.hide(yield* Simulation.owned(vm, { role: "helper" }))
      yield* memory.clearCalls
      const judgement = yield* Cleanup.judge(vm)
      assert.deepInclude(judgement, { verdict: "unknown", reason: "permission-denied" })
      assert.deepStrictEqual(
        judgement.parts.map(({ subject }) => subject.entry),
        [".vm-sentinel", ".vm-sentinel.helper"]
      )
      assert.isUndefined(judgement.condemned)
      assert.deepStrictEqual(yield* Races.mutations(memory), [])
      assert.strictEqual(yield* tag(Cleanup.judge(`${root}/missing`)), "NotFound")
    })
  )

  stageTest("judges every sentinel after one whose owner lives, too", () =>
    Effect.gen(function* () {
      yield* Simulation.owned(vm)
      yield* Simulation.crashed(vm, { role: "helper" })
      yield* Simulation.owned(vm, { role: "monitor" })
      const { parts, reason, verdict } = yield* Cleanup.judge(vm)
      assert.deepStrictEqual([verdict, reason], ["alive", "matches"])
      assert.deepStrictEqual(
        parts.map(({ judged, subject }) => [subject.entry, Result.isSuccess(judged) && judged.success.reason]),
        [
          [".vm-sentinel", "matches"],
          [".vm-sentinel.helper", "pid-dead"],
          [".vm-sentinel.monitor", "matches"]
        ]
      )
    })
  )

  stageTest("finds by its name what a sweep couldn't remove, or left, and says where it lies", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      yield* Simulation.crashed(vm)
      yield* Simulation.seed({ [`${vm}/sub/file`]: "x", [`${vm}/sub`]: { type: "directory", mode: 0o755, uid: 0 } })
      yield* Cleanup.sweep(root)
      for (const [name, place] of [
        ["claimed", "00000000.claimed=claimed"],
        ["marked", "0000000011111111.dead=marked"]
      ]) {
        yield* Simulation.owned(`${root}/${name}`)
        yield* memory.move(`${root}/${name}`, `${root}/.vm-sentinel-reap.${place}`)
      }
      yield* memory.clearCalls
      const [removing, claimed, marked] = yield* Effect.all([
        Cleanup.judge(vm),
        Cleanup.judge(`${root}/claimed`),
        Cleanup.judge(`${root}/marked`)
      ])
      assert.match(Races.untagged(removing.state.path), /^\/srv\/vms\/\.vm-sentinel-reap\.[0-9a-f]+\/dead\/vm$/)
      assert.deepInclude(removing, { verdict: "dead", reason: "resumed" })
      assert.strictEqual(claimed.state.path, `${root}/.vm-sentinel-reap.00000000.claimed=claimed`)
      assert.deepInclude(claimed, { verdict: "alive", reason: "matches" })
      // The owner lives. Its sentinel came after the mark, which doesn't name it.
      assert.deepInclude(marked, { verdict: "alive", reason: "matches" })
      assert.deepStrictEqual(yield* Races.mutations(memory), [])
      assert.strictEqual(yield* tag(Cleanup.judge(`${root}/vm2`)), "NotFound")
    })
  )
})

describe("a directory that can't be searched for owners below", () => {
  stageTest("for lack of descriptors is unknown, with that error, and goes when there are some", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      yield* Simulation.crashed(vm)
      yield* Simulation.seed({ [`${vm}/sub/file`]: "x" })
      yield* memory.before(
        ({ operation, path }) => operation === "readdir" && path === `${vm}/sub`,
        memory.failNext("readdir", "EMFILE")
      )
      const { outcomes, summary } = yield* Cleanup.sweep(root)
      assert.deepStrictEqual([outcomes[0]?.action, outcomes[0]?.reason], ["kept", "unreadable"])
      assert.deepInclude(outcomes[0]?.error, { _tag: "StoreFailure", errno: "EMFILE" })
      assert.strictEqual(summary.unknown, 1)
      assert.deepStrictEqual(said(yield* Cleanup.sweep(root)), { vm: "removed dead pid-dead" })
    })
  )
})

describe("a process that owns many directories", () => {
  const names = ["a", "b", "c", "d"]

  /** The outcomes of a sweep, and the number of observations that it made. */
  const counted = Effect.gen(function* () {
    const inspector = yield* ProcessInspector
    let asked = 0
    const observe: typeof inspector.observe = (pid, depth) =>
      Effect.suspend(() => {
        asked += 1
        return inspector.observe(pid, depth)
      })
    const report = yield* Effect.provideService(Cleanup.sweep(root), ProcessInspector, { ...inspector, observe })
    return { asked, said: said(report) }
  })

  stageTest("is asked about once a page, where it lives", () =>
    Effect.gen(function* () {
      const pid = yield* Simulation.owned(`${root}/a`)
      for (const name of names.slice(1)) yield* Simulation.owned(`${root}/${name}`, { pid })
      const { asked, said } = yield* counted
      assert.strictEqual(asked, 1)
      assert.deepStrictEqual(said, Object.fromEntries(names.map((name) => [name, "kept alive matches"])))
    })
  )

  stageTest("is asked about anew for each directory, twice, where it is gone", () =>
    Effect.gen(function* () {
      const pid = yield* Simulation.owned(`${root}/a`)
      for (const name of names.slice(1)) yield* Simulation.owned(`${root}/${name}`, { pid })
      yield* FakeProcessTable.use(({ exit }) => exit(pid))
      const { asked, said } = yield* counted
      // Triage observes the PID once for the whole page.
      assert.strictEqual(asked, 2 * names.length + 1)
      assert.deepStrictEqual(said, Object.fromEntries(names.map((name) => [name, "removed dead pid-dead"])))
    })
  )

  stageTest("is not taken for another one of the same number", () =>
    Effect.gen(function* () {
      const table = yield* FakeProcessTable
      const pid = yield* Simulation.crashed(`${root}/a`)
      yield* Simulation.crashed(`${root}/b`, { pid: yield* table.spawnAt(pid, {}) })
      yield* TestClock.adjust("1 minute")
      yield* Simulation.owned(`${root}/c`, { pid: yield* table.spawnAt(pid, {}) })
      assert.deepStrictEqual((yield* counted).said, {
        a: "removed dead identity-mismatch",
        b: "removed dead identity-mismatch",
        c: "kept alive matches"
      })
    })
  )
})
