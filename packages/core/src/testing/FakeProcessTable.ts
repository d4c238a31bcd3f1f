/**
 * A deterministic kernel for tests: processes that are started, exit, and are recycled on command, seen through
 * `ProcessInspector` as Linux would show them.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Result from "effect/Result"
import type { NotFound } from "../Errors.ts"
import type { FileId } from "../FileId.ts"
import type { Unavailable, ObserveDepth } from "../Observation.ts"
import { type NamespaceProof, PidNamespaces, type Sought } from "../PidNamespaces.ts"
import * as ProcessIdentity from "../ProcessIdentity.ts"
import { make as makeInspector, ProcessInspector } from "../ProcessInspector.ts"
import * as Table from "./internal/processTable.ts"
import * as View from "./internal/processView.ts"
import * as Settings from "./internal/processSettings.ts"
import type { Cover, Maskable, Options, PidUnavailable, Place, SpawnOptions } from "./FakeProcessTableModel.ts"

export * from "./FakeProcessTableModel.ts"

/**
 * The PID namespace in which the reader starts, and whose reader sees every process.
 *
 * @category constants
 * @since 0.1.0
 */
export const initialPidNamespace = ProcessIdentity.initialPidNamespace

type Pid = ProcessIdentity.Pid

type Act<E = NotFound> = (pid: Pid) => Effect.Effect<void, E>

/**
 * The controls of the process table. PIDs are those of the reader's PID namespace; `NotFound` where no process has the
 * number (a thread has none of these).
 *
 * Time is Effect's `Clock`: under `TestClock` it stands still, so that two processes start in one tick of 10 ms and only
 * the 64-bit process id tells them apart, until `TestClock.adjust` or `tick` lets time pass.
 *
 * @category services
 * @since 0.1.0
 */
export class FakeProcessTable extends Context.Service<
  FakeProcessTable,
  {
    /** Starts a process under the next free PID after the last one, wrapping at `pidMax`. */
    readonly spawn: (options?: SpawnOptions) => Effect.Effect<Pid, PidUnavailable | NotFound>
    /** Starts a process under a PID of choice, which must not be in use: `/proc/sys/kernel/ns_last_pid`. */
    readonly spawnAt: (pid: Pid, options?: SpawnOptions) => Effect.Effect<Pid, PidUnavailable | NotFound>
    /** The process and its threads exit and are reaped: its numbers are free. */
    readonly exit: Act
    /** The process and its threads exit, unreaped: state Z with one thread, the PID stays taken. */
    readonly zombie: Act
    /** Reaps a zombie. `NotFound` where the process still runs. */
    readonly reap: Act
    /** The leader exits. With threads left, state Z and the process runs on; without, a zombie. */
    readonly exitLeader: Act
    /** Starts a thread, whose id comes out of the numbers of PIDs. */
    readonly addThread: (pid: Pid) => Effect.Effect<Pid, PidUnavailable | NotFound>
    /** A thread exits. The last one of a process whose leader exited leaves a zombie. */
    readonly exitThread: (tid: Pid) => Effect.Effect<void, NotFound>
    /** SIGSTOP: state T. */
    readonly stop: Act
    /** SIGCONT. */
    readonly resume: Act
    /** `execve(2)` in place: another executable and command name, same start and 64-bit id, the other threads end. */
    readonly exec: (pid: Pid, exe: string) => Effect.Effect<void, NotFound>
    /** The executable's file is renamed (`mv own own.old`): the link follows. */
    readonly renameExe: (pid: Pid, path: string) => Effect.Effect<void, NotFound>
    /** The executable's file is removed: the link gets ` (deleted)` at its end. */
    readonly deleteExe: Act
    /** Another user's process: start readable, executable refused. */
    readonly deny: Act
    /** `hidepid=invisible`: `/proc/<pid>` ENOENT, `kill` EPERM. */
    readonly hide: Act
    /** Undoes `deny` and `hide`. */
    readonly allow: Act
    /** Every question about the PID (or about any) is `Unavailable`, until `restore`. */
    readonly fail: (pid: Pid | "all", reason: Unavailable["reason"]) => Effect.Effect<void>
    /** Undoes every `fail`. */
    readonly restore: Effect.Effect<void>
    /**
     * The process is seen to hold the lock of a directory, until the effect that is given back, or until it ends. Only
     * `lockHolders` tells: the lock itself is the Disk's.
     */
    readonly holdLock: (pid: Pid, directory: FileId) => Effect.Effect<Effect.Effect<void>, NotFound>
    /** Data the reader can't read from now on; replaces those masked before. */
    readonly mask: (...data: ReadonlyArray<Maskable>) => Effect.Effect<void>
    /**
     * All processes end; another boot id, PIDs, ticks and 64-bit ids start again. With the id of another machine, the
     * reader is on that one.
     */
    readonly reboot: (machine?: { readonly machineId?: string; readonly hostname?: string }) => Effect.Effect<void>
    /** The reader is on another machine. */
    readonly otherMachine: Effect.Effect<void>
    /** Lets ticks of 10 ms pass (default 1), besides those of the Clock. */
    readonly tick: (ticks?: number) => Effect.Effect<void>
    /** Sets the wall clock off by milliseconds. Ticks go on: only the estimated start of a process moves. */
    readonly setWallClock: (offset: number) => Effect.Effect<void>
    /**
     * Moves the reader into a PID namespace, made where there is none of that name, with PIDs of its own. There the
     * reader is another process: the namespace's first. Simpler than the kernel's: its processes have no numbers outside.
     */
    readonly enterPidNamespace: (pidNamespace: string) => Effect.Effect<void>
    /** Ends a PID namespace and all in it. Its number may be entered anew, as the kernel reuses them. */
    readonly endPidNamespace: (pidNamespace: string) => Effect.Effect<void>
    /** What the reader can prove about a process that it can't look up: nothing, unless it sees every process. */
    readonly namespaceProof: (sought: Sought, wanted?: ObserveDepth) => Effect.Effect<NamespaceProof>
    /** Mounts a file over the one of the boot id, which the reader can't read then. `undefined`: takes it away. */
    readonly coverBootId: (cover: Cover | undefined) => Effect.Effect<void>
    /** Moves the reader into the time namespace of an offset in ticks: every start it reads is shifted. 0: the initial one. */
    readonly setTimeNamespace: (offset: number) => Effect.Effect<void>
    /** Another reader of the same kernel, with controls that have the PIDs of its namespace. */
    readonly reader: (place?: Place) => Effect.Effect<Context.Context<ProcessInspector | FakeProcessTable>>
    /** Every PID a process has in the reader's namespace, zombies included. */
    readonly pids: Effect.Effect<ReadonlyArray<Pid>>
    /** The truth: an id that names the process under a PID and never another one. */
    readonly idOf: (pid: Pid) => Effect.Effect<string, NotFound>
    /** The truth: whether the process of an {@link idOf} still runs. A zombie doesn't. */
    readonly isAlive: (id: string) => Effect.Effect<boolean>
  }
>()("@vm-sentinel/core/testing/FakeProcessTable") {}

/** The kernel is one for all of its readers; each has a place of its own. */
const readerOf = (
  state: Ref.Ref<Table.Table>,
  initialPlace: Table.Place
): Context.Context<ProcessInspector | FakeProcessTable> => {
  let place = Table.placeOf(initialPlace)

  const modify = <A, E>(f: (table: Table.Table) => Result.Result<readonly [A, Table.Table], E>) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.flatMap(
        Ref.modify(state, (before) => {
          const result = f({ ...before, ...place, now })
          const after = Result.isSuccess(result) ? result.success[1] : before
          if (Result.isSuccess(result)) place = Table.placeOf(after)
          return [Result.map(result, ([value]) => value), after]
        }),
        Effect.fromResult
      )
    )
  const see = <A, E>(f: (table: Table.Table) => Result.Result<A, E>) =>
    modify((table) => Result.map(f(table), (value) => [value, table] as const))
  const look = <A>(f: (table: Table.Table) => A) => see((table) => Result.succeed(f(table)))
  const tryUpdate = <E>(f: (table: Table.Table) => Result.Result<Table.Table, E>) =>
    modify((table) => Result.map(f(table), (changed) => [undefined, changed] as const))
  const update = (f: (table: Table.Table) => Table.Table) => tryUpdate((table) => Result.succeed(f(table)))
  const change = (operation: string, pid: Pid, f: (process: Table.Process) => Table.Process | undefined) =>
    tryUpdate((table) => Table.change(table, operation, pid, f))
  const act =
    (operation: string, f: (process: Table.Process) => Table.Process | undefined): Act =>
    (pid) =>
      change(operation, pid, f)

  const inspector = makeInspector({
    host: look(View.host),
    selfPid: see(View.selfPid),
    observe: (pid, wanted) => look((table) => View.observe(table, pid, wanted)),
    lockHolders: (directory) => look((table) => View.lockHolders(table, directory))
  })

  const controls = FakeProcessTable.of({
    spawn: (options = {}) => modify((table) => Table.spawn(table, options)),
    spawnAt: (pid, options = {}) => modify((table) => Table.spawn(table, options, pid)),
    exit: act("exit", () => undefined),
    zombie: act("zombie", (process) => ({ ...process, exited: true, threads: [] })),
    reap: (pid) => tryUpdate((table) => Table.reap(table, pid)),
    exitLeader: act("exit leader", (process) => ({ ...process, exited: true })),
    addThread: (pid) => modify((table) => Table.addThread(table, pid)),
    exitThread: (tid) => tryUpdate((table) => Table.exitThread(table, tid)),
    stop: act("stop", (process) => ({ ...process, stopped: true })),
    resume: act("resume", (process) => ({ ...process, stopped: false })),
    exec: (pid, exe) => tryUpdate((table) => Table.exec(table, pid, exe)),
    renameExe: (pid, path) => change("rename exe", pid, (process) => ({ ...process, exe: { ...process.exe, path } })),
    deleteExe: act("delete exe", (process) => ({
      ...process,
      exe: { ...process.exe, path: `${process.exe.path} (deleted)` }
    })),
    deny: act("deny", (process) => ({ ...process, access: "denied" })),
    hide: act("hide", (process) => ({ ...process, access: "hidden" })),
    allow: act("allow", (process) => ({ ...process, access: "open" })),
    fail: (pid, reason) => update((table) => ({ ...table, failures: new Map(table.failures).set(pid, reason) })),
    restore: update((table) => ({ ...table, failures: new Map() })),
    holdLock: (pid, directory) =>
      modify((table) =>
        Result.map(Table.idOf(table, pid), (process) => {
          const lock = { process, directory }
          const free = update((later) => ({ ...later, locks: later.locks.filter((other) => other !== lock) }))
          return [free, { ...table, locks: [...table.locks, lock] }] as const
        })
      ),
    mask: (...masked) => update((table) => ({ ...table, masked })),
    reboot: (machine = {}) => update((table) => Table.boot(table, machine)),
    otherMachine: update((table) => Table.boot(table, { machineId: "e".repeat(32), hostname: "other-host" })),
    tick: (ticks = 1) => update((table) => ({ ...table, elapsed: table.elapsed + ticks * Table.tickMillis })),
    setWallClock: (skew) => update((table) => ({ ...table, skew })),
    enterPidNamespace: (pidNamespace) => update((table) => Table.enter(table, pidNamespace)),
    endPidNamespace: (pidNamespace) => update((table) => Table.end(table, pidNamespace)),
    namespaceProof: (sought, wanted = "all") => look((table) => View.search(table, sought, wanted)),
    coverBootId: (cover) => update((table) => ({ ...table, cover: Settings.coverOf(cover) })),
    setTimeNamespace: (timeOffset) => update((table) => ({ ...table, timeOffset })),
    reader: (elsewhere = {}) =>
      modify((table) => {
        const there = Settings.moved(table, elsewhere)
        return Result.succeed([readerOf(state, there), { ...there, ...Table.placeOf(table) }])
      }),
    pids: look((table) =>
      table.processes.flatMap((process) => (process.pidNamespace === table.pidNamespace ? [process.pid] : []))
    ),
    idOf: (pid) => see((table) => Table.idOf(table, pid)),
    isAlive: (id) => look((table) => table.processes.some((process) => process.id === id && !Table.isGone(process)))
  })

  const namespaces = { prove: controls.namespaceProof }
  return Context.make(FakeProcessTable, controls).pipe(
    Context.add(ProcessInspector, inspector),
    Context.add(PidNamespaces, namespaces)
  )
}

const make = Effect.fnUntraced(function* (options: Options) {
  const table = Settings.initial(options, yield* Clock.currentTimeMillis)
  return readerOf(yield* Ref.make(table), table)
})

/**
 * A process table of its own, and the inspector that sees it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = (options: Options): Layer.Layer<ProcessInspector | FakeProcessTable> =>
  Layer.effectContext(make(options))

/**
 * {@link layerWith} the defaults.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<ProcessInspector | FakeProcessTable> = layerWith({})
