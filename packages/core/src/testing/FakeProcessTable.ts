/**
 * A deterministic kernel for tests. The test starts and ends processes and reuses PIDs. `ProcessInspector` shows the
 * processes as Linux would.
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
 * The PID namespace in which the reader starts. Only a reader in this namespace can search all processes of the kernel,
 * see `namespaceProof`.
 *
 * @category constants
 * @since 0.1.0
 */
export const initialPidNamespace = ProcessIdentity.initialPidNamespace

type Pid = ProcessIdentity.Pid

type Act<E = NotFound> = (pid: Pid) => Effect.Effect<void, E>

/**
 * The controls of the process table. All PIDs are numbers of the reader's PID namespace. `NotFound`: no process has the
 * PID. A thread id counts as no PID, except for `exitThread`.
 *
 * Time is Effect's `Clock`. Under `TestClock` time stands still until `TestClock.adjust` or `tick`. Processes that are
 * started meanwhile start in one tick of 10 ms, and only their 64-bit process ids distinguish them.
 *
 * **Example** (Reusing a PID)
 *
 * ```ts
 * import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
 * import * as FakeProcessTable from "@vm-sentinel/core/testing/FakeProcessTable"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   const inspector = yield* ProcessInspector
 *   const table = yield* FakeProcessTable.FakeProcessTable
 *   const pid = yield* table.spawn({ exe: "/usr/bin/qemu" })
 *   const first = yield* inspector.identify(pid)
 *   yield* table.exit(pid)
 *   const none = yield* inspector.observe(pid)
 *   yield* table.spawnAt(pid, { exe: "/usr/bin/qemu" })
 *   const second = yield* inspector.identify(pid)
 *   return { first, none, second }
 * })
 *
 * const { first, none, second } = await Effect.runPromise(Effect.provide(program, FakeProcessTable.layer))
 * assert.strictEqual(none._tag, "Absent")
 * assert.strictEqual(second.pid, first.pid)
 * assert.deepStrictEqual(second.exe, first.exe)
 * assert.notStrictEqual(second.processId64, first.processId64)
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class FakeProcessTable extends Context.Service<
  FakeProcessTable,
  {
    /** Starts a process under the next free PID after the last one given. After `pidMax`, PIDs start at 1 again. */
    readonly spawn: (options?: SpawnOptions) => Effect.Effect<Pid, PidUnavailable | NotFound>
    /**
     * Starts a process under `pid`, as a write to `/proc/sys/kernel/ns_last_pid` allows. `PidUnavailable`: `pid` is in
     * use.
     */
    readonly spawnAt: (pid: Pid, options?: SpawnOptions) => Effect.Effect<Pid, PidUnavailable | NotFound>
    /** The process and all its threads exit, and the process is reaped. Its PID and thread ids are free. */
    readonly exit: Act
    /**
     * The process and all its threads exit, and nobody reaps it. Its state is Z, with one thread, and its PID stays in
     * use.
     */
    readonly zombie: Act
    /** Reaps a zombie. `NotFound` if the process still runs. */
    readonly reap: Act
    /**
     * The leader exits. The state is Z. The process runs on while it has other threads. Without other threads it is a
     * zombie.
     */
    readonly exitLeader: Act
    /** Starts a thread. Its thread id comes from the same numbers as PIDs. */
    readonly addThread: (pid: Pid) => Effect.Effect<Pid, PidUnavailable | NotFound>
    /** A thread exits. If the leader has exited before, the exit of the last thread leaves a zombie. */
    readonly exitThread: (tid: Pid) => Effect.Effect<void, NotFound>
    /** Sends SIGSTOP: state T. */
    readonly stop: Act
    /** Sends SIGCONT: state S. */
    readonly resume: Act
    /**
     * `execve(2)`. The executable and the command name change. The start and the 64-bit id don't change. All threads
     * but the leader end.
     */
    readonly exec: (pid: Pid, exe: string) => Effect.Effect<void, NotFound>
    /** Renames the file of the executable. `/proc/<pid>/exe` shows the new path. */
    readonly renameExe: (pid: Pid, path: string) => Effect.Effect<void, NotFound>
    /** Removes the file of the executable. `/proc/<pid>/exe` shows its path with ` (deleted)` appended. */
    readonly deleteExe: Act
    /** The kernel refuses the executable, as for another user's process. Other data stay readable. */
    readonly deny: Act
    /** Hides the process, as `hidepid=invisible` does: `/proc/<pid>` answers ENOENT, `kill(2)` answers EPERM. */
    readonly hide: Act
    /** Undoes `deny` and `hide`. */
    readonly allow: Act
    /** Each observation of the PID, or of all PIDs, is `Unavailable` until `restore` or a reboot. */
    readonly fail: (pid: Pid | "all", reason: Unavailable["reason"]) => Effect.Effect<void>
    /** Undoes every `fail`. */
    readonly restore: Effect.Effect<void>
    /**
     * `lockHolders` names the process as a holder of the directory's lock, until the returned effect runs or the
     * process ends. `holdLock` takes no lock, because locks belong to the `Disk`.
     */
    readonly holdLock: (pid: Pid, directory: FileId) => Effect.Effect<Effect.Effect<void>, NotFound>
    /**
     * Makes data unreadable. Their keys are missing from now on. Replaces the data of an earlier `mask`, and the option
     * `processIds: false`.
     */
    readonly mask: (...data: ReadonlyArray<Maskable>) => Effect.Effect<void>
    /**
     * Reboots: all processes end, the boot id changes, and PIDs, ticks and 64-bit ids start again. Undoes `fail`,
     * `holdLock`, and the reader's `coverBootId` and namespaces. With a `machineId` or `hostname`, the reader is on
     * that machine after the reboot.
     */
    readonly reboot: (machine?: { readonly machineId?: string; readonly hostname?: string }) => Effect.Effect<void>
    /** Reboots onto another machine, with another machine id and host name. */
    readonly otherMachine: Effect.Effect<void>
    /** Advances time by ticks of 10 ms (default 1), in addition to the `Clock`. */
    readonly tick: (ticks?: number) => Effect.Effect<void>
    /**
     * Sets the error of the wall clock, in milliseconds. Ticks don't change. Only the estimates `startedAt` and
     * `bootedAt` move.
     */
    readonly setWallClock: (offset: number) => Effect.Effect<void>
    /**
     * Moves the reader into a PID namespace. Makes the namespace if none of that name exists. The reader is another
     * process there, the first of the namespace. Unlike in the kernel, a process of a namespace has no PID in an outer
     * namespace.
     */
    readonly enterPidNamespace: (pidNamespace: string) => Effect.Effect<void>
    /**
     * Ends a PID namespace and all its processes. `enterPidNamespace` can make a new namespace of the same name,
     * because the kernel reuses numbers.
     */
    readonly endPidNamespace: (pidNamespace: string) => Effect.Effect<void>
    /** `PidNamespaces.prove` of the reader. `Incomplete` unless the reader sees every process of the kernel. */
    readonly namespaceProof: (sought: Sought, wanted?: ObserveDepth) => Effect.Effect<NamespaceProof>
    /** Mounts a file over that of the boot id, so the reader can't read the boot id. `undefined`: unmounts the file. */
    readonly coverBootId: (cover: Cover | undefined) => Effect.Effect<void>
    /**
     * Moves the reader into a time namespace. Adds `offset`, in ticks, to every start that the reader reads. 0: the
     * initial namespace.
     */
    readonly setTimeNamespace: (offset: number) => Effect.Effect<void>
    /** Another reader of the same kernel. Its controls use the PIDs of its own namespace. */
    readonly reader: (place?: Place) => Effect.Effect<Context.Context<ProcessInspector | FakeProcessTable>>
    /** PIDs of all processes in the reader's namespace, zombies included. */
    readonly pids: Effect.Effect<ReadonlyArray<Pid>>
    /** For assertions: an id of the process under a PID that no other process ever gets. No reader sees the id. */
    readonly idOf: (pid: Pid) => Effect.Effect<string, NotFound>
    /** For assertions: whether the process of an {@link idOf} still runs. A zombie doesn't. */
    readonly isAlive: (id: string) => Effect.Effect<boolean>
  }
>()("@vm-sentinel/core/testing/FakeProcessTable") {}

/** All readers share the kernel in `state`. Each reader has its own `Place`. */
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
  const change = (pid: Pid, f: (process: Table.Process) => Table.Process | undefined) =>
    tryUpdate((table) => Table.change(table, pid, f))
  const act =
    (f: (process: Table.Process) => Table.Process | undefined): Act =>
    (pid) =>
      change(pid, f)

  const inspector = makeInspector({
    host: look(View.host),
    selfPid: see(View.selfPid),
    observe: (pid, wanted) => look((table) => View.observe(table, pid, wanted)),
    lockHolders: (directory) => look((table) => View.lockHolders(table, directory))
  })

  const controls = FakeProcessTable.of({
    spawn: (options = {}) => modify((table) => Table.spawn(table, options)),
    spawnAt: (pid, options = {}) => modify((table) => Table.spawn(table, options, pid)),
    exit: act(() => undefined),
    zombie: act((process) => ({ ...process, exited: true, threads: [] })),
    reap: (pid) => tryUpdate((table) => Table.reap(table, pid)),
    exitLeader: act((process) => ({ ...process, exited: true })),
    addThread: (pid) => modify((table) => Table.addThread(table, pid)),
    exitThread: (tid) => tryUpdate((table) => Table.exitThread(table, tid)),
    stop: act((process) => ({ ...process, stopped: true })),
    resume: act((process) => ({ ...process, stopped: false })),
    exec: (pid, exe) => tryUpdate((table) => Table.exec(table, pid, exe)),
    renameExe: (pid, path) => change(pid, (process) => ({ ...process, exe: { ...process.exe, path } })),
    deleteExe: act((process) => ({
      ...process,
      exe: { ...process.exe, path: `${process.exe.path} (deleted)` }
    })),
    deny: act((process) => ({ ...process, access: "denied" })),
    hide: act((process) => ({ ...process, access: "hidden" })),
    allow: act((process) => ({ ...process, access: "open" })),
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
 * A new process table, and the inspector that shows it. Also provides `PidNamespaces`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = (options: Options): Layer.Layer<ProcessInspector | FakeProcessTable> =>
  Layer.effectContext(make(options))

/**
 * {@link layerWith} with default options.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<ProcessInspector | FakeProcessTable> = layerWith({})
