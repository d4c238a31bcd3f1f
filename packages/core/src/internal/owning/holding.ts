/** Holds the lock of an owner, together with the record that claims it, until a scope closes. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Struct from "effect/Struct"
import type { HeldLock, OwnerLock } from "../../Disk.ts"
import { Claimed, type LockBusy, type LookError } from "../../Errors.ts"
import { sameFile } from "../../FileId.ts"
import { nonceOf, type PublishedFile } from "../../DirectoryState.ts"
import * as Layout from "../../Layout.ts"
import type { CreateError, Held, HoldOptions, RecordError } from "../../OwnershipModel.ts"
import type { ProcessInspector } from "../../ProcessInspector.ts"
import * as SentinelName from "../../SentinelName.ts"
import { SentinelStore } from "../../SentinelStore.ts"
import { contendersLayout } from "../store/contenders.ts"
import { lockEvidence, lockOf, makeSentinel, recorded, recordLocked } from "./recording.ts"

/**
 * Converts the exclusive lock to a shared one, beside which owners of other roles can hold theirs. `flock(2)` doesn't
 * convert atomically, so a sweep may take the lock in between.
 */
const share = (directory: string, lock: OwnerLock | undefined): Effect.Effect<void, Claimed> =>
  lock?.wasExclusive === true
    ? Effect.mapError(lock.share, () => new Claimed({ path: directory, reason: "lock-lost" }))
    : Effect.void

/**
 * Whether no record claims the lock any more: the directory was removed, or every record under a name that begins with
 * that of its file was read, and none has `nonce`. `false` if that can't be seen.
 */
const isUnclaimed = Effect.fnUntraced(function* (
  directory: string,
  { entry }: PublishedFile,
  nonce: string,
  lock: HeldLock
) {
  if (yield* lock.isGone) return true
  const store = yield* SentinelStore
  const found = yield* Effect.option(store.look(directory, contendersLayout(entry)))
  // The locked directory may lie elsewhere now, together with a record that claims the lock.
  if (found._tag === "None" || !sameFile(found.value.id, lock.id) || found.value.crowded !== undefined) return false
  return found.value.sentinels.every((file) => file.bytes !== undefined && nonceOf(file) !== nonce)
})

/**
 * Rewrites the record without its claim on the lock, then releases the lock. A claimed lock that is free proves the
 * owner's end to a reader in another PID namespace. If the rewrite fails and a record may still claim the lock, this
 * living process therefore keeps the descriptor open until it ends.
 */
const letGo = Effect.fnUntraced(function* (directory: string, { file, lock }: Held, scope: Scope.Closeable) {
  const store = yield* SentinelStore
  const sentinel = Result.merge(file.content)
  const close = Scope.close(scope, Exit.void)
  if (lock === undefined || sentinel._tag !== "V3" || sentinel.record.lock === undefined) return yield* close
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

/** Runs `use` with a scope for the lock. The lock is released if `use` fails, or when the caller's scope closes. */
const withLockScope = <A extends Held, E, R>(
  directory: string,
  use: (lock: Lock) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R | SentinelStore | Scope.Scope> =>
  // An interrupt after the publication would release the lock. The record would then claim a lock that nobody holds.
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

/** Drops the `pid` of a caller's `RecordOptions`: the record would claim a lock for a process that doesn't hold it. */
const ofCaller = (options: HoldOptions): HoldOptions =>
  Struct.pick(options, ["format", "legacy", "role", "sentinelName"])

export const create = (
  directory: string,
  options: HoldOptions
): Effect.Effect<Held, CreateError, ProcessInspector | SentinelStore | Scope.Scope> =>
  withLockScope(
    directory,
    Effect.fnUntraced(function* (lockOwn) {
      const store = yield* SentinelStore
      const { role = "owner", sentinelName = SentinelName.defaultName } = options
      let lock: OwnerLock | undefined
      const sentinelOf = Effect.fnUntraced(function* (staged: string) {
        lock = yield* lockOwn(staged)
        yield* share(directory, lock)
        return (yield* makeSentinel(directory, ofCaller(options), lock)).sentinel
      })
      const made = yield* store.create(directory, sentinelOf, SentinelName.ofRole(sentinelName, role))
      const found = yield* Effect.option(store.look(directory, Layout.ofNames([made.entry])))
      return { file: recorded(made, found, false), lock }
    })
  )

export const hold = (
  directory: string,
  options: HoldOptions
): Effect.Effect<Held, RecordError, ProcessInspector | SentinelStore | Scope.Scope> =>
  withLockScope(
    directory,
    Effect.fnUntraced(function* (lockOwn) {
      const lock = yield* lockOwn(directory)
      const basis = { lock, isClaimed: true, lockState: lockEvidence(lock) }
      const file = yield* recordLocked(directory, ofCaller(options), basis, share(directory, lock))
      return { lock, file }
    })
  )
