/**
 * Options of a `Simulation`, its services, and its processes.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { Disk } from "../Disk.ts"
import type { Pid } from "../ProcessIdentity.ts"
import type { ProcessInspector } from "../ProcessInspector.ts"
import type { SentinelStore } from "../SentinelStore.ts"
import type { FakeProcessTable } from "./FakeProcessTable.ts"
import type { Options as TableOptions } from "./FakeProcessTableModel.ts"
import type { MemoryDisk, Options as DiskOptions } from "./MemoryDisk.ts"

/**
 * The services that the library requires, and the controls of both fakes.
 *
 * ```ts
 * import * as Cleanup from "@vm-sentinel/core/Cleanup"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const test = (body: Effect.Effect<void, unknown, Simulation.Services>) =>
 *   Effect.runPromise(Effect.provide(body, Simulation.layer))
 *
 * await test(
 *   Effect.gen(function* () {
 *     yield* Simulation.crashed("/srv/vms/vm")
 *     assert.strictEqual((yield* Cleanup.judge("/srv/vms/vm")).verdict, "dead")
 *   })
 * )
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export type Services = ProcessInspector | FakeProcessTable | SentinelStore | Disk | MemoryDisk

/**
 * Options of the machine: those of its disk, and as `table` those of its kernel. `uid` is the user of the test's own
 * effects in both.
 *
 * ```ts
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const options: Simulation.Options = { fileSystem: "xfs", uid: 0, table: { pidMax: 64 } }
 * const names = Effect.provide(Simulation.names("/srv/vms"), Simulation.layerWith(options))
 * assert.deepStrictEqual(await Effect.runPromise(names), [])
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends DiskOptions {
  readonly table?: TableOptions
}

/**
 * A process in the table and on the disk.
 *
 * ```ts
 * import * as Ownership from "@vm-sentinel/core/Ownership"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const restart = (first: Simulation.Actor, second: Simulation.Actor) =>
 *   Effect.andThen(first.kill, second.run(Ownership.record("/srv/vms/vm")))
 *
 * const program = Effect.gen(function* () {
 *   yield* Simulation.seed({ "/srv/vms/vm/disk": "" })
 *   const [first, second] = [yield* Simulation.actor(), yield* Simulation.actor()]
 *   yield* first.run(Ownership.record("/srv/vms/vm"))
 *   const { entry } = yield* restart(first, second)
 *   assert.strictEqual(entry, ".vm-sentinel")
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layer))
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Actor {
  readonly pid: Pid
  /**
   * The controls of the process's calls on the disk. They count the calls, let a call fail, and end the process at a
   * call. A process that ends at a call stays in the table until `kill`.
   */
  readonly memory: MemoryDisk["Service"]
  /**
   * Runs an effect as this process. After `kill` the effect's next call dies, which `MemoryDisk.untilKilled` catches.
   * That includes the calls of finalizers. So a scope that is closed after `kill` dies, if the effect holds a lock in it.
   */
  readonly run: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, Exclude<R, Services>>
  /** Sends SIGKILL. The process is gone. Its PID is free, and so are its locks, except those that a child inherited. */
  readonly kill: Effect.Effect<void>
}
