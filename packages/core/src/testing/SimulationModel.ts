/**
 * What a `Simulation` is told, and gives.
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
 * Everything that the library needs, and the controls of both fakes: what a test requires.
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
 * The machine: its disk, and under `table` its kernel. `uid` is the user of the test's own effects, in both.
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
 * One process, in the table and on the disk.
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
  /** The controls of its calls: let one fail, end it at one, count them. Ended by these it stays in the table until `kill`. */
  readonly memory: MemoryDisk["Service"]
  /** Runs an effect as the process. Once it is killed the effect's next call dies: `MemoryDisk.untilKilled` tells. */
  readonly run: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, Exclude<R, Services>>
  /** SIGKILL: the process is gone, its PID and its locks are free, but for those that a child inherited. */
  readonly kill: Effect.Effect<void>
}
