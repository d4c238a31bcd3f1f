/**
 * The owner's side: leaving a sentinel in a directory, and never over another owner's.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { HeldLock } from "./Disk.ts"
import {
  AlreadyOwned,
  Claimed,
  type IdentityUnavailable,
  MalformedSentinel,
  NotFound,
  type SentinelError
} from "./Errors.ts"
import type { SentinelFile } from "./Holding.ts"
import * as Examination from "./internal/examination.ts"
import { nonce } from "./internal/nonce.ts"
import { contenders } from "./internal/publication.ts"
import type { Pid } from "./ProcessIdentity.ts"
import { ProcessInspector } from "./ProcessInspector.ts"
import * as Sentinel from "./Sentinel.ts"
import * as SentinelName from "./SentinelName.ts"
import { type LookError, type PublishError, SentinelStore } from "./SentinelStore.ts"

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
export type RecordError = PublishError | IdentityUnavailable

/**
 * @category models
 * @since 0.1.0
 */
export interface HoldOptions extends RecordOptions {
  /** Children, and what this process execs, hold the lock too. Default `false`: it ends with this program. */
  readonly inheritable?: boolean
}

/**
 * A directory that is held: its sentinel, and the lock where the platform and the file system have one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Held {
  readonly file: SentinelFile
  readonly lock: HeldLock | undefined
}

const isRole = Schema.is(Sentinel.Role)

const ownerOf = (file: SentinelFile | undefined): { readonly owner?: number } =>
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
  const createdAt = new Date(yield* Clock.currentTimeMillis).toISOString()
  const lock: { readonly lock?: Sentinel.LockRecord } =
    held === undefined ? {} : { lock: { kind: "flock", tested: held.tested, survivesExec: held.survivesExec } }
  const made = Sentinel.fromIdentity(identity, format, { nonce: yield* nonce, role, createdAt, ...lock })
  if (Result.isFailure(made)) {
    return yield* refuse(made.failure._tag === "Malformed" ? made.failure.problem : "unsupported version")
  }
  return { entry, sentinel: made.success }
})

const recordWith = Effect.fnUntraced(function* (
  directory: string,
  options: RecordOptions,
  held: HeldLock | undefined
): Effect.fn.Return<SentinelFile, RecordError, ProcessInspector | SentinelStore> {
  const store = yield* SentinelStore
  const { entry, sentinel } = yield* compose(directory, options, held)
  const holding = contenders(yield* store.look(directory, [entry]), entry)
  const isLocal = yield* store.isLocal(directory)
  const court = yield* Examination.makeCourt({ legacy: "trust", isLocal: () => isLocal })
  // Whoever holds the lock knows that the owner before doesn't.
  const probeLock = held === undefined ? court.probeLock : () => Effect.succeed("free" as const)
  const judgement = yield* Examination.examine({ ...court, probeLock }, holding)
  if (judgement.verdict === "alive" || judgement.verdict === "unknown") {
    const { decisive, reason, verdict } = judgement
    return yield* new AlreadyOwned({ path: directory, verdict, reason, ...ownerOf(decisive) })
  }
  const replacing = judgement.condemned === undefined ? {} : { replacing: judgement.condemned }
  return yield* store.publish(directory, sentinel, { entry, ...replacing })
})

/**
 * Records a process as the owner of a directory. A sentinel that is there already is replaced only when its owner is
 * provably gone; else `AlreadyOwned` names it. A sweep that takes the directory meanwhile is `Claimed`: nothing is lost.
 *
 * @category owning
 * @since 0.1.0
 */
export const record: (
  directory: string,
  options?: RecordOptions
) => Effect.Effect<SentinelFile, RecordError, ProcessInspector | SentinelStore> = Effect.fn("Ownership.record")(
  (directory, options = {}) => recordWith(directory, options, options.lock)
)

const lockOf = Effect.fnUntraced(function* (directory: string, options: HoldOptions) {
  const store = yield* SentinelStore
  return yield* store.lock(directory, { inheritable: options.inheritable ?? false }).pipe(
    Effect.catchTag("LockUnsupported", () => Effect.succeed(undefined)),
    Effect.catchTag("LockBusy", () =>
      Effect.flatMap(Effect.option(store.look(directory)), (holding) =>
        Effect.fail(
          new AlreadyOwned({
            path: directory,
            verdict: "alive",
            reason: "lock-held",
            ...ownerOf(Option.getOrUndefined(holding)?.sentinels[0])
          })
        )
      )
    )
  )
})

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
  function* (directory, options = {}) {
    const store = yield* SentinelStore
    const { role = "owner", sentinelName = SentinelName.defaultName } = options
    let lock: HeldLock | undefined
    const sentinelOf = Effect.fnUntraced(function* (staged: string) {
      lock = yield* lockOf(staged, options)
      return (yield* compose(directory, options, lock)).sentinel
    })
    const file = yield* store.create(directory, sentinelOf, SentinelName.ofRole(sentinelName, role))
    return { file, lock }
  }
)

/**
 * Records the calling process as the owner of a directory that is there, and holds the ownership lock until the scope
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
  function* (directory, options = {}) {
    const store = yield* SentinelStore
    const lock = yield* lockOf(directory, options)
    const file = yield* recordWith(directory, options, lock)
    // Another directory may have taken its place meanwhile: the lock is on the one that went.
    if (lock?.tested === true && (yield* store.probeLock(directory)) === "free") {
      yield* Effect.ignore(withdraw(directory, file))
      return yield* new Claimed({ path: directory })
    }
    return { lock, file }
  }
)

/**
 * Takes back a v3 sentinel that {@link record}, {@link create} or {@link hold} published, and no other: where the owner
 * has handed the directory over. `NotFound` where it is gone.
 *
 * @category owning
 * @since 0.1.0
 */
export const withdraw: (
  directory: string,
  file: SentinelFile
) => Effect.Effect<void, LookError | SentinelError, SentinelStore> = Effect.fn("Ownership.withdraw")(function* (
  directory,
  { content }
) {
  const store = yield* SentinelStore
  if (Result.isFailure(content)) return yield* Effect.fail(content.failure)
  if (content.success._tag !== "V3") return yield* new NotFound({ operation: "withdraw sentinel", path: directory })
  yield* store.withdraw(directory, content.success.record.nonce)
})
