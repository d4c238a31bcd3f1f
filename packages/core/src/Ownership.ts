/**
 * The owner's side: publishes the sentinel of a process in a directory, and never replaces the sentinel of another
 * owner that isn't provably gone.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import type { HeldLock, LockState, OwnerLock } from "./Disk.ts"
import {
  AlreadyOwned,
  Claimed,
  type IdentityUnavailable,
  LockBusy,
  type LookError,
  MalformedSentinel,
  NotFound,
  type PublishError,
  type SentinelError
} from "./Errors.ts"
import { sameFile } from "./FileId.ts"
import type { DirectoryState, SentinelFile } from "./DirectoryState.ts"
import * as JudgeDirectory from "./internal/sweep/judgeDirectory.ts"
import { nonce } from "./internal/store/nonce.ts"
import { contenders } from "./internal/store/publication.ts"
import * as Layout from "./Layout.ts"
import type { Pid } from "./ProcessIdentity.ts"
import { ProcessInspector } from "./ProcessInspector.ts"
import * as Sentinel from "./Sentinel.ts"
import * as SentinelName from "./SentinelName.ts"
import { SentinelStore } from "./SentinelStore.ts"

/**
 * Options of {@link record}.
 *
 * @category models
 * @since 0.1.0
 */
export interface RecordOptions {
  /** The process to record. Default: the calling process. */
  readonly pid?: Pid
  /** Default `v3`. The file `.bbox-sentinel` takes only `v2`, its default. */
  readonly format?: Sentinel.Format
  /** Role of the owner: 1 to 32 letters, digits, `-` and `_`. Default `owner`. Each role has a file of its own. */
  readonly role?: string
  /** Base name of the sentinel file. Default `.vm-sentinel`. */
  readonly sentinelName?: string
  /** The directory's lock, which the caller holds and whose descriptor `pid` inherited. The record claims this lock. */
  readonly lock?: HeldLock
}

/**
 * Errors of {@link record}, {@link create} and {@link hold}.
 *
 * @category errors
 * @since 0.1.0
 */
export type RecordError = PublishError | LockBusy | IdentityUnavailable

/**
 * Options of {@link create} and {@link hold}. Both take the lock themselves.
 *
 * @category models
 * @since 0.1.0
 */
export type HoldOptions = Omit<RecordOptions, "lock">

/**
 * A published sentinel, and whether sweeps will believe it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Recorded extends SentinelFile {
  /**
   * Why no sweep by this user believes the sentinel, such as "its directory is writable by group 107". A default ACL or
   * a umask can cause that. Sweeps then keep the directory, as `untrusted-sentinel`, until somebody corrects the
   * permissions. `undefined`: sweeps believe the sentinel.
   */
  readonly distrust: string | undefined
}

/**
 * A held directory: its sentinel, and its lock. When the scope closes, the sentinel is rewritten without its claim on
 * the lock; then the lock is released.
 *
 * @category models
 * @since 0.1.0
 */
export interface Held {
  readonly file: Recorded
  /** `undefined`: the platform or the file system has no lock. */
  readonly lock: HeldLock | undefined
}

const isRole = Schema.is(Sentinel.Role)

const ownerOf = (file: Pick<SentinelFile, "content"> | undefined): { readonly owner?: number } =>
  file !== undefined && Result.isSuccess(file.content) ? { owner: file.content.success.pid } : {}

const refuse = (directory: string, entry: string, problem: string) =>
  new MalformedSentinel({ operation: "write sentinel", path: `${directory}/${entry}`, problem })

/** The name of the file of a role. */
const entryOf = Effect.fnUntraced(function* (
  directory: string,
  { role = "owner", sentinelName = SentinelName.defaultName }: Pick<RecordOptions, "role" | "sentinelName">
): Effect.fn.Return<string, MalformedSentinel> {
  const entry = SentinelName.ofRole(sentinelName, role)
  if (!isRole(role)) return yield* refuse(directory, entry, "a role is 1 to 32 letters, digits, - and _")
  if (role === SentinelName.removingRole) {
    return yield* refuse(directory, entry, "the role marks what a sweep deletes")
  }
  if (sentinelName === SentinelName.broodBoxName && role !== "owner") {
    return yield* refuse(directory, entry, "nobody reads a role's file of brood-box's sentinel")
  }
  return entry
})

const makeSentinel = Effect.fnUntraced(function* (
  directory: string,
  options: RecordOptions,
  held: HeldLock | undefined
): Effect.fn.Return<{ readonly entry: string; readonly sentinel: Sentinel.Sentinel }, RecordError, ProcessInspector> {
  const inspector = yield* ProcessInspector
  const { role = "owner", sentinelName = SentinelName.defaultName } = options
  const format = options.format ?? (sentinelName === SentinelName.broodBoxName ? "v2" : "v3")
  const entry = yield* entryOf(directory, options)
  const identity = yield* options.pid === undefined ? inspector.self : inspector.identify(options.pid)
  const createdAt = DateTime.formatIso(yield* DateTime.now)
  // Only the caller is known to hold the lock. `pid` was started with the descriptor, and may have closed it.
  const lock = Sentinel.lockRecord(held, options.pid === undefined ? "self" : "inherited")
  const made = Sentinel.fromIdentity(identity, format, { nonce: yield* nonce, role, createdAt, ...lock })
  if (Result.isFailure(made)) {
    return yield* refuse(
      directory,
      entry,
      made.failure._tag === "Malformed" ? made.failure.problem : "unsupported version"
    )
  }
  return { entry, sentinel: made.success }
})

/** The lock under which a record is published. */
interface LockBasis {
  readonly lock: HeldLock | undefined
  /** Whether the record claims `lock`. */
  readonly isClaimed: boolean
  /** Evidence of `lock` about other owners. `undefined`: none, since other owners may share it. */
  readonly lockState: LockState | undefined
}

/**
 * The sentinel of a role whose owner is provably gone; `undefined`: there is none. Fails where the owner is alive or
 * unknown.
 */
const condemnedOwner = Effect.fnUntraced(function* (
  directory: string,
  entry: string,
  { lock, lockState }: Omit<LockBasis, "isClaimed">
) {
  const store = yield* SentinelStore
  const found = yield* store.look(directory, Layout.ofNames([entry]))
  // Another directory replaced the locked one under this path. The lock says nothing about the owners of the new one.
  if (lock !== undefined && !sameFile(found.id, lock.id)) return yield* new Claimed({ path: directory })
  const contending = contenders(found, entry)
  const context = yield* JudgeDirectory.makeContext({})
  const probeLock = () => Effect.succeed(lockState)
  const judgement = yield* JudgeDirectory.judgeDirectory({ ...context, probeLock }, contending)
  if (judgement.verdict === "alive" || judgement.verdict === "unknown") {
    const { decisive, reason, verdict } = judgement
    return yield* new AlreadyOwned({ path: directory, verdict, reason, ...ownerOf(decisive) })
  }
  return judgement.condemned
})

/** Publishes the record unless the present owner of the role is alive or unknown. */
const recordWith = Effect.fnUntraced(function* (
  directory: string,
  options: RecordOptions,
  { isClaimed, ...basis }: LockBasis
): Effect.fn.Return<SentinelFile, RecordError, ProcessInspector | SentinelStore> {
  const store = yield* SentinelStore
  const { entry, sentinel } = yield* makeSentinel(directory, options, isClaimed ? basis.lock : undefined)
  const condemned = yield* condemnedOwner(directory, entry, basis)
  const replacing = condemned === undefined ? {} : { replacing: condemned }
  return yield* store.publish(directory, sentinel, { entry, ...replacing })
})

/** Fails with `LockBusy`, which names the lock holders that are visible to this process. */
const failWithHolders = Effect.fnUntraced(function* (path: string) {
  const { lockHolders } = yield* ProcessInspector
  const found = yield* Effect.option((yield* SentinelStore).look(path, Layout.standard))
  const holders = found._tag === "None" ? [] : yield* lockHolders(found.value.id)
  return yield* new LockBusy({ path, ...(holders.length === 0 ? {} : { holders }) })
})

/** The owner's lock. `undefined`: the platform or the file system has none. */
const lockOf = Effect.fnUntraced(function* (directory: string) {
  const store = yield* SentinelStore
  return yield* store.lock(directory).pipe(
    Effect.catchTag("LockUnsupported", () => Effect.succeed(undefined)),
    Effect.catchTag("LockBusy", () => failWithHolders(directory))
  )
})

/** Evidence of the owner's lock about other owners. `undefined`: none, since other owners share the lock. */
const lockEvidence = (lock: OwnerLock | undefined): LockState | undefined =>
  lock === undefined ? "unknown" : lock.wasExclusive ? "free" : undefined

const distrustOf = ({ sentinels }: DirectoryState, entry: string): string | undefined => {
  const content = sentinels.find((file) => file.entry === entry)?.content
  if (content === undefined || Result.isSuccess(content)) return undefined
  return content.failure._tag === "UntrustedSentinel" ? content.failure.problem : undefined
}

/**
 * The published sentinel, with the distrust that a look at its directory finds. A directory that can't be read shows
 * none.
 */
const asRecorded = <R>(file: SentinelFile, look: Effect.Effect<DirectoryState, LookError, R>) =>
  Effect.map(Effect.option(look), (found): Recorded => ({
    ...file,
    distrust: found._tag === "None" ? undefined : distrustOf(found.value, file.entry)
  }))

/**
 * Publishes a record, and takes it back where it doesn't lie in the locked directory. `recordWith` publishes by path:
 * another directory, which the lock doesn't protect, may have replaced the locked one.
 */
const recordLocked = Effect.fnUntraced(function* (directory: string, options: RecordOptions, standing: LockBasis) {
  const file = yield* recordWith(directory, options, standing)
  const { lock } = standing
  const look = (yield* SentinelStore).look(directory, Layout.ofNames([file.entry]))
  if (lock === undefined) return yield* asRecorded(file, look)
  const found = yield* look
  if (sameFile(found.id, lock.id)) return yield* asRecorded(file, Effect.succeed(found))
  yield* Effect.ignore(release(directory, file))
  return yield* new Claimed({ path: directory })
})

/**
 * Converts the exclusive lock to a shared one, beside which owners of other roles can hold theirs. `flock(2)` doesn't
 * convert atomically: a sweep may take the lock in between. Then the record is taken back.
 */
const share = (directory: string, lock: OwnerLock, file: SentinelFile) =>
  lock.wasExclusive
    ? Effect.catch(lock.share, () =>
        Effect.andThen(Effect.ignore(release(directory, file)), Effect.fail(new Claimed({ path: directory })))
      )
    : Effect.void

const basisOf = Effect.fnUntraced(function* (
  directory: string,
  options: Pick<RecordOptions, "lock">
): Effect.fn.Return<LockBasis, LockBusy | Claimed | LookError, ProcessInspector | SentinelStore | Scope.Scope> {
  // The caller's lock keeps every sweep away. It is no evidence about other owners, who may share it.
  if (options.lock !== undefined) return { lock: options.lock, isClaimed: true, lockState: undefined }
  const lock = yield* lockOf(directory)
  return { lock, isClaimed: false, lockState: lockEvidence(lock) }
})

/**
 * Fails like {@link record} if the role has an owner that isn't provably gone. Changes nothing. A program runs it
 * before it starts an owner that it will record later.
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
  options?: Pick<RecordOptions, "role" | "sentinelName" | "lock">
) => Effect.Effect<void, RecordError, ProcessInspector | SentinelStore> = Effect.fn("Ownership.ensureUnowned")(
  function* (directory, options = {}) {
    const entry = yield* entryOf(directory, options)
    yield* condemnedOwner(directory, entry, yield* basisOf(directory, options))
  },
  Effect.scoped
)

/**
 * Records a process as the owner of a directory. `record` replaces an existing sentinel of the role only when its owner
 * is provably gone; otherwise `AlreadyOwned` names that owner. `record` holds the directory's lock until it returns: no
 * sweep can take the directory meanwhile.
 *
 * `Claimed`: a sweep already has the directory. `LockBusy`: another process held the lock exclusively for 5 s.
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
  return yield* recordLocked(directory, options, yield* basisOf(directory, options))
}, Effect.scoped)

/** Whether no record claims the lock any more: the directory was removed, or its sentinel has another nonce. */
const isUnclaimed = Effect.fnUntraced(function* (
  directory: string,
  { entry }: SentinelFile,
  nonce: string,
  lock: HeldLock
) {
  if (yield* lock.isGone) return true
  const store = yield* SentinelStore
  const found = yield* Effect.option(store.look(directory, Layout.ofNames([entry])))
  // The locked directory may lie elsewhere now, together with a record that claims the lock.
  if (found._tag === "None" || !sameFile(found.value.id, lock.id)) return false
  return !found.value.sentinels.some(
    ({ content }) =>
      Result.isSuccess(content) && content.success._tag === "V3" && content.success.record.nonce === nonce
  )
})

/**
 * Rewrites the record without its claim on the lock, then releases the lock. A claimed lock that is free proves the
 * owner's end to a reader in another PID namespace. Where the rewrite fails, this living process therefore keeps the
 * descriptor open until it ends.
 */
const letGo = Effect.fnUntraced(function* (directory: string, { file, lock }: Held, scope: Scope.Closeable) {
  const store = yield* SentinelStore
  const sentinel = Result.isSuccess(file.content) ? file.content.success : undefined
  const close = Scope.close(scope, Exit.void)
  if (lock === undefined || sentinel?._tag !== "V3" || sentinel.record.lock === undefined) return yield* close
  const { lock: _, ...record } = sentinel.record
  yield* store.publish(directory, { ...sentinel, record }, { entry: file.entry, replacing: file }).pipe(
    Effect.as(true),
    Effect.catch(() => isUnclaimed(directory, file, record.nonce, lock)),
    Effect.flatMap((isFree) => (isFree ? close : Effect.void))
  )
})

type Lock = (
  path: string
) => Effect.Effect<OwnerLock | undefined, Claimed | LockBusy | LookError, ProcessInspector | SentinelStore>

/** Runs `use` with a scope for the lock. The lock is released when `use` fails, or when the caller's scope closes. */
const withLockScope = <A extends Held, E, R>(
  directory: string,
  use: (lock: Lock) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R | SentinelStore | Scope.Scope> =>
  // An interrupt after the publication would release the lock: the record would claim a lock that nobody holds.
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const lock: Lock = (path) => restore(Scope.provide(lockOf(path), scope))
      const held = yield* Effect.onError(use(lock), () => Scope.close(scope, Exit.void))
      const store = yield* SentinelStore
      yield* Effect.addFinalizer(() => Effect.provideService(letGo(directory, held, scope), SentinelStore, store))
      return held
    })
  )

/**
 * Makes a directory that appears under its path with its owner's sentinel in it and the lock held: no crash leaves a
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
) => Effect.Effect<Held, RecordError, ProcessInspector | SentinelStore | Scope.Scope> = Effect.fn("Ownership.create")(
  (directory, options = {}) =>
    withLockScope(
      directory,
      Effect.fnUntraced(function* (lockOwn) {
        const store = yield* SentinelStore
        const { role = "owner", sentinelName = SentinelName.defaultName } = options
        let lock: OwnerLock | undefined
        const sentinelOf = Effect.fnUntraced(function* (staged: string) {
          lock = yield* lockOwn(staged)
          return (yield* makeSentinel(directory, options, lock)).sentinel
        })
        const made = yield* store.create(directory, sentinelOf, SentinelName.ofRole(sentinelName, role))
        if (lock !== undefined) yield* share(directory, lock, made)
        const file = yield* asRecorded(made, store.look(directory, Layout.ofNames([made.entry])))
        return { file, lock }
      })
    )
)

/**
 * Records the calling process, or `options.pid`, as the owner of an existing directory, and holds the ownership lock,
 * shared, until the scope closes. A held lock outranks all other evidence, also for a reader in another PID namespace.
 * Where the platform or the file system has no lock, ownership rests on the sentinel alone. The sentinel stays when the
 * scope closes: the directory is judged dead once the recorded process has ended.
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
  (directory, options = {}) =>
    withLockScope(
      directory,
      Effect.fnUntraced(function* (lockOwn) {
        const lock = yield* lockOwn(directory)
        const file = yield* recordLocked(directory, options, { lock, isClaimed: true, lockState: lockEvidence(lock) })
        if (lock !== undefined) yield* share(directory, lock, file)
        return { lock, file }
      })
    )
)

/**
 * Removes a v3 sentinel that {@link record}, {@link create} or {@link hold} published, and no other. An owner uses it
 * after it has handed the directory over. `NotFound`: the sentinel is gone, or it is a v1 or v2 sentinel, which has no
 * nonce to recognise it by.
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
export const release: (
  directory: string,
  file: SentinelFile
) => Effect.Effect<void, LookError | SentinelError, SentinelStore> = Effect.fn("Ownership.release")(function* (
  directory,
  { content, entry }
) {
  const store = yield* SentinelStore
  if (Result.isFailure(content)) return yield* Effect.fail(content.failure)
  if (content.success._tag !== "V3") return yield* new NotFound({ operation: "release sentinel", path: directory })
  yield* store.release(directory, content.success.record.nonce, Layout.ofNames([entry]))
})
