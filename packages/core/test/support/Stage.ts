import { Context, Effect, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import type { Disk } from "../../src/Disk.ts"
import { IdentityUnavailable } from "../../src/Errors.ts"
import * as Ownership from "../../src/Ownership.ts"
import { PidNamespaces } from "../../src/PidNamespaces.ts"
import type { Pid } from "../../src/ProcessIdentity.ts"
import { ProcessInspector } from "../../src/ProcessInspector.ts"
import type { SentinelStore } from "../../src/SentinelStore.ts"
import * as FakeProcessTable from "../../src/testing/FakeProcessTable.ts"
import * as MemoryDisk from "../../src/testing/MemoryDisk.ts"
import * as MemorySentinelStore from "../../src/testing/MemorySentinelStore.ts"

export type Services =
  | ProcessInspector
  | FakeProcessTable.FakeProcessTable
  | SentinelStore
  | Disk
  | MemoryDisk.MemoryDisk

export interface Options extends MemoryDisk.Options {
  readonly table?: FakeProcessTable.Options
}

/** A process table and a volume. The programs run as the table's reader and the volume's first process. */
export const layerWith = ({ table = {}, ...disk }: Options): Layer.Layer<Services> =>
  Layer.mergeAll(FakeProcessTable.layerWith(table), MemorySentinelStore.layerWith(disk))

/** One process of the table, that makes calls of its own on the volume. */
export interface Actor {
  readonly pid: Pid
  readonly memory: MemoryDisk.MemoryDisk["Service"]
  readonly run: <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E, Exclude<R, ProcessInspector | SentinelStore | Disk | MemoryDisk.MemoryDisk>>
  /** The process ends, and with it all that it does. */
  readonly kill: Effect.Effect<void>
}

/** A process that is started in the table, and the one on the volume that `process` makes. */
const actorOn = Effect.fnUntraced(function* (
  process: typeof MemorySentinelStore.fork,
  options?: FakeProcessTable.SpawnOptions
) {
  const table = yield* FakeProcessTable.FakeProcessTable
  const inspector = yield* ProcessInspector
  const namespaces = yield* PidNamespaces
  const pid = yield* Effect.orDie(table.spawn(options))
  const made = yield* process
  const memory = Context.get(made, MemoryDisk.MemoryDisk)
  const context = made.pipe(
    Context.add(PidNamespaces, namespaces),
    Context.add(ProcessInspector, {
      ...inspector,
      self: Effect.mapError(inspector.identify(pid), (error) => new IdentityUnavailable({ pid, detail: error.message }))
    })
  )
  const actor: Actor = {
    pid,
    memory,
    run: (effect) => Effect.provideContext(effect, context),
    kill: Effect.andThen(memory.kill, Effect.ignore(table.exit(pid)))
  }
  return actor
})

export const actor = (options?: FakeProcessTable.SpawnOptions) => actorOn(MemorySentinelStore.fork, options)

/** A child that inherits what its parent has open. */
export const child = (parent: Actor, options?: FakeProcessTable.SpawnOptions) =>
  Effect.provideService(
    actorOn(MemorySentinelStore.inherit, { ...options, parent: parent.pid }),
    MemoryDisk.MemoryDisk,
    parent.memory
  )

export const seed = (entries: Parameters<MemoryDisk.MemoryDisk["Service"]["seed"]>[0]) =>
  MemoryDisk.MemoryDisk.use((memory) => memory.seed(entries))

/** An actor that holds a directory until it is killed: it closes no scope then. */
export const hold = Effect.fnUntraced(function* (owner: Actor, directory: string, options?: Ownership.HoldOptions) {
  const scope = yield* Scope.make()
  return yield* Scope.provide(owner.run(Ownership.hold(directory, options)), scope)
})

/** A path with the tags left out that name what was judged of a directory in `dead/`. */
export const untagged = (path: string): string => path.replace(/(?<=\/dead\/)(?:[0-9a-f]{8})+=/, "")

/** A directory with a disk in it, and a process that is recorded as its owner. */
export const owned = Effect.fnUntraced(function* (directory: string, options: Ownership.RecordOptions = {}) {
  const table = yield* FakeProcessTable.FakeProcessTable
  const pid = options.pid ?? (yield* table.spawn({ exe: "/usr/bin/vmm" }))
  yield* seed({ [`${directory}/disk`]: `disk of ${directory}` })
  yield* Ownership.record(directory, { ...options, pid })
  return pid
})

/** The same, whose process has exited. */
export const dead = Effect.fnUntraced(function* (directory: string, options: Ownership.RecordOptions = {}) {
  const pid = yield* owned(directory, options)
  yield* FakeProcessTable.FakeProcessTable.use(({ exit }) => exit(pid))
  return pid
})

/** What lies below a root, by relative path. */
export const paths = (memory: MemoryDisk.MemoryDisk["Service"], root: string) =>
  Effect.map(memory.snapshot(root), (found) =>
    Object.keys(found).flatMap((path) => (path === root ? [] : [path.slice(root.length + 1)]))
  )

/** The names in a root. */
export const names = (memory: MemoryDisk.MemoryDisk["Service"], root: string) =>
  Effect.map(paths(memory, root), (found) => found.filter((path) => !path.includes("/")))

/** Lets the others go on, so many times. `Effect.repeat` takes four times as long over it. */
export const giveWay = Effect.fnUntraced(function* (times: number) {
  for (let time = 0; time < times; time += 1) yield* Effect.yieldNow
})

/** Lets time pass as long as the scope is open: who waits for a lock that somebody holds gives up in the end. */
export const ticking = Effect.forkScoped(Effect.forever(Effect.andThen(giveWay(10), TestClock.adjust("25 millis"))))

/** The calls of a process that changed something. */
export const mutations = (memory: MemoryDisk.MemoryDisk["Service"]) =>
  Effect.map(memory.calls, (calls) => calls.filter(MemoryDisk.isMutation))
