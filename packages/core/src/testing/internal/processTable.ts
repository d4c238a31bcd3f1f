/** The processes of a fake kernel, and everything that can happen to them. Pure. */
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
  /** The truth no reader sees: never given twice, over all boots and machines. */
  readonly id: string
  readonly serial: number
  readonly pidNamespace: string
  readonly pid: Pid
  readonly startTicks: number
  /** Besides the leader. */
  readonly threads: ReadonlyArray<Thread>
  /** The leader exited: a zombie, unless threads are left. */
  readonly exited: boolean
  readonly stopped: boolean
  readonly exe: Executable
  readonly uid: number
  readonly comm: string
  readonly access: "open" | "denied" | "hidden"
  readonly isReader: boolean
}

/** A file that was mounted over the one of the boot id. */
export interface Cover {
  /** Why there is no boot id then, in words. */
  readonly problem: string
  /** Whether root can look below it. */
  readonly seenByRoot: boolean
}

/** A process that holds the lock of a directory, as far as readers can see. */
interface Lock {
  readonly process: string
  readonly directory: FileId
}

/** Where a reader stands, and what it is. */
export interface Place {
  readonly pidNamespace: string
  /** In ticks. */
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

/** A kernel, and the reader that looks at it. */
export interface Table extends Place {
  /** No other kernel has it. */
  readonly kernel: number
  readonly pidMax: number
  readonly namespaces: "supported" | "none"
  readonly virtualMachine: boolean
  readonly boots: number
  readonly processes: ReadonlyArray<Process>
  /** Of this boot. */
  readonly spawned: number
  readonly lastPids: ReadonlyMap<string, number>
  readonly masked: ReadonlyArray<Maskable>
  readonly failures: ReadonlyMap<Pid | "all", Unavailable["reason"]>
  readonly locks: ReadonlyArray<Lock>
  /** Milliseconds: the reading of the Clock, what `tick` added to it, the boot on their sum, the wall clock's error. */
  readonly now: number
  readonly elapsed: number
  readonly bootedAt: number
  readonly skew: number
}

/** `CLK_TCK` is 100 on every Linux in use. */
export const tickMillis = 10
export const tickNanos = 10_000_000n

/** The kernel is up this long when the table begins, and after each reboot: so ticks are met again, too. */
const bootMillis = 1000

export const ticks = (table: Table): number => Math.floor((table.now + table.elapsed - table.bootedAt) / tickMillis)

export const isGone = (process: Process): boolean => process.exited && process.threads.length === 0

const isNumbered = (process: Process, number: number): boolean =>
  process.pid === number || process.threads.some(({ tid }) => tid === number)

/** The process that `number` names in a PID namespace, itself or through one of its threads. */
export const find = (table: Table, pidNamespace: string, number: number): Process | undefined =>
  table.processes.find((process) => process.pidNamespace === pidNamespace && isNumbered(process, number))

const notFound = (operation: string, pid: number) => Result.fail(new NotFound({ operation, pid }))

export const idOf = (table: Table, pid: Pid): Result.Result<string, NotFound> => {
  const process = find(table, table.pidNamespace, pid)
  return process?.pid === pid ? Result.succeed(process.id) : notFound("look up", pid)
}

/** Changes the process `pid` as the reader sees it; `undefined` removes it. */
export const change = (
  table: Table,
  operation: string,
  pid: Pid,
  f: (process: Process) => Process | undefined
): Result.Result<Table, NotFound> => {
  const target = find(table, table.pidNamespace, pid)
  if (target?.pid !== pid) return notFound(operation, pid)
  const changed = f(target)
  const processes = table.processes.flatMap((process) =>
    process !== target ? [process] : changed === undefined ? [] : [changed]
  )
  return Result.succeed({ ...table, processes })
}

/** The same, where the process still runs. */
const changeRunning = (
  table: Table,
  operation: string,
  pid: Pid,
  f: (process: Process) => Process
): Result.Result<Table, NotFound> => {
  const process = find(table, table.pidNamespace, pid)
  return process !== undefined && isGone(process) ? notFound(operation, pid) : change(table, operation, pid, f)
}

/** Like the kernel: the next number after the last one, round and round, that nothing uses. */
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

/** Starts a process: without `at`, under the next free number. It inherits what it isn't given, as by `fork(2)`. */
export const spawn = (table: Table, options: SpawnOptions, at?: Pid, isReader = false): Spawned => {
  const number = at === undefined ? allocate(table) : Result.succeed(at)
  if (Result.isFailure(number)) return Result.fail(number.failure)
  const pid = number.success
  if (find(table, table.pidNamespace, pid) !== undefined) return Result.fail(new PidUnavailable({ pid }))
  const parent = options.parent === undefined ? undefined : find(table, table.pidNamespace, options.parent)
  if (options.parent !== undefined && parent === undefined) return notFound("spawn", options.parent)
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
      changeRunning(take(table, tid), "add thread", pid, (process) => ({
        ...process,
        threads: [...process.threads, { tid, startTicks: ticks(table) }]
      })),
      (changed) => [tid, changed] as const
    )
  )

export const exitThread = (table: Table, tid: Pid): Result.Result<Table, NotFound> => {
  const process = find(table, table.pidNamespace, tid)
  if (process === undefined || process.pid === tid) return notFound("exit thread", tid)
  const threads = process.threads.filter((thread) => thread.tid !== tid)
  return change(table, "exit thread", process.pid, (process) => ({ ...process, threads }))
}

export const reap = (table: Table, pid: Pid): Result.Result<Table, NotFound> => {
  const process = find(table, table.pidNamespace, pid)
  return process !== undefined && isGone(process) ? change(table, "reap", pid, () => undefined) : notFound("reap", pid)
}

/** The other threads end, and the one that calls takes the leader's place, number and start time. */
export const exec = (table: Table, pid: Pid, path: string): Result.Result<Table, NotFound> =>
  changeRunning(table, "exec", pid, (process) => ({
    ...process,
    exited: false,
    threads: [],
    exe: executable(path),
    comm: commOf(path)
  }))

/** Moves the reader. The first process of a namespace is a reader of its own, under the first number. */
export const enter = (table: Table, pidNamespace: string): Table => {
  const moved = { ...table, pidNamespace }
  if (moved.processes.some((process) => process.pidNamespace === pidNamespace && process.isReader)) return moved
  return Result.match(spawn(moved, { comm: "reader" }, undefined, true), {
    onFailure: () => moved,
    onSuccess: ([, entered]) => entered
  })
}

/** The init of a PID namespace died: the kernel kills all in it, and its number may be given again. */
export const end = (table: Table, pidNamespace: string): Table => {
  const lastPids = new Map(table.lastPids)
  lastPids.delete(pidNamespace)
  return {
    ...table,
    lastPids,
    processes: table.processes.filter((process) => process.pidNamespace !== pidNamespace)
  }
}

/** A new boot, of this machine unless another is named: nothing runs but the reader, and every count starts again. */
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
