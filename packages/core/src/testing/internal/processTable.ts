/** The processes of a fake kernel, and all changes to them. Pure. */
import * as Hash from "effect/Hash"
import * as Result from "effect/Result"
import { NotFound } from "../../Errors.ts"
import type { FileId } from "../../FileId.ts"
import type { Unavailable } from "../../Observation.ts"
import { type Executable, initialPidNamespace, Pid } from "../../ProcessIdentity.ts"
import { type Maskable, PidUnavailable, type SpawnOptions } from "../FakeProcessTableModel.ts"

interface Thread {
  readonly tid: Pid
  readonly startTicks: number
}

export interface Process {
  /** Unique over all boots and machines. No reader sees the id. Tests use it in assertions. */
  readonly id: string
  readonly serial: number
  readonly pidNamespace: string
  readonly pid: Pid
  readonly startTicks: number
  /** Threads other than the leader. */
  readonly threads: ReadonlyArray<Thread>
  /** Whether the leader has exited. The process is a zombie then, unless it has other threads. */
  readonly exited: boolean
  readonly stopped: boolean
  readonly exe: Executable
  readonly uid: number
  readonly comm: string
  readonly access: "open" | "denied" | "hidden"
  readonly isReader: boolean
}

/** A file that is mounted over that of the boot id. */
export interface Cover {
  /** The cause of the missing boot id, in words. */
  readonly problem: string
  /** Whether a reader of uid 0 reads the boot id below the mounted file. */
  readonly seenByRoot: boolean
}

/** A process that `lockHolders` names for a directory. */
interface Lock {
  /** `Process.id` of the holder. */
  readonly process: string
  readonly directory: FileId
}

/** Namespaces, uid and host of a reader. */
export interface Place {
  readonly pidNamespace: string
  /** Offset of the time namespace, in ticks. */
  readonly timeOffset: number
  readonly cover: Cover | undefined
  readonly readerUid: number
  readonly machineId: string
  readonly hostname: string
}

export const placeOf = ({ cover, hostname, machineId, pidNamespace, readerUid, timeOffset }: Place): Place => ({
  cover,
  hostname,
  machineId,
  pidNamespace,
  readerUid,
  timeOffset
})

/** A kernel, and the present reader. */
export interface Table extends Place {
  /** Number of the kernel, from which its boot ids are made. */
  readonly kernel: number
  readonly pidMax: number
  readonly namespaces: "supported" | "none"
  readonly virtualMachine: boolean
  readonly boots: number
  readonly processes: ReadonlyArray<Process>
  /** Number of processes started in this boot. */
  readonly spawned: number
  /** The last PID or thread id given, by PID namespace. */
  readonly lastPids: ReadonlyMap<string, number>
  readonly masked: ReadonlyArray<Maskable>
  readonly failures: ReadonlyMap<Pid | "all", Unavailable["reason"]>
  readonly locks: ReadonlyArray<Lock>
  /** Time of Effect's `Clock`, milliseconds. */
  readonly now: number
  /** Milliseconds that `tick` has added to `now`. */
  readonly elapsed: number
  /** Time of the boot, milliseconds, in terms of `now + elapsed`. */
  readonly bootedAt: number
  /** Error of the wall clock, milliseconds. */
  readonly skew: number
}

/** `CLK_TCK` is 100 on every Linux in use. */
export const tickMillis = 10
export const tickNanos = 10_000_000n

/**
 * Uptime at the beginning and right after each reboot, milliseconds. Processes of two boots can have equal start ticks.
 */
const bootMillis = 1000

export const ticks = (table: Table): number => Math.floor((table.now + table.elapsed - table.bootedAt) / tickMillis)

export const isGone = (process: Process): boolean => process.exited && process.threads.length === 0

const isNumbered = (process: Process, number: number): boolean =>
  process.pid === number || process.threads.some(({ tid }) => tid === number)

/** The process that has `number` in a PID namespace, as its PID or as one of its thread ids. */
export const find = (table: Table, pidNamespace: string, number: number): Process | undefined =>
  table.processes.find((process) => process.pidNamespace === pidNamespace && isNumbered(process, number))

const notFound = (pid: number) => Result.fail(new NotFound({ operation: "change process", pid, kind: "missing" }))

export const idOf = (table: Table, pid: Pid): Result.Result<string, NotFound> => {
  const process = find(table, table.pidNamespace, pid)
  return process?.pid === pid ? Result.succeed(process.id) : notFound(pid)
}

/** Changes the process under `pid` in the reader's PID namespace. A result of `undefined` removes the process. */
export const change = (
  table: Table,
  pid: Pid,
  f: (process: Process) => Process | undefined
): Result.Result<Table, NotFound> => {
  const target = find(table, table.pidNamespace, pid)
  if (target?.pid !== pid) return notFound(pid)
  const changed = f(target)
  const processes = table.processes.flatMap((process) =>
    process !== target ? [process] : changed === undefined ? [] : [changed]
  )
  return Result.succeed({ ...table, processes })
}

/** {@link change}, with `NotFound` for a zombie. */
const changeRunning = (table: Table, pid: Pid, f: (process: Process) => Process): Result.Result<Table, NotFound> => {
  const process = find(table, table.pidNamespace, pid)
  return process !== undefined && isGone(process) ? notFound(pid) : change(table, pid, f)
}

/** The next free number after the last one given, as in the kernel. After `pidMax`, numbers start at 1 again. */
const allocate = (table: Table): Result.Result<Pid, PidUnavailable> => {
  const last = table.lastPids.get(table.pidNamespace) ?? 0
  for (let step = 0; step < table.pidMax; step++) {
    const pid = ((last + step) % table.pidMax) + 1
    if (find(table, table.pidNamespace, pid) === undefined) return Result.succeed(Pid.make(pid))
  }
  return Result.fail(new PidUnavailable({}))
}

const take = (table: Table, pid: Pid): Table => ({
  ...table,
  lastPids: new Map(table.lastPids).set(table.pidNamespace, pid)
})

const executable = (path: string): Executable => ({ path, dev: "64768", ino: `${Hash.string(path) >>> 0}` })

const commOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1).slice(0, 15)

type Spawned = Result.Result<readonly [Pid, Table], PidUnavailable | NotFound>

/** Starts a process under PID `at`, by default the next free one. Data missing in `options` come from the parent. */
export const spawn = (table: Table, options: SpawnOptions, at?: Pid, isReader = false): Spawned => {
  const number = at === undefined ? allocate(table) : Result.succeed(at)
  if (Result.isFailure(number)) return Result.fail(number.failure)
  const pid = number.success
  if (find(table, table.pidNamespace, pid) !== undefined) return Result.fail(new PidUnavailable({ pid }))
  const parent = options.parent === undefined ? undefined : find(table, table.pidNamespace, options.parent)
  if (options.parent !== undefined && parent === undefined) return notFound(options.parent)
  const exe = options.exe === undefined ? (parent?.exe ?? executable("/usr/bin/node")) : executable(options.exe)
  const process: Process = {
    id: `${table.kernel}:${table.boots}:${table.spawned}`,
    serial: table.spawned,
    pidNamespace: table.pidNamespace,
    pid,
    startTicks: ticks(table),
    threads: [],
    exited: false,
    stopped: false,
    exe,
    uid: options.uid ?? parent?.uid ?? table.readerUid,
    comm: options.comm ?? (options.exe === undefined && parent !== undefined ? parent.comm : commOf(exe.path)),
    access: "open",
    isReader
  }
  return Result.succeed([
    pid,
    { ...take(table, pid), processes: [...table.processes, process], spawned: table.spawned + 1 }
  ])
}

export const addThread = (table: Table, pid: Pid): Spawned =>
  Result.flatMap(allocate(table), (tid) =>
    Result.map(
      changeRunning(take(table, tid), pid, (process) => ({
        ...process,
        threads: [...process.threads, { tid, startTicks: ticks(table) }]
      })),
      (changed) => [tid, changed] as const
    )
  )

export const exitThread = (table: Table, tid: Pid): Result.Result<Table, NotFound> => {
  const process = find(table, table.pidNamespace, tid)
  if (process === undefined || process.pid === tid) return notFound(tid)
  const threads = process.threads.filter((thread) => thread.tid !== tid)
  return change(table, process.pid, (process) => ({ ...process, threads }))
}

export const reap = (table: Table, pid: Pid): Result.Result<Table, NotFound> => {
  const process = find(table, table.pidNamespace, pid)
  return process !== undefined && isGone(process) ? change(table, pid, () => undefined) : notFound(pid)
}

/**
 * `execve(2)`. All other threads end. The calling thread gets the leader's PID and start time, even if the leader has
 * exited.
 */
export const exec = (table: Table, pid: Pid, path: string): Result.Result<Table, NotFound> =>
  changeRunning(table, pid, (process) => ({
    ...process,
    exited: false,
    threads: [],
    exe: executable(path),
    comm: commOf(path)
  }))

/**
 * Moves the reader into a PID namespace. Each namespace has its own reader process, the first process that starts in
 * it.
 */
export const enter = (table: Table, pidNamespace: string): Table => {
  const moved = { ...table, pidNamespace }
  if (moved.processes.some((process) => process.pidNamespace === pidNamespace && process.isReader)) return moved
  return Result.match(spawn(moved, { comm: "reader" }, undefined, true), {
    onFailure: () => moved,
    onSuccess: ([, entered]) => entered
  })
}

/** Ends a PID namespace with all its processes, as the kernel does when its first process ends. */
export const end = (table: Table, pidNamespace: string): Table => {
  const lastPids = new Map(table.lastPids)
  lastPids.delete(pidNamespace)
  return {
    ...table,
    lastPids,
    processes: table.processes.filter((process) => process.pidNamespace !== pidNamespace)
  }
}

/** Boots the kernel anew, on `machine` if that is given. Only the reader runs, and all counters start again. */
export const boot = (table: Table, machine: { readonly machineId?: string; readonly hostname?: string }): Table =>
  enter(
    {
      ...table,
      ...machine,
      boots: table.boots + 1,
      processes: [],
      spawned: 0,
      lastPids: new Map(),
      timeOffset: 0,
      cover: undefined,
      failures: new Map(),
      locks: [],
      bootedAt: table.now + table.elapsed - bootMillis
    },
    initialPidNamespace
  )
