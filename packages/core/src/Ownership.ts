/**
 * The owner's side: leaving a sentinel in a directory, and never over another owner's.
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
import type { SentinelFile } from "./DirectoryState.ts"
import * as JudgeDirectory from "./internal/judgeDirectory.ts"
import { nonce } from "./internal/nonce.ts"
import { contenders } from "./internal/publication.ts"
import * as Layout from "./Layout.ts"
import type { Pid } from "./ProcessIdentity.ts"
import { ProcessInspector } from "./ProcessInspector.ts"
import * as Sentinel from "./Sentinel.ts"
import * as SentinelName from "./SentinelName.ts"
import { SentinelStore } from "./SentinelStore.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface RecordOptions {
  /** The owner, default the calling process. */
  readonly pid?: Pid
  /** Default `v3`. Under `.bbox-sentinel` always `v2`. */
  readonly format?: Sentinel.Format
  /** Default `owner`. Every other role has a file of its own. */
  readonly role?: string
  /** Base name of the file, default `.vm-sentinel`. */
  readonly sentinelName?: string
  /** The directory's lock, where the caller holds it and `pid` inherited it. */
  readonly lock?: HeldLock
}

/**
 * @category errors
 * @since 0.1.0
 */
export type RecordError = PublishError | LockBusy | IdentityUnavailable

/**
 * @category models
 * @since 0.1.0
 */
export type HoldOptions = Omit<RecordOptions, "lock">

/**
 * A directory that is held: its sentinel, and the lock where the platform and the file system have one. When the scope closes
 * the sentinel is rewritten without its claim on the lock, then the lock is given up.
 *
 * @category models
 * @since 0.1.0
 */
export interface Held {
  readonly file: SentinelFile
  readonly lock: HeldLock | undefined
}

const isRole = Schema.is(Sentinel.Role)

const ownerOf = (file: Pick<SentinelFile, "content"> | undefined): { readonly owner?: number } =>
  file !== undefined && Result.isSuccess(file.content) ? { owner: file.content.success.pid } : {}

const compose = Effect.fnUntraced(function* (
  directory: string,
  options: RecordOptions,
  held: HeldLock | undefined
): Effect.fn.Return<{ readonly entry: string; readonly sentinel: Sentinel.Sentinel }, RecordError, ProcessInspector> {
  const inspector = yield* ProcessInspector
  const { role = "owner", sentinelName = SentinelName.defaultName } = options
  const isBroodBox = sentinelName === SentinelName.broodBoxName
  const format = options.format ?? (isBroodBox ? "v2" : "v3")
  const entry = SentinelName.ofRole(sentinelName, role)
  const refuse = (problem: string) =>
    new MalformedSentinel({ operation: "write sentinel", path: `${directory}/${entry}`, problem })
  if (!isRole(role)) return yield* refuse("a role is 1 to 32 letters, digits, - and _")
  if (isBroodBox && role !== "owner") return yield* refuse("nobody reads a role's file of brood-box's sentinel")
  const identity = yield* options.pid === undefined ? inspector.self : inspector.identify(options.pid)
  const createdAt = DateTime.formatIso(yield* DateTime.now)
  // A process that was started with the descriptor may have closed it.
  const lock = Sentinel.lockRecord(held, options.pid === undefined ? "self" : "inherited")
  const made = Sentinel.fromIdentity(identity, format, { nonce: yield* nonce, role, createdAt, ...lock })
  if (Result.isFailure(made)) {
    return yield* refuse(made.failure._tag === "Malformed" ? made.failure.problem : "unsupported version")
  }
  return { entry, sentinel: made.success }
})

/** A lock of the directory, whether the record says so, and what it says of other owners. */
interface Standing {
  readonly lock: HeldLock | undefined
  readonly isClaimed: boolean
  readonly state: LockState | undefined
}

/** Judges who has the role, and publishes. */
const recordWith = Effect.fnUntraced(function* (
  directory: string,
  options: RecordOptions,
  { isClaimed, lock, state }: Standing
): Effect.fn.Return<SentinelFile, RecordError, ProcessInspector | SentinelStore> {
  const store = yield* SentinelStore
  const { entry, sentinel } = yield* compose(directory, options, isClaimed ? lock : undefined)
  const found = yield* store.look(directory, Layout.ofNames([entry]))
  // The lock of one directory says nothing of the owners of another that has taken its place.
  if (lock !== undefined && !sameFile(found.id, lock.id)) return yield* new Claimed({ path: directory })
  const contending = contenders(found, entry)
  const context = yield* JudgeDirectory.makeContext({})
  const probeLock = () => Effect.succeed(state)
  const judgement = yield* JudgeDirectory.judgeDirectory({ ...context, probeLock }, contending)
  if (judgement.verdict === "alive" || judgement.verdict === "unknown") {
    const { decisive, reason, verdict } = judgement
    return yield* new AlreadyOwned({ path: directory, verdict, reason, ...ownerOf(decisive) })
  }
  const replacing = judgement.condemned === undefined ? {} : { replacing: judgement.condemned }
  return yield* store.publish(directory, sentinel, { entry, ...replacing })
})

/** Names who holds the lock, as far as that can be seen. */
const nameHolders = Effect.fnUntraced(function* (path: string) {
  const { lockHolders } = yield* ProcessInspector
  const state = yield* Effect.option((yield* SentinelStore).look(path, Layout.standard))
  const holders = state._tag === "None" ? [] : yield* lockHolders(state.value.id)
  return yield* new LockBusy({ path, ...(holders.length === 0 ? {} : { holders }) })
})

/** The owner's lock; `undefined` where there is none to be had. */
const lockOf = Effect.fnUntraced(function* (directory: string) {
  const store = yield* SentinelStore
  return yield* store.lock(directory).pipe(
    Effect.catchTag("LockUnsupported", () => Effect.succeed(undefined)),
    Effect.catchTag("LockBusy", () => nameHolders(directory))
  )
})

/** What the lock that was taken says of other owners: nothing, where they share it. */
const stateOf = (lock: OwnerLock | undefined): LockState | undefined =>
  lock === undefined ? "unknown" : lock.alone ? "free" : undefined

/** Another directory may have taken the place of the one that was locked, which then has this record for nothing. */
const recordLocked = Effect.fnUntraced(function* (directory: string, options: RecordOptions, standing: Standing) {
  const file = yield* recordWith(directory, options, standing)
  const { lock } = standing
  if (lock === undefined) return file
  const { id } = yield* (yield* SentinelStore).look(directory, Layout.ofNames([file.entry]))
  if (sameFile(id, lock.id)) return file
  yield* Effect.ignore(release(directory, file))
  return yield* new Claimed({ path: directory })
})

/**
 * Exclusive becomes shared: other roles may live beside this one. It is the only moment at which a sweep could have come in
 * between, and then the record is taken back.
 */
const share = (directory: string, lock: OwnerLock, file: SentinelFile) =>
  lock.alone
    ? Effect.catch(lock.share, () =>
        Effect.andThen(Effect.ignore(release(directory, file)), Effect.fail(new Claimed({ path: directory })))
      )
    : Effect.void

/**
 * Records a process as the owner of a directory. A sentinel that is there already is replaced only when its owner is
 * provably gone; else `AlreadyOwned` names it. The directory's lock is held meanwhile, so that no sweep takes it: one that
 * has it already is `Claimed`, and a holder that leaves no room is `LockBusy`.
 *
 * @category owning
 * @since 0.1.0
 */
export const record: (
  directory: string,
  options?: RecordOptions
) => Effect.Effect<SentinelFile, RecordError, ProcessInspector | SentinelStore> = Effect.fn("Ownership.record")(
  function* (directory, options = {}) {
    // The caller's own lock keeps every sweep away, and says nothing about an owner that shares it.
    if (options.lock !== undefined) {
      return yield* recordLocked(directory, options, { lock: options.lock, isClaimed: true, state: undefined })
    }
    const lock = yield* lockOf(directory)
    return yield* recordLocked(directory, options, { lock, isClaimed: false, state: stateOf(lock) })
  },
  Effect.scoped
)

/** Whether nothing claims the lock any more: the directory was removed, or it has no such record now. */
const isUnclaimed = Effect.fnUntraced(function* (
  directory: string,
  { entry }: SentinelFile,
  nonce: string,
  lock: HeldLock
) {
  if (yield* lock.isGone) return true
  const store = yield* SentinelStore
  const found = yield* Effect.option(store.look(directory, Layout.ofNames([entry])))
  // Another directory may be in its place, and it may be anywhere, with its record.
  if (found._tag === "None" || !sameFile(found.value.id, lock.id)) return false
  return !found.value.sentinels.some(
    ({ content }) =>
      Result.isSuccess(content) && content.success._tag === "V3" && content.success.record.nonce === nonce
  )
})

/**
 * Gives up what was held. The record claims the lock: it is rewritten first, and where that fails the descriptor stays open
 * until this process ends.
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

/** Runs with a lock of its own, which is given up when the caller's scope closes, or when it fails. */
const state = <A extends Held, E, R>(
  directory: string,
  use: (lock: Lock) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R | SentinelStore | Scope.Scope> =>
  // Interrupted between its record and its return, the record would claim a lock that nobody holds.
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
 * Makes a directory that is born complete: with its owner's sentinel in it and the ownership lock held, so that no
 * crash leaves one that nobody answers for. The lock is held until the scope closes, and by every process that its
 * descriptor was passed to. `AlreadyOwned` when there is something under the path.
 *
 * @category owning
 * @since 0.1.0
 */
export const create: (
  directory: string,
  options?: HoldOptions
) => Effect.Effect<Held, RecordError, ProcessInspector | SentinelStore | Scope.Scope> = Effect.fn("Ownership.create")(
  (directory, options = {}) =>
    state(
      directory,
      Effect.fnUntraced(function* (lockOwn) {
        const store = yield* SentinelStore
        const { role = "owner", sentinelName = SentinelName.defaultName } = options
        let lock: OwnerLock | undefined
        const sentinelOf = Effect.fnUntraced(function* (staged: string) {
          lock = yield* lockOwn(staged)
          return (yield* compose(directory, options, lock)).sentinel
        })
        const file = yield* store.create(directory, sentinelOf, SentinelName.ofRole(sentinelName, role))
        if (lock !== undefined) yield* share(directory, lock, file)
        return { file, lock }
      })
    )
)

/**
 * Records the calling process as the owner of a directory that is there, and holds the ownership lock, shared, until the scope
 * closes. The lock outranks every other evidence, also for a reader in another PID namespace; where there is none to be
 * had, the sentinel alone stands. The sentinel stays when the scope closes: it says dead once this process is.
 *
 * @category owning
 * @since 0.1.0
 */
export const hold: (
  directory: string,
  options?: HoldOptions
) => Effect.Effect<Held, RecordError, ProcessInspector | SentinelStore | Scope.Scope> = Effect.fn("Ownership.hold")(
  (directory, options = {}) =>
    state(
      directory,
      Effect.fnUntraced(function* (lockOwn) {
        const lock = yield* lockOwn(directory)
        const file = yield* recordLocked(directory, options, { lock, isClaimed: true, state: stateOf(lock) })
        if (lock !== undefined) yield* share(directory, lock, file)
        return { lock, file }
      })
    )
)

/**
 * Takes back a v3 sentinel that {@link record}, {@link create} or {@link hold} published, and no other: where the owner
 * has handed the directory over. `NotFound` where it is gone.
 *
 * @category owning
 * @since 0.1.0
 */
export const release: (
  directory: string,
  file: SentinelFile
) => Effect.Effect<void, LookError | SentinelError, SentinelStore> = Effect.fn("Ownership.release")(function* (
  directory,
  { content }
) {
  const store = yield* SentinelStore
  if (Result.isFailure(content)) return yield* Effect.fail(content.failure)
  if (content.success._tag !== "V3") return yield* new NotFound({ operation: "release sentinel", path: directory })
  yield* store.release(directory, content.success.record.nonce)
})
