import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { ProcessInspector } from "../src/ProcessInspector.ts"
import * as FakeProcessTable from "../src/testing/FakeProcessTable.ts"
import { judged, writtenBy } from "./support/owner.ts"
import { after, all, exit, recycle, type Row, table, ticksOnly } from "./support/throughTable.ts"
import { onShared } from "./support/verdicts.ts"

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
