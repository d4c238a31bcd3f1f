/**
 * A machine for tests: processes that live, crash and are recycled, and a disk with their directories, in one layer.
 *
 * Time is Effect's `Clock`. Under `TestClock` it stands still: a sweep waits 50 ms for a lock that somebody else has, an owner 5 s,
 * which the test lets pass.
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
 * A machine of its own for each build of the layer. The test's own effects run as the table's reader (PID 1) and as the disk's
 * first process; {@link actor} makes others.
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
 * {@link layerWith} the defaults: a Linux host, ext4, uid 1000.
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
 * Puts files under absolute paths, with the directories that lead there. What is there is replaced.
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
 * What lies below a root at any depth, as paths relative to it. A root that isn't there has nothing below it.
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
 * The names in a root, a sweep's own directories among them.
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

/** The program of every owner: where PIDs are recycled onto it, an executable's path tells nothing. */
const program = { exe: "/usr/bin/vmm" }

/**
 * A directory with a file `disk` in it, and a process that lives (`/usr/bin/vmm`, unless `pid` names one) and is recorded as its
 * owner, as an orchestrator records a VM. Gives its PID. The record claims no lock: see {@link hold}. Where no PID is free it dies.
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
 * {@link owned}, and then the process exits and is reaped: its PID is free. Gives the PID.
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
 * A process exits, unless it has, and another one has its PID: what `kill -0` takes for the first. The other one runs the program
 * of {@link owned}, unless it is told otherwise. It starts a tick (10 ms) later by the table's clock, so that start times differ.
 *
 * A record of v1 can't tell the two apart. One of v2 can where the other one runs another program, and started 2 s or more after
 * the record was made: let the clock pass before.
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
 * {@link owned}, and then {@link recycle}: the owner is gone, another process of the same program has its PID. Gives the PID.
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
 * Runs an effect as a program in a container does: in another PID namespace of the same kernel, on the same disk. The namespace
 * is made where there is none of the name, with a first process. `table.endPidNamespace` ends it; the host's is
 * `FakeProcessTable.initialPidNamespace`.
 *
 * The host sees the processes of every container, a container its own: a sweep on the host can prove an owner's death in there,
 * a sweep in another container can't without the lock.
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

/** A process that is started in the table, and the one on the disk that `process` makes. */
const actorOn = Effect.fnUntraced(function* (process: typeof MemorySentinelStore.fork, options: SpawnOptions) {
  const here = yield* FakeProcessTable
  const pid = yield* Effect.orDie(here.spawn(options))
  const id = yield* Effect.orDie(here.idOf(pid))
  // It stays in the PID namespace in which it was started.
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
  // The PID may be another process's by then.
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
 * Starts a process that runs effects: they see themselves under its PID, make its calls on the disk, and their locks end with it.
 * `options.uid` is its user in the table and on the disk. Where no PID is free it dies.
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
 * Starts a child of an actor, as by `fork(2)`: it inherits what its parent has open, so that a lock is free when both have ended.
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
 * `Ownership.hold` as an actor does it that never lets go: no scope closes before it is killed. The directory has to be there.
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
