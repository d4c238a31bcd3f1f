/** What a reader sees of a fake kernel's processes. Pure. */
import * as Result from "effect/Result"
import * as Struct from "effect/Struct"
import { IdentityUnavailable, NotFound, PermissionDenied } from "../../Errors.ts"
import type { Observation, Present, Wanted } from "../../Observation.ts"
import { type HostIdentity, type Pid, ProcessIdentity } from "../../ProcessIdentity.ts"
import type { NamespaceProof } from "../../Verdict.ts"
import {
  find,
  initialPidNamespace,
  isGone,
  type Maskable,
  type Process,
  type Table,
  tickMillis,
  ticks
} from "./processTable.ts"

export const host = (table: Table): HostIdentity => {
  const everything: HostIdentity = {
    bootId: `00000000-0000-4000-8000-${table.boots.toString(16).padStart(12, "0")}`,
    machineId: table.machineId,
    hostname: table.hostname,
    namespaces: table.namespaces,
    ...(table.namespaces === "none"
      ? {}
      : { pidNamespace: table.pidNamespace, timeNamespace: `time:[${4_026_531_834 + table.timeOffset}]` })
  }
  return Struct.omit(everything, table.masked.filter(isOfHost))
}

type OfHost = Extract<Maskable, keyof HostIdentity>

const isOfHost = (key: Maskable): key is OfHost =>
  key === "bootId" || key === "machineId" || key === "pidNamespace" || key === "timeNamespace"

const isOfProcess = (key: Maskable): key is Exclude<Maskable, OfHost> => !isOfHost(key)

/** Past 2^53, where a number would no longer tell two processes apart. */
const processId64 = (process: Process): string => `${2n ** 53n + BigInt(process.serial)}`

const executableOf = (table: Table, process: Process): Pick<Present, "exe" | "exeError"> => {
  // A leader that exited has no memory map, and so no link, also where threads are left.
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
    // The kernel counts a leader that exited as long as it isn't reaped.
    threads: process.threads.length + 1,
    // The kernel adds the offset of the reader's time namespace, as an unsigned number.
    startTime: BigInt.asUintN(64, BigInt(startTicks + table.timeOffset)).toString(),
    startedAt: wallClock - (ticks(table) - startTicks) * tickMillis,
    // `pidfd_open(2)` refuses a thread id.
    ...(thread === undefined ? { processId64: processId64(process) } : {}),
    ...executableOf(table, process),
    uid: process.uid,
    comm: process.comm
  }
}

type Optional = Exclude<keyof Present, "_tag" | "pid">

const unwanted = (wanted: Wanted, hasId: boolean): ReadonlyArray<Optional> => {
  switch (wanted) {
    case "existence":
      return ["startTime", "startedAt", "processId64", "exe", "exeError", "uid"]
    case "identity":
      return ["startedAt", "exe", "exeError", "uid", ...(hasId ? (["startTime"] as const) : [])]
    case "path":
      return ["processId64", "startTime", "startedAt", "uid"]
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

export const observe = (table: Table, pid: Pid, wanted: Wanted, pidNamespace = table.pidNamespace): Observation => {
  const reason = table.failures.get(pid) ?? table.failures.get("all")
  if (reason !== undefined) return { _tag: "Unavailable", pid, reason, detail: answers[reason] }
  const process = find(table, pidNamespace, pid)
  if (process === undefined) return { _tag: "Absent", pid }
  if (process.access === "hidden") return { _tag: "Hidden", pid, detail: "stat: ENOENT, kill: EPERM" }
  const readable: Present = Struct.omit(present(table, process, pid), table.masked.filter(isOfProcess))
  return Struct.omit(readable, unwanted(wanted, "processId64" in readable))
}

export const identify = (
  table: Table,
  pid: Pid
): Result.Result<ProcessIdentity, NotFound | PermissionDenied | IdentityUnavailable> => {
  const operation = "identify process"
  const seen = observe(table, pid, "all")
  switch (seen._tag) {
    case "Absent":
      return Result.fail(new NotFound({ operation, pid }))
    case "Hidden":
      return Result.fail(new PermissionDenied({ operation, pid }))
    case "Unavailable":
      return Result.fail(new IdentityUnavailable({ pid, detail: seen.detail }))
    case "Present": {
      const process = find(table, table.pidNamespace, pid)
      if (process?.pid !== pid || isGone(process)) return Result.fail(new NotFound({ operation, pid }))
      const { exe, processId64, startTime, uid } = seen
      if (startTime === undefined) return Result.fail(new IdentityUnavailable({ pid, detail: "no start time" }))
      const { namespaces: _, ...place } = host(table)
      return Result.succeed(
        new ProcessIdentity({
          ...place,
          pid,
          startTime,
          ...(processId64 === undefined ? {} : { processId64 }),
          ...(uid === undefined ? {} : { uid }),
          ...(exe === undefined ? {} : { exe })
        })
      )
    }
  }
}

export const self = (table: Table): Result.Result<ProcessIdentity, IdentityUnavailable> => {
  const reader = table.processes.find((process) => process.isReader && process.pidNamespace === table.pidNamespace)
  if (reader === undefined) return Result.fail(new IdentityUnavailable({ pid: 0, detail: "the reader has exited" }))
  return Result.mapError(
    identify(table, reader.pid),
    (error) => new IdentityUnavailable({ pid: reader.pid, detail: error.message })
  )
}

/** What a reader in the initial PID namespace knows of another one: it has a number for every process of it. */
export const namespaceProof = (table: Table, pidNamespace: string, pid: Pid): NamespaceProof => {
  const isBlind = table.failures.size > 0 || table.processes.some(({ access }) => access === "hidden")
  if (table.pidNamespace !== initialPidNamespace || isBlind) return { _tag: "Incomplete" }
  return table.processes.some((process) => process.pidNamespace === pidNamespace)
    ? { _tag: "Found", observation: observe(table, pid, "all", pidNamespace) }
    : { _tag: "Gone" }
}
