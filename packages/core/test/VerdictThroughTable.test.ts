import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import type { Pid } from "../src/ProcessIdentity.ts"
import { ProcessInspector } from "../src/ProcessInspector.ts"
import type { Format } from "../src/Sentinel.ts"
import * as FakeProcessTable from "../src/testing/FakeProcessTable.ts"
import { made, rows, sharedDirectory, sharedFrame } from "./support/fixtures.ts"
import { answer, type Circumstances } from "./support/judging.ts"
import { judged, soughtOf, type Written, writtenBy } from "./support/owner.ts"
import { runs } from "./support/property.ts"

type Controls = FakeProcessTable.FakeProcessTable["Service"]

interface Row {
  readonly name: string
  readonly format?: Format
  readonly options?: FakeProcessTable.Options
  readonly spawn?: FakeProcessTable.SpawnOptions
  readonly before?: (table: Controls) => Effect.Effect<unknown, unknown>
  /** What happens after the record was written. */
  readonly change?: (table: Controls, owner: Pid) => Effect.Effect<unknown, unknown>
  readonly circumstances?: Partial<Circumstances>
  readonly is: string
  /** The last datum that was compared. */
  readonly by: string
}

const play = (row: Row) =>
  Effect.gen(function* () {
    const table = yield* FakeProcessTable.FakeProcessTable
    yield* row.before?.(table) ?? Effect.void
    const owner = yield* table.spawn(row.spawn)
    const directory = row.circumstances?.frame === sharedFrame ? sharedDirectory : made
    const written = yield* writtenBy(owner, row.format, { directory })
    yield* row.change?.(table, owner) ?? Effect.void
    const verdict = yield* judged(written, row.circumstances)
    assert.strictEqual(answer(verdict), row.is)
    assert.strictEqual(rows(verdict.evidence).at(-1), row.by)
  }).pipe(Effect.provide(FakeProcessTable.layerWith(row.options ?? {})))

const table = (title: string, given: ReadonlyArray<Row>) =>
  describe(title, () => {
    for (const row of given) it.effect(`${row.name} → ${row.is}`, () => play(row))
  })

const recycle =
  (options?: FakeProcessTable.SpawnOptions): NonNullable<Row["change"]> =>
  (table, owner) =>
    Effect.andThen(table.exit(owner), table.spawnAt(owner, options))

const after =
  (millis: number, change: NonNullable<Row["change"]>): NonNullable<Row["change"]> =>
  (table, owner) =>
    Effect.andThen(TestClock.adjust(millis), change(table, owner))

const all =
  (...steps: ReadonlyArray<NonNullable<Row["change"]>>): NonNullable<Row["change"]> =>
  (table, owner) =>
    Effect.forEach(steps, (step) => step(table, owner))

table("0: the ownership lock", [
  {
    name: "held, the PID absent",
    change: (table, owner) => table.exit(owner),
    circumstances: { lockState: "shared" },
    is: "alive lock-held",
    by: "lock not-applicable"
  },
  {
    name: "scenario 54: held, the PID of another start",
    options: { processIds: false },
    change: after(50, recycle()),
    circumstances: { lockState: "shared" },
    is: "alive lock-held",
    by: "lock not-applicable"
  },
  {
    name: "free, the process there",
    circumstances: { lockState: "free" },
    is: "alive matches",
    by: "processId64 equal"
  }
])

table("1: the boot", [
  {
    name: "scenario 6: rebooted, the PID taken by another",
    change: (table, owner) => Effect.andThen(table.reboot(), table.spawnAt(owner, { exe: "/bin/other" })),
    is: "dead rebooted",
    by: "machineId equal"
  },
  {
    name: "rebooted, the PID absent",
    change: (table) => table.reboot(),
    is: "dead rebooted",
    by: "machineId equal"
  },
  {
    name: "rebooted, the process hidden",
    change: (table) => Effect.flatMap(Effect.andThen(table.reboot(), table.spawn()), table.hide),
    is: "dead rebooted",
    by: "machineId equal"
  },
  {
    name: "a clone of the image, on a shared file system",
    change: (table) => table.reboot({ hostname: "clone" }),
    circumstances: { frame: sharedFrame },
    is: "unknown other-machine",
    by: "hostname different"
  },
  {
    name: "rebooted, on a shared file system",
    change: (table) => table.reboot(),
    circumstances: { frame: sharedFrame },
    is: "dead rebooted",
    by: "virtualMachine not-applicable"
  },
  {
    name: "scenario 9: another machine",
    change: (table) => table.otherMachine,
    is: "unknown other-machine",
    by: "machineId different"
  },
  {
    name: "scenario 64: rebooted, the machine id not readable",
    change: (table) => Effect.andThen(table.reboot(), table.mask("machineId")),
    is: "dead rebooted",
    by: "machineId unknown"
  },
  ...([undefined, sharedFrame] as const).flatMap((frame): ReadonlyArray<Row> => {
    const where = frame === undefined ? "on a file system of one kernel" : "on a shared file system"
    const circumstances = frame === undefined ? {} : { frame }
    const gone = frame === undefined ? "dead pid-dead" : "unknown boot-unknown"
    const by = frame === undefined ? "process different" : "bootId unknown"
    return [
      {
        name: `scenario 8: the boot id not readable now, ${where}, the PID absent`,
        change: (table, owner) => Effect.andThen(table.exit(owner), table.mask("bootId")),
        circumstances,
        is: gone,
        by
      },
      {
        name: `scenario 8: the boot id not readable when it was recorded, ${where}, the PID absent`,
        before: (table) => table.mask("bootId"),
        change: (table, owner) => Effect.andThen(table.exit(owner), table.mask()),
        circumstances,
        is: gone,
        by
      },
      {
        name: `scenario 61: the boot id covered now, ${where}, the same process`,
        change: (table) => table.coverBootId({}),
        circumstances,
        is: "alive matches",
        by: "processId64 equal"
      },
      {
        name: `scenario 61: the boot id covered when it was recorded, ${where}, the same process`,
        before: (table) => table.coverBootId({}),
        change: (table) => table.coverBootId(undefined),
        circumstances,
        is: "alive matches",
        by: "processId64 equal"
      },
      {
        name: `scenario 61: the boot id covered, ${where}, in a container, the owner outside`,
        change: (table) => Effect.andThen(table.coverBootId({}), table.enterPidNamespace("pid:[2]")),
        circumstances,
        is: "unknown boot-unknown",
        by: frame === undefined ? "pidNamespace different" : "bootId unknown"
      },
      {
        name: `the boot id covered, ${where}, rebooted, the PID absent`,
        change: (table) => Effect.andThen(table.reboot(), table.coverBootId({})),
        circumstances,
        is: gone,
        by
      }
    ]
  }),
  {
    name: "scenario 99: on a shared file system, in what may be a virtual machine, the PID absent",
    options: { virtualMachine: true },
    change: (table, owner) => table.exit(owner),
    circumstances: { frame: sharedFrame },
    is: "unknown machine-unknown",
    by: "process different"
  },
  {
    name: "scenario 99: on a shared file system, in a virtual machine that is trusted, the PID absent",
    options: { virtualMachine: true },
    change: (table, owner) => table.exit(owner),
    circumstances: { frame: sharedFrame, shared: "trust" },
    is: "dead pid-dead",
    by: "process different"
  }
])

it.effect("scenario 7: rebooted, with PID, ticks and 64-bit id equal now → dead rebooted", () =>
  Effect.gen(function* () {
    const table = yield* FakeProcessTable.FakeProcessTable
    const before = yield* writtenBy(yield* table.spawn())
    yield* table.reboot()
    const now = yield* writtenBy(yield* table.spawn())
    assert.isTrue(before.sentinel._tag === "V3" && now.sentinel._tag === "V3")
    if (before.sentinel._tag !== "V3" || now.sentinel._tag !== "V3") return
    assert.strictEqual(now.sentinel.pid, before.sentinel.pid)
    assert.strictEqual(now.sentinel.record.startTime, before.sentinel.record.startTime)
    assert.strictEqual(now.sentinel.record.processId64, before.sentinel.record.processId64)
    assert.strictEqual((yield* judged(before)).reason, "rebooted")
    assert.strictEqual((yield* judged(now)).reason, "matches")
  }).pipe(Effect.provide(FakeProcessTable.layer))
)

table("2: the PID namespace", [
  {
    name: "scenario 10: the reader in another one, the PID absent there",
    change: (table) => table.enterPidNamespace("pid:[2]"),
    is: "unknown other-pid-namespace",
    by: "pidNamespace different"
  },
  {
    name: "scenario 13: the reader in another one, the PID taken there",
    change: (table, owner) => Effect.andThen(table.enterPidNamespace("pid:[2]"), table.spawnAt(owner)),
    is: "unknown other-pid-namespace",
    by: "pidNamespace different"
  },
  {
    name: "scenario 10: the owner in a container, the reader on the host",
    before: (table) => table.enterPidNamespace("pid:[2]"),
    change: (table) => table.enterPidNamespace(FakeProcessTable.initialPidNamespace),
    is: "unknown other-pid-namespace",
    by: "pidNamespace different"
  },
  {
    name: "not readable now, the PID absent",
    change: (table, owner) => Effect.andThen(table.exit(owner), table.mask("pidNamespace")),
    is: "unknown other-pid-namespace",
    by: "pidNamespace unknown"
  },
  {
    name: "not readable now, the process the same",
    change: (table) => table.mask("pidNamespace"),
    is: "alive matches",
    by: "processId64 equal"
  },
  {
    name: "scenario 11: its number given again, the PID taken in the new one",
    before: (table) => table.enterPidNamespace("pid:[2]"),
    change: (table, owner) =>
      Effect.all([
        table.endPidNamespace("pid:[2]"),
        table.enterPidNamespace("pid:[2]"),
        Effect.ignore(table.exit(owner)),
        table.spawnAt(owner)
      ]),
    is: "unknown other-pid-namespace",
    by: "firstProcess different"
  },
  {
    name: "a kernel without namespaces",
    options: { namespaces: "none" },
    is: "alive matches",
    by: "processId64 equal"
  },
  {
    name: "a kernel without namespaces, the PID absent",
    options: { namespaces: "none" },
    change: (table, owner) => table.exit(owner),
    is: "dead pid-dead",
    by: "process different"
  }
])

describe("2: a proof about another PID namespace", () => {
  const container = "pid:[2]"
  const proofs: ReadonlyArray<{
    readonly name: string
    readonly options?: FakeProcessTable.Options
    /** In the container. */
    readonly before?: (table: Controls) => Effect.Effect<unknown, unknown>
    /** In the container, after the record was written. */
    readonly inside?: (table: Controls, owner: Pid) => Effect.Effect<unknown, unknown>
    /** On the host. */
    readonly outside?: (table: Controls) => Effect.Effect<unknown, unknown>
    readonly is: string
  }> = [
    { name: "the owner found in it", is: "alive matches" },
    { name: "the owner found in it, without ids", options: { processIds: false }, is: "alive matches" },
    { name: "the owner gone from it", inside: (table, owner) => table.exit(owner), is: "dead process-gone" },
    {
      name: "the owner gone from it, without ids",
      options: { processIds: false },
      inside: (table, owner) => table.exit(owner),
      is: "dead pid-dead"
    },
    { name: "its PID recycled in it", inside: recycle(), is: "dead process-gone" },
    {
      name: "its PID recycled in it, without ids",
      options: { processIds: false },
      inside: after(50, recycle()),
      is: "dead start-time-mismatch"
    },
    { name: "the owner a zombie in it", inside: (table, owner) => table.zombie(owner), is: "dead zombie" },
    { name: "gone", outside: (table) => table.endPidNamespace(container), is: "dead process-gone" },
    {
      name: "gone, without ids",
      options: { processIds: false },
      outside: (table) => table.endPidNamespace(container),
      is: "dead namespace-gone"
    },
    {
      name: "scenario 61: the boot id covered where it was recorded, the owner gone",
      before: (table) => table.coverBootId({}),
      inside: (table, owner) => table.exit(owner),
      outside: (table) => table.coverBootId(undefined),
      is: "dead process-gone"
    },
    {
      name: "scenario 61: the boot id covered where it was recorded, the owner found",
      before: (table) => table.coverBootId({}),
      outside: (table) => table.coverBootId(undefined),
      is: "alive matches"
    },
    {
      name: "not every process can be seen",
      inside: (table, owner) => table.exit(owner),
      outside: (table) => Effect.flatMap(table.spawn(), table.hide),
      is: "unknown other-pid-namespace"
    },
    {
      name: "the reader is in a third one",
      inside: (table, owner) => table.exit(owner),
      outside: (table) => table.enterPidNamespace("pid:[3]"),
      is: "unknown other-pid-namespace"
    }
  ]
  const playProof = ({ before, inside, is, options, outside }: (typeof proofs)[number]) =>
    Effect.gen(function* () {
      const table = yield* FakeProcessTable.FakeProcessTable
      yield* table.enterPidNamespace(container)
      yield* before?.(table) ?? Effect.void
      const owner = yield* table.spawn()
      const written = yield* writtenBy(owner)
      yield* inside?.(table, owner) ?? Effect.void
      yield* table.enterPidNamespace(FakeProcessTable.initialPidNamespace)
      yield* outside?.(table) ?? Effect.void
      const search = yield* table.namespaceProof(soughtOf(written))
      const verdict = yield* judged(written, { search })
      assert.strictEqual(answer(verdict), is)
    }).pipe(Effect.provide(FakeProcessTable.layerWith(options ?? {})))

  for (const proof of proofs) it.effect(`${proof.name} → ${proof.is}`, () => playProof(proof))

  const lock = { kind: "flock", tested: true, holder: "self" } as const
  it.effect.each([
    { lockState: "free", frame: undefined, is: "dead lock-free" },
    { lockState: "shared", frame: undefined, is: "alive lock-held" },
    { lockState: "unknown", frame: undefined, is: "unknown other-pid-namespace" },
    { lockState: "free", frame: sharedFrame, is: "unknown other-pid-namespace" }
  ] as const)("scenario 12: the lock $lockState, frame $frame.fileSystem.type → $is", ({ frame, is, lockState }) =>
    Effect.gen(function* () {
      const table = yield* FakeProcessTable.FakeProcessTable
      const reader = yield* (yield* ProcessInspector).self
      yield* table.enterPidNamespace(container)
      const { pid } = yield* (yield* ProcessInspector).self
      assert.strictEqual(pid, reader.pid)
      const written = yield* writtenBy(pid, "v3", { lock, directory: frame === undefined ? made : sharedDirectory })
      yield* table.enterPidNamespace(FakeProcessTable.initialPidNamespace)
      const verdict = yield* judged(written, frame === undefined ? { lockState } : { lockState, frame })
      assert.strictEqual(answer(verdict), is)
    }).pipe(Effect.provide(FakeProcessTable.layer))
  )
})

table(
  "3: v1 and v2 records, which carry no scope",
  (["v1", "v2"] as const).flatMap((format): ReadonlyArray<Row> => [
    {
      name: `${format}, absent`,
      format,
      change: (table, owner) => table.exit(owner),
      is: "dead pid-dead",
      by: "process different"
    },
    {
      name: `${format}, absent, kept by policy`,
      format,
      change: (table, owner) => table.exit(owner),
      circumstances: { legacy: "keep" },
      is: "unknown legacy-kept",
      by: "legacy not-applicable"
    },
    {
      name: `${format}, absent, on a file system that may be shared`,
      format,
      change: (table, owner) => table.exit(owner),
      circumstances: { frame: sharedFrame },
      is: "unknown not-local",
      by: "fileSystem unknown"
    },
    {
      name: `${format}, rebooted, the PID absent`,
      format,
      change: (table) => table.reboot(),
      is: "dead pid-dead",
      by: "process different"
    }
  ])
)

table("4: existence", [
  {
    name: "scenario 2: exited",
    change: (table, owner) => table.exit(owner),
    is: "dead pid-dead",
    by: "process different"
  },
  {
    name: "scenario 24: exited, a fork of it runs on",
    change: (table, owner) => Effect.andThen(table.spawn({ parent: owner }), table.exit(owner)),
    is: "dead pid-dead",
    by: "process different"
  },
  {
    name: "scenario 27: hidden",
    change: (table, owner) => table.hide(owner),
    is: "unknown permission-denied",
    by: "process unknown"
  },
  {
    name: "scenario 27: recycled onto a hidden process",
    change: all(recycle(), (table, owner) => table.hide(owner)),
    is: "unknown permission-denied",
    by: "process unknown"
  },
  {
    name: "scenario 31: no procfs, the PID absent",
    change: (table, owner) => Effect.andThen(table.exit(owner), table.fail("all", "no-procfs")),
    is: "unknown no-procfs",
    by: "process unknown"
  },
  ...(["resources", "malformed", "unsupported"] as const).map((reason): Row => ({
    name: `scenario 26: ${reason}, the PID absent`,
    change: (table, owner) => Effect.andThen(table.exit(owner), table.fail(owner, reason)),
    is: "unknown inspection-failed",
    by: "process unknown"
  }))
])

const threadTakesNumber: NonNullable<Row["change"]> = (table, owner) =>
  Effect.gen(function* () {
    const other = yield* table.spawn()
    yield* table.exit(owner)
    assert.strictEqual(yield* table.addThread(other), owner)
  })

table("5: threads", [
  ...(["v1", "v2", "v3"] as const).map((format): Row => ({
    name: `scenario 14: a thread of another process got the number, ${format}`,
    format,
    options: { pidMax: 3 },
    change: threadTakesNumber,
    is: "dead not-a-process",
    by: "tgid different"
  })),
  {
    name: "a thread of another user's process got the number",
    options: { pidMax: 3 },
    change: (table, owner) =>
      Effect.gen(function* () {
        const other = yield* table.spawn({ uid: 0 })
        yield* table.exit(owner)
        yield* table.addThread(other)
      }),
    is: "dead not-a-process",
    by: "tgid different"
  }
])

table("6: the state", [
  ...(["v1", "v2", "v3"] as const).map((format): Row => ({
    name: `scenario 15: a zombie, ${format}`,
    format,
    change: (table, owner) => table.zombie(owner),
    is: "dead zombie",
    by: "state not-applicable"
  })),
  {
    name: "the zombie reaped",
    change: (table, owner) => Effect.andThen(table.zombie(owner), table.reap(owner)),
    is: "dead pid-dead",
    by: "process different"
  },
  {
    name: "scenario 16: the leader exited, a thread runs on",
    change: (table, owner) => Effect.andThen(table.addThread(owner), table.exitLeader(owner)),
    is: "alive matches",
    by: "processId64 equal"
  },
  {
    name: "scenario 16: the leader exited, a thread runs on, without ids",
    options: { processIds: false },
    change: (table, owner) => Effect.andThen(table.addThread(owner), table.exitLeader(owner)),
    is: "alive matches",
    by: "startTime equal"
  },
  {
    name: "scenario 16: the leader exited, a thread runs on, v1",
    format: "v1",
    change: (table, owner) => Effect.andThen(table.addThread(owner), table.exitLeader(owner)),
    is: "alive pid-alive",
    by: "state not-applicable"
  },
  {
    name: "scenario 16: the leader exited, a thread runs on, v2: no executable to be read",
    format: "v2",
    change: (table, owner) => Effect.andThen(table.addThread(owner), table.exitLeader(owner)),
    is: "unknown permission-denied",
    by: "executable unknown"
  },
  {
    name: "the leader exited, then its last thread",
    change: (table, owner) =>
      Effect.gen(function* () {
        const thread = yield* table.addThread(owner)
        yield* table.exitLeader(owner)
        yield* table.exitThread(thread)
      }),
    is: "dead zombie",
    by: "state not-applicable"
  },
  {
    name: "the leader exited, its threads not readable",
    change: (table, owner) =>
      Effect.all([table.addThread(owner), table.exitLeader(owner), table.mask("threads")], { discard: true }),
    is: "alive matches",
    by: "processId64 equal"
  }
])

table("7: the 64-bit process id", [
  { name: "the same process", is: "alive matches", by: "processId64 equal" },
  {
    name: "scenario 5: recycled in the same tick, onto the same executable",
    change: recycle(),
    is: "dead identity-mismatch",
    by: "processId64 different"
  },
  {
    name: "recycled by a fork of the owner itself",
    change: (table, owner) =>
      Effect.gen(function* () {
        const fork = yield* table.spawn({ parent: owner })
        yield* table.exit(owner)
        yield* table.spawnAt(owner, { parent: fork })
      }),
    is: "dead identity-mismatch",
    by: "processId64 different"
  },
  {
    name: "scenario 21: another program, by exec in place",
    change: (table, owner) => table.exec(owner, "/bin/other"),
    is: "alive matches",
    by: "processId64 equal"
  },
  {
    name: "scenario 20: the reader in another time namespace",
    change: (table) => table.setTimeNamespace(10_000_000),
    is: "alive matches",
    by: "processId64 equal"
  },
  {
    name: "recycled onto another user's process",
    change: recycle({ uid: 0 }),
    is: "dead identity-mismatch",
    by: "processId64 different"
  },
  {
    name: "recorded, and not to be had now, recycled in another tick",
    change: all(after(50, recycle()), (table) => table.mask("processId64")),
    is: "dead start-time-mismatch",
    by: "startTime different"
  },
  {
    name: "not recorded, and to be had now: the same process",
    before: (table) => table.mask("processId64"),
    change: (table) => table.mask(),
    is: "alive matches",
    by: "startTime equal"
  },
  {
    name: "not recorded, and to be had now: recycled in another tick",
    before: (table) => table.mask("processId64"),
    change: all((table) => table.mask(), after(50, recycle())),
    is: "dead start-time-mismatch",
    by: "startTime different"
  }
])

const ticksOnly: Pick<Row, "options"> = { options: { processIds: false } }

table("8: the start token", [
  { ...ticksOnly, name: "the same process", is: "alive matches", by: "startTime equal" },
  {
    ...ticksOnly,
    name: "scenario 4: recycled one tick later, onto the same executable",
    change: (table, owner) => Effect.andThen(table.tick(), recycle()(table, owner)),
    is: "dead start-time-mismatch",
    by: "startTime different"
  },
  {
    ...ticksOnly,
    name: "scenario 3: recycled one tick later, onto another executable",
    change: after(10, recycle({ exe: "/bin/other" })),
    is: "dead start-time-mismatch",
    by: "startTime different"
  },
  {
    ...ticksOnly,
    name: "scenario 5: recycled in the same tick: kept, on the weaker evidence",
    change: after(9, recycle()),
    is: "alive matches",
    by: "startTime equal"
  },
  {
    ...ticksOnly,
    name: "scenario 5: recycled in the same tick, onto another executable: kept, it could be exec",
    change: recycle({ exe: "/bin/other" }),
    is: "alive matches",
    by: "startTime equal"
  },
  {
    ...ticksOnly,
    name: "scenario 21: another program, by exec in place",
    change: after(5000, (table, owner) => table.exec(owner, "/bin/other")),
    is: "alive matches",
    by: "startTime equal"
  },
  {
    ...ticksOnly,
    name: "scenario 22: the binary deleted",
    change: (table, owner) => table.deleteExe(owner),
    is: "alive matches",
    by: "startTime equal"
  },
  {
    ...ticksOnly,
    name: "scenario 29: another user's process",
    spawn: { uid: 0 },
    is: "alive matches",
    by: "startTime equal"
  },
  {
    ...ticksOnly,
    name: "scenario 30: recycled onto another user's process",
    change: after(50, recycle({ uid: 0 })),
    is: "dead start-time-mismatch",
    by: "startTime different"
  },
  {
    ...ticksOnly,
    name: "scenario 20: the reader in another time namespace, the owner there",
    change: (table) => table.setTimeNamespace(10_000_000),
    is: "alive matches",
    by: "startTime equal"
  },
  {
    ...ticksOnly,
    name: "scenario 20: the reader in another time namespace, recycled",
    change: all(after(50, recycle()), (table) => table.setTimeNamespace(-50)),
    is: "dead start-time-mismatch",
    by: "startTime different"
  },
  {
    ...ticksOnly,
    name: "scenario 73: the reader in another time namespace, its offset not readable, recycled",
    change: all(
      after(50, recycle()),
      (table) => table.setTimeNamespace(-50),
      (table) => table.mask("processId64", "timeOffset")
    ),
    is: "unknown not-comparable",
    by: "startTime unknown"
  },
  {
    ...ticksOnly,
    name: "not readable now, recycled",
    change: all(after(50, recycle({ exe: "/bin/other" })), (table) => table.mask("processId64", "startTime")),
    is: "unknown not-comparable",
    by: "startTime unknown"
  },
  {
    ...ticksOnly,
    name: "scenario 18: after a sleep of eight hours",
    change: (table) => table.tick(8 * 3600 * 100),
    is: "alive matches",
    by: "startTime equal"
  },
  ...[-31_536_000_000, 31_536_000_000].flatMap((jump): ReadonlyArray<Row> => [
    {
      ...ticksOnly,
      name: `scenario 19: the wall clock set by ${jump} ms`,
      change: (table) => table.setWallClock(jump),
      is: "alive matches",
      by: "startTime equal"
    },
    {
      ...ticksOnly,
      name: `scenario 19: the wall clock set by ${jump} ms, recycled`,
      change: all((table) => table.setWallClock(jump), after(50, recycle())),
      is: "dead start-time-mismatch",
      by: "startTime different"
    }
  ])
])

const legacy: Pick<Row, "format"> = { format: "v2" }

table("9: the executable of a v2 record", [
  { ...legacy, name: "the same process", is: "alive matches", by: "executable equal" },
  {
    ...legacy,
    name: "recycled onto another executable, 2 s after",
    change: after(2000, recycle({ exe: "/bin/other" })),
    is: "dead exe-mismatch",
    by: "startedAt different"
  },
  {
    ...legacy,
    name: "recycled onto another executable, less than 2 s after",
    change: after(1990, recycle({ exe: "/bin/other" })),
    is: "unknown exe-changed",
    by: "startedAt equal"
  },
  {
    ...legacy,
    name: "recycled onto the same executable: can't be told from the owner",
    change: after(60_000, recycle()),
    is: "alive matches",
    by: "executable equal"
  },
  {
    ...legacy,
    name: "the owner's binary renamed",
    change: after(60_000, (table, owner) => table.renameExe(owner, "/usr/bin/node.old")),
    is: "unknown exe-changed",
    by: "startedAt equal"
  },
  {
    ...legacy,
    name: "the owner's binary renamed, the wall clock set back",
    change: all(
      after(60_000, (table, owner) => table.renameExe(owner, "/usr/bin/node.old")),
      (table) => table.setWallClock(-31_536_000_000)
    ),
    is: "unknown exe-changed",
    by: "startedAt equal"
  },
  {
    ...legacy,
    name: "scenario 21: the owner ran another program by exec",
    change: after(60_000, (table, owner) => table.exec(owner, "/bin/other")),
    is: "unknown exe-changed",
    by: "startedAt equal"
  },
  {
    ...legacy,
    name: "scenario 22: the owner's binary deleted",
    change: (table, owner) => table.deleteExe(owner),
    is: "alive matches",
    by: "executable equal"
  },
  {
    ...legacy,
    name: "scenario 23: a binary really named (deleted)",
    spawn: { exe: "/opt/x (deleted)" },
    is: "alive matches",
    by: "executable equal"
  },
  {
    ...legacy,
    name: "scenario 23: a binary really named (deleted), deleted",
    spawn: { exe: "/opt/x (deleted)" },
    change: (table, owner) => table.deleteExe(owner),
    is: "alive matches",
    by: "executable equal"
  },
  {
    ...legacy,
    name: "refused",
    change: (table, owner) => table.deny(owner),
    is: "unknown permission-denied",
    by: "executable unknown"
  },
  {
    ...legacy,
    name: "recycled onto another user's process",
    change: after(60_000, recycle({ uid: 0, exe: "/bin/other" })),
    is: "unknown permission-denied",
    by: "executable unknown"
  },
  {
    ...legacy,
    name: "recycled onto another executable, its start not readable",
    change: all(after(60_000, recycle({ exe: "/bin/other" })), (table) => table.mask("startedAt")),
    is: "unknown exe-changed",
    by: "startedAt unknown"
  }
])

table("10: a PID alone", [
  { name: "the same process", format: "v1", is: "alive pid-alive", by: "state not-applicable" },
  {
    name: "recycled onto anything: can't be told from the owner",
    format: "v1",
    change: after(60_000, recycle({ exe: "/bin/other" })),
    is: "alive pid-alive",
    by: "state not-applicable"
  },
  {
    name: "another user's process",
    format: "v1",
    change: (table, owner) => table.deny(owner),
    is: "alive pid-alive",
    by: "state not-applicable"
  }
])

it.effect("scenario 1: the reader's own record is alive by its identity, and a recycled one under its PID isn't", () =>
  Effect.gen(function* () {
    const table = yield* FakeProcessTable.FakeProcessTable
    const { pid } = yield* (yield* ProcessInspector).self
    const written = yield* writtenBy(pid)
    assert.strictEqual((yield* judged(written)).reason, "matches")
    yield* table.exit(pid)
    yield* table.spawnAt(pid)
    assert.strictEqual((yield* judged(written)).reason, "identity-mismatch")
  }).pipe(Effect.provide(FakeProcessTable.layer))
)

const host = FakeProcessTable.initialPidNamespace

const Step = Schema.Struct({
  what: Schema.Literals([
    "spawn",
    "spawn",
    "spawn",
    "exit",
    "exit",
    "recycle",
    "recycle",
    "zombie",
    "reap",
    "thread",
    "exit leader",
    "exit thread",
    "exec",
    "deny",
    "hide",
    "allow",
    "fail",
    "restore",
    "mask",
    "unmask",
    "tick",
    "reboot",
    "container",
    "leave",
    "end container",
    "cover",
    "uncover",
    "time namespace"
  ]),
  at: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 30 }))
})

describe("any history", () => {
  const masks = ["processId64", "startTime", "bootId", "machineId", "pidNamespace", "timeOffset", "threads"] as const

  const live = Effect.fnUntraced(function* (steps: ReadonlyArray<typeof Step.Type>) {
    const table = yield* FakeProcessTable.FakeProcessTable
    const records: Array<
      Written & { readonly id: string; readonly reader: string; readonly containers: number; readonly isWhole: boolean }
    > = []
    const blind = new Set<"mask" | "cover" | "hide" | "fail">()
    let reader = host
    let containers = 0

    const act = Effect.fnUntraced(function* ({ at, what }: typeof Step.Type) {
      const pids = (yield* table.pids).filter((pid) => pid !== 1)
      const pid = pids[at % pids.length]
      switch (what) {
        case "tick":
          return yield* table.tick(at)
        case "restore":
          blind.delete("fail")
          return yield* table.restore
        case "mask": {
          blind.add("mask")
          return yield* table.mask(masks[at % masks.length] ?? "startTime", ...masks.slice(at % 9))
        }
        case "unmask":
          blind.delete("mask")
          return yield* table.mask()
        case "reboot":
          blind.clear()
          reader = host
          yield* table.mask()
          return yield* table.reboot()
        case "cover":
          blind.add("cover")
          return yield* table.coverBootId({})
        case "uncover":
          blind.delete("cover")
          return yield* table.coverBootId(undefined)
        case "container":
        case "leave":
          reader = what === "leave" ? host : "pid:[2]"
          return yield* table.enterPidNamespace(reader)
        case "end container":
          if (reader !== host) return
          containers += 1
          return yield* table.endPidNamespace("pid:[2]")
        case "time namespace":
          return yield* table.setTimeNamespace((at % 3) * 7)
        case "spawn":
          return yield* table.spawn({ exe: `/bin/${at % 2}` })
      }
      if (pid === undefined) return
      switch (what) {
        case "exit":
          return yield* table.exit(pid)
        case "recycle":
          yield* table.exit(pid)
          return yield* table.spawnAt(pid)
        case "zombie":
          return yield* table.zombie(pid)
        case "reap":
          return yield* table.reap(pid)
        case "thread":
          return yield* table.addThread(pid)
        case "exit leader":
          return yield* table.exitLeader(pid)
        case "exit thread":
          return yield* Effect.forEach(pids, (tid) => table.exitThread(tid))
        case "exec":
          return yield* table.exec(pid, "/bin/exec")
        case "deny":
          return yield* table.deny(pid)
        case "hide":
          blind.add("hide")
          return yield* table.hide(pid)
        case "allow":
          return yield* table.allow(pid)
        case "fail":
          blind.add("fail")
          return yield* table.fail(at % 2 === 0 ? pid : "all", "resources")
      }
    })

    for (const step of steps) {
      yield* Effect.ignore(act(step))
      const pids = yield* table.pids
      for (const pid of pids) {
        const id = yield* table.idOf(pid)
        if (records.some((record) => record.id === id)) continue
        const isWhole = !blind.has("mask") && !blind.has("cover")
        yield* writtenBy(pid).pipe(
          Effect.map((written) => records.push({ ...written, id, reader, containers, isWhole })),
          Effect.ignore
        )
      }
      for (const record of records) {
        const isAlive = yield* table.isAlive(record.id)
        const search = yield* table.namespaceProof(soughtOf(record))
        for (const verdict of [yield* judged(record), yield* judged(record, { search })]) {
          const what = `${record.id} ${isAlive ? "lives" : "is gone"}: ${JSON.stringify(verdict)}`
          if (isAlive) assert.notStrictEqual(verdict.verdict, "dead", what)
          // Without the 64-bit id, another process of the same tick can't be told from the owner: it is kept.
          // Without its boot, a record of an earlier one may name a process of this by the same id.
          if (!record.isWhole || blind.has("mask") || blind.has("cover")) continue
          if (!isAlive) assert.notStrictEqual(verdict.verdict, "alive", what)
          // A container that was given the number of one that ended is another.
          const isBeside = record.reader === reader && (reader === host || record.containers === containers)
          if (blind.size > 0 || !isBeside) continue
          assert.strictEqual(verdict.verdict, isAlive ? "alive" : "dead", what)
        }
      }
    }
  })

  it.effect.prop(
    "an owner that lives is never dead, one that doesn't never alive, and a reader that sees all knows",
    [Arbitrary.array(Arbitrary.schema(Step), { maxLength: 40 })],
    ([steps]) => live(steps).pipe(Effect.provide(FakeProcessTable.layerWith({ pidMax: 12 }))),
    runs(150)
  )
})
