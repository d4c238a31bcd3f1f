/**
 * A machine for tests: processes that live, crash and are recycled, and a disk with their directories, in one layer.
 *
 * Time is Effect's `Clock`. Under `TestClock`, time passes only when the test adjusts the clock. A sweep waits 50 ms
 * for a lock that another process holds, and an owner waits 5 s.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { IdentityUnavailable } from "../Errors.ts"
import * as Ownership from "../Ownership.ts"
import type { Pid } from "../ProcessIdentity.ts"
import { ProcessInspector } from "../ProcessInspector.ts"
import type { SentinelStore } from "../SentinelStore.ts"
import { FakeProcessTable, layerWith as tableWith } from "./FakeProcessTable.ts"
import type { SpawnOptions } from "./FakeProcessTableModel.ts"
import { MemoryDisk, type Seed } from "./MemoryDisk.ts"
import * as MemorySentinelStore from "./MemorySentinelStore.ts"
import type { Actor, Options, Services } from "./SimulationModel.ts"

export * from "./SimulationModel.ts"

/**
 * Each build of the layer is another machine. The test's own effects run as PID 1 of the process table and as the first
 * process of the disk. {@link actor} makes other processes.
 *
 * **Example** (A virtual machine on NFS)
 *
 * ```ts
 * import * as Cleanup from "@vm-sentinel/core/Cleanup"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * // In a virtual machine on NFS, where two kernels may have one boot id, an absent process proves nothing.
 * const program = Effect.gen(function* () {
 *   yield* Simulation.crashed("/srv/vms/vm")
 *   const [outcome] = (yield* Cleanup.sweep("/srv/vms")).outcomes
 *   assert.strictEqual(outcome?.reason, "machine-unknown")
 * })
 *
 * const machine = Simulation.layerWith({ fileSystem: "nfs4", table: { virtualMachine: true } })
 * await Effect.runPromise(Effect.provide(program, machine))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = ({ table, ...disk }: Options): Layer.Layer<Services> =>
  Layer.mergeAll(
    tableWith({ ...(disk.uid === undefined ? {} : { uid: disk.uid }), ...table }),
    MemorySentinelStore.layerWith(disk)
  )

/**
 * {@link layerWith} with its defaults: a Linux host, ext4, uid 1000.
 *
 * **Example** (One sweep of three owners)
 *
 * ```ts
 * import * as Cleanup from "@vm-sentinel/core/Cleanup"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   yield* Simulation.owned("/srv/vms/running")
 *   yield* Simulation.crashed("/srv/vms/crashed")
 *   yield* Simulation.recycled("/srv/vms/recycled")
 *   yield* Cleanup.sweep("/srv/vms")
 *   assert.deepStrictEqual(yield* Simulation.names("/srv/vms"), ["running"])
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layer))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Services> = layerWith({})

/**
 * Puts files at absolute paths, and makes missing parents. Replaces a file that exists.
 *
 * **Example** (Directories that no owner has)
 *
 * ```ts
 * import * as Cleanup from "@vm-sentinel/core/Cleanup"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   yield* Simulation.seed({ "/srv/vms/notes/today.txt": "call Ada", "/srv/vms/torn/.vm-sentinel": "" })
 *   const { outcomes } = yield* Cleanup.sweep("/srv/vms")
 *   const reasons = outcomes.map(({ name, reason }) => `${name}: ${reason}`)
 *   assert.deepStrictEqual(reasons.toSorted(), ["notes: no-sentinel", "torn: malformed-sentinel"])
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layer))
 * ```
 *
 * @category files
 * @since 0.1.0
 */
export const seed = (entries: Readonly<Record<string, Seed>>): Effect.Effect<void, never, MemoryDisk> =>
  MemoryDisk.use((memory) => memory.seed(entries))

/**
 * All paths below a root, relative to the root. Empty if the root doesn't exist.
 *
 * **Example** (What an owned directory holds)
 *
 * ```ts
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   yield* Simulation.owned("/srv/vms/vm")
 *   assert.deepStrictEqual((yield* Simulation.paths("/srv/vms")).toSorted(), ["vm", "vm/.vm-sentinel", "vm/disk"])
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layer))
 * ```
 *
 * @category files
 * @since 0.1.0
 */
export const paths = (root: string): Effect.Effect<Array<string>, never, MemoryDisk> => {
  const above = root.replace(/\/+$/, "")
  return Effect.map(
    MemoryDisk.use((memory) => memory.snapshot(above === "" ? "/" : above)),
    (found) => Object.keys(found).flatMap((path) => path.slice(above.length + 1) || [])
  )
}

/**
 * The names in a root, including those of a sweep's own directories.
 *
 * **Example** (Names in a root)
 *
 * ```ts
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   yield* Simulation.owned("/srv/vms/vm")
 *   assert.deepStrictEqual(yield* Simulation.names("/srv/vms"), ["vm"])
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layer))
 * ```
 *
 * @category files
 * @since 0.1.0
 */
export const names = (root: string): Effect.Effect<Array<string>, never, MemoryDisk> =>
  Effect.map(paths(root), (found) => found.filter((path) => !path.includes("/")))

/** The executable of every owner, and of a process that gets an owner's PID. The path doesn't distinguish the two. */
const program = { exe: "/usr/bin/vmm" }

/**
 * Makes a directory with a file `disk`, starts a process (`/usr/bin/vmm`), and records it as the owner, as an
 * orchestrator records a VM. With `pid`, `owned` starts no process, and records that of `pid`. Returns the PID. The
 * record claims no lock, see {@link hold}. Dies if no PID is free.
 *
 * **Example** (A second owner is refused)
 *
 * ```ts
 * import * as Ownership from "@vm-sentinel/core/Ownership"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   const pid = yield* Simulation.owned("/srv/vms/vm")
 *   const error = yield* Effect.flip(Ownership.record("/srv/vms/vm"))
 *   assert.ok(error._tag === "AlreadyOwned")
 *   assert.strictEqual(error.owner, pid)
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layer))
 * ```
 *
 * @category owners
 * @since 0.1.0
 */
export const owned: (
  directory: string,
  options?: Ownership.RecordOptions
) => Effect.Effect<Pid, Ownership.RecordError, FakeProcessTable | MemoryDisk | ProcessInspector | SentinelStore> =
  Effect.fnUntraced(function* (directory, options = {}) {
    const table = yield* FakeProcessTable
    const pid = options.pid ?? (yield* Effect.orDie(table.spawn(program)))
    yield* seed({ [`${directory}/disk`]: `disk of ${directory}` })
    yield* Ownership.record(directory, { ...options, pid })
    return pid
  })

/**
 * Runs {@link owned}. Then the process exits and is reaped, so its PID is free. Returns the PID.
 *
 * **Example** (A sweep removes what a crashed owner left)
 *
 * ```ts
 * import * as Cleanup from "@vm-sentinel/core/Cleanup"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   yield* Simulation.crashed("/srv/vms/vm")
 *   const [outcome] = (yield* Cleanup.sweep("/srv/vms")).outcomes
 *   assert.deepStrictEqual([outcome?.action, outcome?.reason], ["removed", "pid-dead"])
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layer))
 * ```
 *
 * @category owners
 * @since 0.1.0
 */
export const crashed: typeof owned = Effect.fnUntraced(function* (directory, options = {}) {
  const pid = yield* owned(directory, options)
  yield* Effect.orDie(FakeProcessTable.use(({ exit }) => exit(pid)))
  return pid
})

/**
 * Ends a process, unless it has exited, and starts another one under its PID. `kill -0` doesn't distinguish the two.
 * The second process runs the executable of {@link owned}, unless `options` name another. It starts one tick (10 ms)
 * later by the table's clock, so that the start times differ.
 *
 * A v1 record doesn't distinguish the two. A v2 record does if the second process runs another executable and starts at
 * least 2 s after the record was made. For that, adjust the clock before `recycle`.
 *
 * **Example** (A v2 record and another program)
 *
 * ```ts
 * import * as Cleanup from "@vm-sentinel/core/Cleanup"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as TestClock from "effect/testing/TestClock"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   const pid = yield* Simulation.owned("/srv/vms/vm", { format: "v2" })
 *   yield* TestClock.adjust("1 minute")
 *   yield* Simulation.recycle(pid, { exe: "/usr/bin/sshd" })
 *   const { reason, verdict } = yield* Cleanup.judge("/srv/vms/vm")
 *   assert.deepStrictEqual([verdict, reason], ["dead", "exe-mismatch"])
 * })
 *
 * await Effect.runPromise(program.pipe(Effect.provide(Simulation.layer), Effect.provide(TestClock.layer())))
 * ```
 *
 * @category owners
 * @since 0.1.0
 */
export const recycle = (pid: Pid, options: SpawnOptions = {}): Effect.Effect<void, never, FakeProcessTable> =>
  FakeProcessTable.use((table) =>
    Effect.ignore(table.exit(pid)).pipe(
      Effect.andThen(table.tick()),
      Effect.andThen(table.spawnAt(pid, { ...program, ...options })),
      Effect.orDie
    )
  )

/**
 * Runs {@link owned}, then {@link recycle}. Another process of the same executable then has the owner's PID. Returns
 * the PID.
 *
 * **Example** (A recycled PID is seen through)
 *
 * ```ts
 * import * as Cleanup from "@vm-sentinel/core/Cleanup"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   yield* Simulation.recycled("/srv/vms/vm")
 *   const { reason, verdict } = yield* Cleanup.judge("/srv/vms/vm")
 *   assert.deepStrictEqual([verdict, reason], ["dead", "identity-mismatch"])
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layer))
 * ```
 *
 * @category owners
 * @since 0.1.0
 */
export const recycled: typeof owned = Effect.fnUntraced(function* (directory, options = {}) {
  const pid = yield* owned(directory, options)
  yield* recycle(pid)
  return pid
})

/**
 * Runs an effect as in a container: in another PID namespace of the same kernel, on the same disk. Makes the namespace
 * and its first process, if the namespace doesn't exist. `table.endPidNamespace` ends it. The host's namespace is
 * `FakeProcessTable.initialPidNamespace`.
 *
 * The host sees the processes of every container. A container sees only its own. Therefore a sweep on the host can
 * prove that an owner in a container is dead, and a sweep in another container can't without the lock.
 *
 * **Example** (What a container can't prove)
 *
 * ```ts
 * import * as Cleanup from "@vm-sentinel/core/Cleanup"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   yield* Simulation.crashed("/srv/vms/vm").pipe(Simulation.inContainer("pid:[1]"))
 *   const there = yield* Cleanup.judge("/srv/vms/vm").pipe(Simulation.inContainer("pid:[2]"))
 *   assert.deepStrictEqual([there.verdict, there.reason], ["unknown", "other-pid-namespace"])
 *   const onHost = yield* Cleanup.judge("/srv/vms/vm")
 *   assert.deepStrictEqual([onHost.verdict, onHost.reason], ["dead", "process-gone"])
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layer))
 * ```
 *
 * @category processes
 * @since 0.1.0
 */
export const inContainer =
  (pidNamespace: string) =>
  <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, Exclude<R, ProcessInspector | FakeProcessTable> | FakeProcessTable> =>
    Effect.flatMap(
      FakeProcessTable.use(({ reader }) => reader({ pidNamespace })),
      (reader) => Effect.provideContext(effect, reader)
    )

/** Starts a process in the table, and joins it with the one that `process` makes on the disk. */
const actorOn = Effect.fnUntraced(function* (process: typeof MemorySentinelStore.fork, options: SpawnOptions) {
  const here = yield* FakeProcessTable
  const pid = yield* Effect.orDie(here.spawn(options))
  const id = yield* Effect.orDie(here.idOf(pid))
  // The actor stays in the PID namespace in which it was started.
  const reader = yield* here.reader(options.uid === undefined ? {} : { uid: options.uid })
  const [inspector, table] = [Context.get(reader, ProcessInspector), Context.get(reader, FakeProcessTable)]
  const made = yield* process
  const memory = Context.get(made, MemoryDisk)
  if (options.uid !== undefined) yield* memory.setPrincipal({ uid: options.uid })
  const self = Effect.mapError(
    inspector.identify(pid),
    (error) => new IdentityUnavailable({ pid, detail: error.message })
  )
  const context = Context.merge(made, Context.add(reader, ProcessInspector, { ...inspector, self }))
  // When the actor exits, another process may already have its PID.
  const exit = Effect.flatMap(table.idOf(pid), (now) => (now === id ? table.exit(pid) : Effect.void))
  const actor: Actor = {
    pid,
    memory,
    run: (effect) => Effect.provideContext(effect, context),
    kill: Effect.andThen(memory.kill, Effect.ignore(exit))
  }
  return actor
})

/**
 * Starts a process that runs effects. The effects see its PID as their own, and their calls on the disk are its calls.
 * The locks of the process end with it. `options.uid` is its user in the table and on the disk. Dies if no PID is free.
 *
 * **Example** (A sweep that is killed half-way)
 *
 * ```ts
 * import * as Cleanup from "@vm-sentinel/core/Cleanup"
 * import * as MemoryDisk from "@vm-sentinel/core/testing/MemoryDisk"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   yield* Simulation.crashed("/srv/vms/vm")
 *   const sweeper = yield* Simulation.actor()
 *   yield* sweeper.memory.killAt(15)
 *   const report = yield* sweeper.run(MemoryDisk.untilKilled(Cleanup.sweep("/srv/vms")))
 *   yield* sweeper.kill
 *   assert.strictEqual(report._tag, "None")
 *   yield* Cleanup.sweep("/srv/vms")
 *   assert.deepStrictEqual(yield* Simulation.names("/srv/vms"), [])
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layer))
 * ```
 *
 * @category processes
 * @since 0.1.0
 */
export const actor = (options: SpawnOptions = {}): Effect.Effect<Actor, never, FakeProcessTable | MemoryDisk> =>
  actorOn(MemorySentinelStore.fork, options)

/**
 * Starts a child of an actor, as by `fork(2)`. The child inherits the open files of its parent, and their locks. Such a
 * lock is free when both processes have ended.
 *
 * **Example** (A lock that a child inherits)
 *
 * ```ts
 * import * as Cleanup from "@vm-sentinel/core/Cleanup"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   yield* Simulation.seed({ "/srv/vms/vm/disk": "" })
 *   const supervisor = yield* Simulation.actor()
 *   yield* Simulation.hold(supervisor, "/srv/vms/vm")
 *   const vm = yield* Simulation.child(supervisor, { exe: "/usr/bin/vmm" })
 *   yield* supervisor.kill
 *   assert.strictEqual((yield* Cleanup.judge("/srv/vms/vm")).reason, "lock-held")
 *   yield* vm.kill
 *   assert.strictEqual((yield* Cleanup.judge("/srv/vms/vm")).verdict, "dead")
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layer))
 * ```
 *
 * @category processes
 * @since 0.1.0
 */
export const child = (parent: Actor, options: Omit<SpawnOptions, "parent"> = {}): Effect.Effect<Actor> =>
  parent.run(actorOn(MemorySentinelStore.inherit, { ...options, parent: parent.pid }))

/**
 * `Ownership.hold` by an actor, which then holds the directory until it is killed. The directory must exist.
 *
 * **Example** (An owner in another container)
 *
 * ```ts
 * import * as Cleanup from "@vm-sentinel/core/Cleanup"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   yield* Simulation.seed({ "/srv/vms/vm/disk": "" })
 *   const owner = yield* Simulation.actor().pipe(Simulation.inContainer("pid:[1]"))
 *   yield* Simulation.hold(owner, "/srv/vms/vm")
 *   const sweep = Cleanup.sweep("/srv/vms").pipe(Simulation.inContainer("pid:[2]"))
 *   assert.strictEqual((yield* sweep).outcomes[0]?.reason, "lock-held")
 *   yield* owner.kill
 *   assert.strictEqual((yield* sweep).outcomes[0]?.reason, "lock-free")
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layer))
 * ```
 *
 * @category processes
 * @since 0.1.0
 */
export const hold: (
  owner: Actor,
  directory: string,
  options?: Ownership.HoldOptions
) => Effect.Effect<Ownership.Held, Ownership.RecordError> = Effect.fnUntraced(function* (owner, directory, options) {
  const scope = yield* Scope.make()
  return yield* Scope.provide(owner.run(Ownership.hold(directory, options)), scope)
})
