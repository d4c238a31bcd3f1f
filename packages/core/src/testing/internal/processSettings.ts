/** Initial state of a fake kernel, and of its readers. Pure. */
import { initialPidNamespace } from "../../ProcessIdentity.ts"
import type { Cover, Options, Place } from "../FakeProcessTableModel.ts"
import * as Table from "./processTable.ts"

export const initial = (options: Options, now: number): Table.Table =>
  Table.boot(
    {
      kernel: options.kernel ?? 0,
      pidMax: options.pidMax ?? 1024,
      readerUid: options.uid ?? 1000,
      namespaces: options.namespaces ?? "supported",
      boots: 0,
      machineId: options.machineId ?? "f".repeat(32),
      hostname: options.hostname ?? "host",
      processes: [],
      spawned: 0,
      lastPids: new Map(),
      pidNamespace: initialPidNamespace,
      timeOffset: 0,
      virtualMachine: options.virtualMachine ?? false,
      cover: undefined,
      masked: options.processIds === false ? ["processId64"] : [],
      failures: new Map(),
      locks: [],
      now,
      elapsed: 0,
      bootedAt: now,
      skew: 0
    },
    {}
  )

export const coverOf = (cover: Cover | undefined): Table.Cover | undefined =>
  cover === undefined ? undefined : { problem: "another file is mounted over it", seenByRoot: false, ...cover }

export const moved = (table: Table.Table, { cover, pidNamespace, uid, ...place }: Place): Table.Table => {
  const { cover: before, readerUid } = table
  const there = { ...table, ...place, readerUid: uid ?? readerUid, cover: coverOf(cover) ?? before }
  return pidNamespace === undefined ? there : Table.enter(there, pidNamespace)
}
