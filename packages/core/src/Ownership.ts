/**
 * Publishes the sentinel of a process in a directory, and never replaces the sentinel of another owner that isn't
 * provably gone.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { PublishedFile } from "./DirectoryState.ts"
import type { Claimed, LockBusy, LookError, MalformedSentinel } from "./Errors.ts"
import * as Holding from "./internal/owning/holding.ts"
import * as Recording from "./internal/owning/recording.ts"
import type {
  CreateError,
  Held,
  HoldOptions,
  Recorded,
  RecordError,
  RecordOptions,
  UnownedError
} from "./OwnershipModel.ts"
import type { ProcessInspector } from "./ProcessInspector.ts"
import type { SentinelStore } from "./SentinelStore.ts"

export * from "./OwnershipModel.ts"

/**
 * Fails like {@link record} if the role has an owner that isn't provably gone. Changes nothing. A program runs
 * `ensureUnowned` before it starts an owner that it will record later.
 *
 * **Example** (Asking before a VM is started)
 *
 * ```ts
 * import * as Ownership from "@vm-sentinel/core/Ownership"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   yield* Simulation.seed({ "/srv/vms/vm/disk": "" })
 *   yield* Ownership.ensureUnowned("/srv/vms/vm", { role: "vm" })
 *   const vm = yield* Simulation.actor()
 *   yield* Ownership.record("/srv/vms/vm", { pid: vm.pid, role: "vm" })
 *   const error = yield* Effect.flip(Ownership.ensureUnowned("/srv/vms/vm", { role: "vm" }))
 *   assert.strictEqual(error._tag, "AlreadyOwned")
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layer))
 * ```
 *
 * @category owning
 * @since 0.1.0
 */
export const ensureUnowned: (
  directory: string,
  options?: Pick<RecordOptions, "legacy" | "lock" | "role" | "sentinelName">
) => Effect.Effect<void, UnownedError, ProcessInspector | SentinelStore> = Effect.fn("Ownership.ensureUnowned")(
  function* (directory, options = {}) {
    const entry = yield* Recording.entryOf(directory, options)
    yield* Recording.condemnedOwner(directory, entry, options, yield* Recording.basisOf(directory, options))
  },
  Effect.scoped
)

/**
 * Removes the sentinel of a role if only the other sentinels of the directory prove that its owner is gone: the kernel
 * ends a PID namespace with its first process. An owner that takes over several roles calls `releaseEnded` before it
 * replaces the sentinel of that first process, and with it the proof. Returns whether a sentinel was removed. The other
 * sentinels still make the directory dead.
 *
 * `Claimed` and `LockBusy`: as for {@link record}.
 *
 * **Example** (Taking over from a container that was killed)
 *
 * ```ts
 * import * as Ownership from "@vm-sentinel/core/Ownership"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   yield* Simulation.crashed("/srv/vms/vm")
 *   // This sentinel can be judged by itself.
 *   assert.strictEqual(yield* Ownership.releaseEnded("/srv/vms/vm"), false)
 *   yield* Ownership.record("/srv/vms/vm")
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layer))
 * ```
 *
 * @category owning
 * @since 0.1.0
 */
export const releaseEnded: (
  directory: string,
  options?: Pick<RecordOptions, "legacy" | "role" | "sentinelName">
) => Effect.Effect<boolean, LookError | Claimed | LockBusy | MalformedSentinel, ProcessInspector | SentinelStore> =
  Effect.fn("Ownership.releaseEnded")(function* (directory, options = {}) {
    return yield* Recording.releaseEnded(directory, options, yield* Recording.basisOf(directory, {}))
  }, Effect.scoped)

/**
 * Records a process as the owner of a directory. `record` replaces an existing sentinel of the role only if the
 * sentinel's owner is provably gone. Otherwise `record` fails with `AlreadyOwned`. Where locks work, the directory's
 * lock is held until `record` returns, so no sweep can take the directory meanwhile.
 *
 * `Claimed`: a sweep has the directory or took it meanwhile, or another directory has replaced it. `LockBusy`: another
 * process held the lock exclusively for 5 s.
 *
 * **Example** (Recording an owner after the end of another)
 *
 * ```ts
 * import * as Ownership from "@vm-sentinel/core/Ownership"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   yield* Simulation.seed({ "/srv/vms/vm/disk": "" })
 *   const vm = yield* Simulation.actor()
 *   const { entry } = yield* Ownership.record("/srv/vms/vm", { pid: vm.pid, role: "vm" })
 *   assert.strictEqual(entry, ".vm-sentinel.vm")
 *   const error = yield* Effect.flip(Ownership.record("/srv/vms/vm", { role: "vm" }))
 *   assert.strictEqual(error._tag, "AlreadyOwned")
 *   yield* vm.kill
 *   yield* Ownership.record("/srv/vms/vm", { role: "vm" })
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layer))
 * ```
 *
 * @category owning
 * @since 0.1.0
 */
export const record: (
  directory: string,
  options?: RecordOptions
) => Effect.Effect<Recorded, RecordError, ProcessInspector | SentinelStore> = Effect.fn("Ownership.record")(function* (
  directory,
  options = {}
) {
  return yield* Recording.recordLocked(directory, options, yield* Recording.basisOf(directory, options))
}, Effect.scoped)

/**
 * Makes a directory that appears under its path with its owner's sentinel in it and the lock held. No crash leaves a
 * directory without a sentinel under the path. Its mode is 0700, whatever the umask and the default ACL of its root
 * are. The lock stays held until the scope has closed and every process that inherited its descriptor has closed it.
 * `AlreadyOwned`: the path exists.
 *
 * **Example** (Making a directory with its owner in it)
 *
 * ```ts
 * import * as Ownership from "@vm-sentinel/core/Ownership"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   yield* Simulation.seed({ "/srv/vms": { type: "directory" } })
 *   const { file, lock } = yield* Ownership.create("/srv/vms/vm")
 *   assert.strictEqual(file.entry, ".vm-sentinel")
 *   assert.ok(lock !== undefined)
 *   const error = yield* Effect.flip(Ownership.create("/srv/vms/vm"))
 *   assert.strictEqual(error._tag, "AlreadyOwned")
 * })
 *
 * await Effect.runPromise(Effect.scoped(Effect.provide(program, Simulation.layer)))
 * ```
 *
 * @category owning
 * @since 0.1.0
 */
export const create: (
  directory: string,
  options?: HoldOptions
) => Effect.Effect<Held, CreateError, ProcessInspector | SentinelStore | Scope.Scope> = Effect.fn("Ownership.create")(
  (directory, options = {}) => Holding.create(directory, options)
)

/**
 * Records the calling process as the owner of an existing directory, and holds the ownership lock, shared, until the
 * scope closes. A held lock outranks all other evidence, even for a reader in another PID namespace.
 * If the platform or the file system has no lock, ownership rests on the sentinel alone. The sentinel stays when the
 * scope closes, and the directory can be judged dead once the recorded process has ended. {@link record} with `pid` and `lock` records a
 * process that inherits the lock.
 *
 * **Example** (Holding the lock for a scope)
 *
 * ```ts
 * import * as Cleanup from "@vm-sentinel/core/Cleanup"
 * import * as Ownership from "@vm-sentinel/core/Ownership"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   yield* Simulation.seed({ "/srv/vms/vm/disk": "" })
 *   const reason = Effect.map(Cleanup.judge("/srv/vms/vm"), (judgement) => judgement.reason)
 *   const held = yield* Effect.scoped(Effect.andThen(Ownership.hold("/srv/vms/vm"), reason))
 *   assert.strictEqual(held, "lock-held")
 *   // The scope has closed, and the process still runs.
 *   assert.strictEqual(yield* reason, "matches")
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layer))
 * ```
 *
 * @category owning
 * @since 0.1.0
 */
export const hold: (
  directory: string,
  options?: HoldOptions
) => Effect.Effect<Held, RecordError, ProcessInspector | SentinelStore | Scope.Scope> = Effect.fn("Ownership.hold")(
  (directory, options = {}) => Holding.hold(directory, options)
)

/**
 * Removes a sentinel that {@link record}, {@link create} or {@link hold} published, and no other. An owner uses
 * `release` after it has handed the directory over. A v3 sentinel is recognised by its nonce, a v1 or v2 sentinel as the
 * very file. `NotFound`: the sentinel is gone.
 *
 * **Example** (Handing a directory over to the VM)
 *
 * ```ts
 * import * as Cleanup from "@vm-sentinel/core/Cleanup"
 * import * as Ownership from "@vm-sentinel/core/Ownership"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   yield* Simulation.seed({ "/srv/vms/vm/disk": "" })
 *   const supervisor = yield* Ownership.record("/srv/vms/vm", { role: "supervisor" })
 *   const vm = yield* Simulation.actor()
 *   yield* Ownership.record("/srv/vms/vm", { pid: vm.pid })
 *   yield* Ownership.release("/srv/vms/vm", supervisor)
 *   yield* vm.kill
 *   // The supervisor still runs, and owns nothing.
 *   assert.strictEqual((yield* Cleanup.judge("/srv/vms/vm")).reason, "pid-dead")
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layer))
 * ```
 *
 * @category owning
 * @since 0.1.0
 */
export const release: (directory: string, file: PublishedFile) => Effect.Effect<void, LookError, SentinelStore> =
  Recording.release
