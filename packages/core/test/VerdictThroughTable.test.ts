import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import type { Pid } from "../src/ProcessIdentity.ts"
import { ProcessInspector } from "../src/ProcessInspector.ts"
import type { Format } from "../src/Sentinel.ts"
import * as FakeProcessTable from "../src/testing/FakeProcessTable.ts"
import { made, rows, sharedDirectory, sharedFrame } from "./support/fixtures.ts"
import { answer, type Circumstances } from "./support/judging.ts"
import { judged, soughtOf, writtenBy } from "./support/owner.ts"
import { otherScope, running } from "./support/verdicts.ts"

type Controls = FakeProcessTable.FakeProcessTable["Service"]
type Change = (table: Controls, owner: Pid) => Effect.Effect<unknown, unknown>

interface Row {
  readonly name: string
  readonly format?: Format
  readonly options?: FakeProcessTable.Options
  readonly before?: (table: Controls) => Effect.Effect<unknown, unknown>
  /** What happens after the record was written. */
  readonly change: Change
  readonly circumstances?: Partial<Circumstances>
  readonly is: string
  /** The last datum that was compared. */
  readonly by: string
}

const play = (row: Row) =>
  Effect.gen(function* () {
    const table = yield* FakeProcessTable.FakeProcessTable
    yield* row.before?.(table) ?? Effect.void
    const owner = yield* table.spawn()
    const directory = row.circumstances?.frame === sharedFrame ? sharedDirectory : made
    const written = yield* writtenBy(owner, row.format, { directory })
    yield* row.change(table, owner)
    const verdict = yield* judged(written, row.circumstances)
    assert.strictEqual(answer(verdict), row.is)
    assert.strictEqual(rows(verdict.evidence).at(-1), row.by)
  }).pipe(Effect.provide(FakeProcessTable.layerWith(row.options ?? {})))

const table = (title: string, given: ReadonlyArray<Row>) =>
  describe(title, () => {
    for (const row of given) it.effect(`${row.name} → ${row.is}`, () => play(row))
  })

const recycle =
  (options?: FakeProcessTable.SpawnOptions): Change =>
  (table, owner) =>
    Effect.andThen(table.exit(owner), table.spawnAt(owner, options))

const after =
  (millis: number, change: Change): Change =>
  (table, owner) =>
    Effect.andThen(TestClock.adjust(millis), change(table, owner))

const all =
  (...steps: ReadonlyArray<Change>): Change =>
  (table, owner) =>
    Effect.forEach(steps, (step) => step(table, owner))

const exit: Change = (table, owner) => table.exit(owner)
const onShared = { frame: sharedFrame }
const ticksOnly = { processIds: false }

table("the boot and the machine", [
  {
    name: "scenario 6: rebooted, the PID taken by another",
    change: (table, owner) => Effect.andThen(table.reboot(), table.spawnAt(owner, { exe: "/bin/other" })),
    is: "dead rebooted",
    by: "machineId equal"
  },
  {
    name: "rebooted, on a shared file system",
    change: (table) => table.reboot(),
    circumstances: onShared,
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
    name: "scenario 8: the boot id not readable when it was recorded, the PID absent",
    before: (table) => table.mask("bootId"),
    change: all(exit, (table) => table.mask()),
    is: "dead pid-dead",
    by: "process different"
  },
  {
    name: "scenario 8: the boot id not readable now, on a shared file system, the PID absent",
    change: all(exit, (table) => table.mask("bootId")),
    circumstances: onShared,
    is: "unknown boot-unknown",
    by: "bootId unknown"
  },
  {
    name: "scenario 61: the boot id covered when it was recorded, the same process",
    before: (table) => table.coverBootId({}),
    change: (table) => table.coverBootId(undefined),
    is: "alive matches",
    by: "processId64 equal"
  },
  {
    name: "scenario 61: the boot id covered now, on a shared file system, the same process",
    change: (table) => table.coverBootId({}),
    circumstances: onShared,
    is: "alive matches",
    by: "processId64 equal"
  },
  {
    name: "scenario 61: the boot id covered, in a container, the owner outside",
    change: (table) => Effect.andThen(table.coverBootId({}), table.enterPidNamespace("pid:[2]")),
    is: "unknown boot-unknown",
    by: "pidNamespace different"
  },
  {
    name: "the boot id covered, rebooted, the PID absent",
    change: (table) => Effect.andThen(table.reboot(), table.coverBootId({})),
    is: "dead pid-dead",
    by: "process different"
  },
  {
    name: "scenario 99: on a shared file system, in a virtual machine, the PID absent",
    options: { virtualMachine: true },
    change: exit,
    circumstances: onShared,
    is: "unknown machine-unknown",
    by: "process different"
  }
])

table("the PID namespace", [
  {
    name: "scenario 10: the owner in a container, the reader on the host",
    before: (table) => table.enterPidNamespace("pid:[2]"),
    change: (table) => table.enterPidNamespace(FakeProcessTable.initialPidNamespace),
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
  }
])

describe("a search of the whole kernel for an owner in a container", () => {
  const container = "pid:[2]"
  const found = [...otherScope, ...running]
  const gone = [...otherScope, "search different"]
  const proofs: ReadonlyArray<{
    readonly name: string
    readonly options?: FakeProcessTable.Options
    /** In the container, after the record was written. */
    readonly inside?: Change
    /** On the host. */
    readonly outside?: (table: Controls) => Effect.Effect<unknown, unknown>
    readonly is: string
    /** All that was compared, in order. */
    readonly compared: ReadonlyArray<string>
  }> = [
    { name: "found", is: "alive matches", compared: [...found, "processId64 equal"] },
    {
      name: "found, without ids",
      options: ticksOnly,
      is: "alive matches",
      compared: [...found, "processId64 unknown", "timeOffset equal", "startTime equal"]
    },
    { name: "exited", inside: exit, is: "dead process-gone", compared: gone },
    {
      name: "exited, without ids",
      options: ticksOnly,
      inside: exit,
      is: "dead pid-dead",
      compared: [...otherScope, "process different"]
    },
    { name: "its PID recycled", inside: recycle(), is: "dead process-gone", compared: gone },
    {
      name: "its PID recycled, without ids",
      options: ticksOnly,
      inside: after(50, recycle()),
      is: "dead start-time-mismatch",
      compared: [...found, "processId64 unknown", "timeOffset equal", "startTime different"]
    },
    { name: "a zombie", inside: (table, owner) => table.zombie(owner), is: "dead zombie", compared: found },
    {
      name: "ended with its container",
      outside: (table) => table.endPidNamespace(container),
      is: "dead process-gone",
      compared: gone
    },
    {
      name: "ended with its container, without ids",
      options: ticksOnly,
      outside: (table) => table.endPidNamespace(container),
      is: "dead namespace-gone",
      compared: gone
    },
    {
      name: "exited, and not every process can be seen",
      inside: exit,
      outside: (table) => Effect.flatMap(table.spawn(), table.hide),
      is: "unknown other-pid-namespace",
      compared: otherScope
    }
  ]
  const playProof = ({ compared, inside, is, options, outside }: (typeof proofs)[number]) =>
    Effect.gen(function* () {
      const table = yield* FakeProcessTable.FakeProcessTable
      yield* table.enterPidNamespace(container)
      const owner = yield* table.spawn()
      const written = yield* writtenBy(owner)
      yield* inside?.(table, owner) ?? Effect.void
      yield* table.enterPidNamespace(FakeProcessTable.initialPidNamespace)
      yield* outside?.(table) ?? Effect.void
      const search = yield* table.namespaceProof(soughtOf(written))
      const verdict = yield* judged(written, { search })
      assert.strictEqual(answer(verdict), is)
      assert.deepStrictEqual(rows(verdict.evidence), compared)
    }).pipe(Effect.provide(FakeProcessTable.layerWith(options ?? {})))

  for (const proof of proofs) it.effect(`${proof.name} → ${proof.is}`, () => playProof(proof))
})

table("the process, by its 64-bit id", [
  {
    name: "scenario 24: exited, a fork of it runs on",
    change: (table, owner) => Effect.andThen(table.spawn({ parent: owner }), table.exit(owner)),
    is: "dead pid-dead",
    by: "process different"
  },
  {
    name: "scenario 14: a thread of another process got the number",
    options: { pidMax: 3 },
    change: (table, owner) =>
      Effect.gen(function* () {
        const other = yield* table.spawn()
        yield* table.exit(owner)
        assert.strictEqual(yield* table.addThread(other), owner)
      }),
    is: "dead not-a-process",
    by: "tgid different"
  },
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
  }
])

table("the process, by its start", [
  ...(
    [
      ["scenario 3: recycled one tick later, onto another executable", "/bin/other"],
      ["scenario 4: recycled one tick later, onto the same executable", undefined]
    ] as const
  ).map(([name, exe]): Row => ({
    name,
    options: ticksOnly,
    change: after(10, recycle(exe === undefined ? {} : { exe })),
    is: "dead start-time-mismatch",
    by: "startTime different"
  })),
  {
    name: "scenario 5: recycled in the same tick: kept, on the weaker evidence",
    options: ticksOnly,
    change: after(9, recycle()),
    is: "alive matches",
    by: "startTime equal"
  },
  {
    name: "scenario 16: the leader exited, a thread runs on",
    options: ticksOnly,
    change: (table, owner) => Effect.andThen(table.addThread(owner), table.exitLeader(owner)),
    is: "alive matches",
    by: "startTime equal"
  },
  {
    name: "scenario 20: the reader in another time namespace",
    options: ticksOnly,
    change: (table) => table.setTimeNamespace(10_000_000),
    is: "alive matches",
    by: "startTime equal"
  },
  ...[-31_536_000_000, 31_536_000_000].flatMap((jump): ReadonlyArray<Row> => [
    {
      name: `scenario 19: the wall clock set by ${jump} ms`,
      options: ticksOnly,
      change: (table) => table.setWallClock(jump),
      is: "alive matches",
      by: "startTime equal"
    },
    {
      name: `scenario 19: the wall clock set by ${jump} ms, recycled`,
      options: ticksOnly,
      change: all((table) => table.setWallClock(jump), after(50, recycle())),
      is: "dead start-time-mismatch",
      by: "startTime different"
    }
  ])
])

table("the process of a v2 record", [
  {
    name: "recycled onto another executable, 2 s after",
    format: "v2",
    change: after(2000, recycle({ exe: "/bin/other" })),
    is: "dead exe-mismatch",
    by: "startedAt different"
  },
  {
    name: "scenario 21: the owner ran another program by exec",
    format: "v2",
    change: after(60_000, (table, owner) => table.exec(owner, "/bin/other")),
    is: "unknown exe-changed",
    by: "startedAt equal"
  },
  {
    name: "the owner's binary renamed, the wall clock set back",
    format: "v2",
    change: all(
      after(60_000, (table, owner) => table.renameExe(owner, "/usr/bin/node.old")),
      (table) => table.setWallClock(-31_536_000_000)
    ),
    is: "unknown exe-changed",
    by: "startedAt equal"
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
