/** A fake kernel and its processes, as a reader sees them. Pure. */
import * as Result from "effect/Result"
import * as Struct from "effect/Struct"
import { IdentityUnavailable } from "../../Errors.ts"
import { type FileId, sameFile } from "../../FileId.ts"
import type { Observation, Present, ObserveDepth } from "../../Observation.ts"
import type { NamespaceProof, Sought } from "../../PidNamespaces.ts"
import { compare, type FirstProcess, type HostIdentity, initialPidNamespace, type Pid } from "../../ProcessIdentity.ts"
import type { Maskable } from "../FakeProcessTableModel.ts"
import { find, type Process, type Table, tickMillis, tickNanos, ticks } from "./processTable.ts"

/** The ids are above 2^53. A consumer that converts ids to `number` confuses two processes, and its tests fail. */
const processId64 = (process: Process): string => `${2n ** 53n + BigInt(process.serial)}`

// The kernel adds the offset of the reader's time namespace in unsigned 64-bit arithmetic.
const startTime = (table: Table, ticks: number): string =>
  BigInt.asUintN(64, BigInt(ticks + table.timeOffset)).toString()

/** The first process of a PID namespace, as the reader sees it. */
const firstProcess = (table: Table, pidNamespace: string): FirstProcess | undefined => {
  const first = find(table, pidNamespace, 1)
  if (first === undefined) return undefined
  const seen = { startTime: startTime(table, first.startTicks) }
  return table.masked.includes("processId64") ? seen : { ...seen, processId64: processId64(first) }
}

const hex = (value: number, length: number): string => value.toString(16).padStart(length, "0")

const bootIdOf = ({ boots, cover, kernel, readerUid }: Table): Pick<HostIdentity, "bootId" | "bootIdProblem"> =>
  cover === undefined || (cover.seenByRoot && readerUid === 0)
    ? { bootId: `${hex(kernel, 8)}-0000-4000-8000-${hex(boots, 12)}` }
    : { bootIdProblem: cover.problem }

const namespacesOf = (table: Table): Partial<HostIdentity> => {
  const pidNamespaceInit = firstProcess(table, table.pidNamespace)
  return {
    pidNamespace: table.pidNamespace,
    ...(pidNamespaceInit === undefined ? {} : { pidNamespaceInit }),
    timeOffset: `${BigInt(table.timeOffset) * tickNanos}`
  }
}

export const host = (table: Table): HostIdentity => {
  const everything: HostIdentity = {
    ...bootIdOf(table),
    machineId: table.machineId,
    hostname: table.hostname,
    namespaces: table.namespaces,
    virtualMachine: table.virtualMachine,
    ...(table.namespaces === "none" ? {} : namespacesOf(table))
  }
  return Struct.omit(everything, table.masked.filter(isOfHost))
}

type OfHost = Extract<Maskable, keyof HostIdentity>

const ofHost: Readonly<Record<OfHost, true>> = {
  bootId: true,
  bootIdProblem: true,
  machineIdProblem: true,
  machineId: true,
  pidNamespace: true,
  pidNamespaceInit: true,
  timeOffset: true,
  virtualMachine: true
}

const isOfHost = (key: Maskable): key is OfHost => key in ofHost

const isOfProcess = (key: Maskable): key is Exclude<Maskable, OfHost> => !isOfHost(key)

const executableOf = (table: Table, process: Process): Pick<Present, "exe" | "exeError"> => {
  // A leader that has exited has no memory map, hence no `/proc/<pid>/exe`, even while other threads run.
  if (process.exited) return { exeError: "not-available" }
  const isForeign = table.readerUid !== 0 && process.uid !== table.readerUid
  return process.access === "denied" || isForeign ? { exeError: "permission-denied" } : { exe: process.exe }
}

const present = (table: Table, process: Process, pid: Pid): Present => {
  const thread = process.threads.find(({ tid }) => tid === pid)
  const startTicks = thread?.startTicks ?? process.startTicks
  const wallClock = table.now + table.elapsed + table.skew
  return {
    _tag: "Present",
    pid,
    tgid: process.pid,
    state: process.exited && thread === undefined ? "Z" : process.stopped ? "T" : "S",
    // The kernel counts an exited leader until it is reaped.
    threads: process.threads.length + 1,
    startTime: startTime(table, startTicks),
    startedAt: wallClock - (ticks(table) - startTicks) * tickMillis,
    bootedAt: wallClock - ticks(table) * tickMillis,
    // `pidfd_open(2)` refuses a thread id.
    ...(thread === undefined ? { processId64: processId64(process) } : {}),
    ...executableOf(table, process),
    uid: process.uid,
    comm: process.comm
  }
}

type Optional = Exclude<keyof Present, "_tag" | "pid">

const unwanted = (wanted: ObserveDepth, hasId: boolean): ReadonlyArray<Optional> => {
  switch (wanted) {
    case "existence":
      return ["startTime", "startedAt", "bootedAt", "processId64", "exe", "exeError", "uid"]
    case "identity":
      return ["startedAt", "bootedAt", "exe", "exeError", "uid", ...(hasId ? (["startTime"] as const) : [])]
    case "path":
      return ["processId64", "startTime", "startedAt", "bootedAt", "uid"]
    case "executable":
      return ["processId64", "uid"]
    case "all":
      return []
  }
}

const answers = {
  "no-procfs": "/proc is not procfs",
  resources: "open: EMFILE",
  malformed: "stat: no command name",
  unsupported: "no source"
} as const

export const observe = (
  table: Table,
  pid: Pid,
  wanted: ObserveDepth,
  pidNamespace = table.pidNamespace
): Observation => {
  const reason = table.failures.get(pid) ?? table.failures.get("all")
  if (reason !== undefined) return { _tag: "Unavailable", pid, reason, detail: answers[reason] }
  const process = find(table, pidNamespace, pid)
  if (process === undefined) return { _tag: "Absent", pid }
  if (process.access === "hidden") return { _tag: "Hidden", pid, detail: "stat: ENOENT, kill: EPERM" }
  const readable: Present = Struct.omit(present(table, process, pid), table.masked.filter(isOfProcess))
  return Struct.omit(readable, unwanted(wanted, "processId64" in readable))
}

export const selfPid = (table: Table): Result.Result<Pid, IdentityUnavailable> => {
  const reader = table.processes.find((process) => process.isReader && process.pidNamespace === table.pidNamespace)
  return reader === undefined
    ? Result.fail(new IdentityUnavailable({ pid: 0, detail: "the reader has exited" }))
    : Result.succeed(reader.pid)
}

export const lockHolders = ({ locks, pidNamespace, processes }: Table, directory: FileId): ReadonlyArray<Pid> =>
  processes.flatMap((process) =>
    process.pidNamespace === pidNamespace &&
    // A zombie has no open files.
    !(process.exited && process.threads.length === 0) &&
    locks.some((lock) => lock.process === process.id && sameFile(lock.directory, directory))
      ? [process.pid]
      : []
  )

/** Whether the reader sees every process: it is in the initial PID namespace, and no process or answer is withheld. */
const seesAll = ({ failures, pidNamespace, processes }: Table): boolean =>
  pidNamespace === initialPidNamespace && failures.size === 0 && processes.every(({ access }) => access !== "hidden")

/**
 * Searches the whole kernel for a process, by its 64-bit id if that is known, otherwise by its PID in the namespace
 * with the recorded number. That namespace may be a later one with the same number, in which another process has the
 * PID.
 */
export const search = (table: Table, sought: Sought, wanted: ObserveDepth): NamespaceProof => {
  if (table.namespaces === "none" || !seesAll(table)) return { _tag: "Incomplete" }
  const { pid, pidNamespace, pidNamespaceInit } = sought
  const found = (process: Process): NamespaceProof => ({
    _tag: "Found",
    observation: observe(table, process.pid, wanted, process.pidNamespace)
  })
  if (sought.processId64 !== undefined && !table.masked.includes("processId64")) {
    const process = table.processes.find((process) => processId64(process) === sought.processId64)
    return process === undefined ? { _tag: "Gone", by: "processId64" } : found(process)
  }
  if (pidNamespace === undefined) return { _tag: "Incomplete" }
  const first = firstProcess(table, pidNamespace)
  const isThere = table.processes.some((process) => process.pidNamespace === pidNamespace)
  if (!isThere || compare(pidNamespaceInit?.processId64, first?.processId64) === "different") {
    return { _tag: "Gone", by: "namespace" }
  }
  return { _tag: "Found", observation: observe(table, pid, wanted, pidNamespace) }
}
