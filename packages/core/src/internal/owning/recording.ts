/** Makes the record of an owner and publishes it, unless the role has an owner that isn't provably gone. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { HeldLock, LockState, OwnerLock } from "../../Disk.ts"
import { AlreadyOwned, Claimed, type Distrust, LockBusy, type LookError, MalformedSentinel } from "../../Errors.ts"
import { sameFile } from "../../FileId.ts"
import type { DirectoryState, PublishedFile, SentinelFile } from "../../DirectoryState.ts"
import * as Layout from "../../Layout.ts"
import type { Recorded, RecordError, RecordOptions } from "../../OwnershipModel.ts"
import { type IdentifyError, ProcessInspector } from "../../ProcessInspector.ts"
import * as Sentinel from "../../Sentinel.ts"
import * as SentinelName from "../../SentinelName.ts"
import { SentinelStore } from "../../SentinelStore.ts"
import { contenders, contendersLayout } from "../store/contenders.ts"
import { mostSentinels } from "../store/lookup.ts"
import { nonce } from "../store/nonce.ts"
import * as JudgeDirectory from "../sweep/judgeDirectory.ts"

const isRole = Schema.is(Sentinel.Role)

const ownerOf = (file: Pick<SentinelFile, "content"> | undefined): { readonly owner?: number } =>
  file !== undefined && Result.isSuccess(file.content) ? { owner: file.content.success.pid } : {}

const refuse = (directory: string, entry: string, problem: string) =>
  new MalformedSentinel({ operation: "write sentinel", path: `${directory}/${entry}`, problem })

const refuseCrowd = (directory: string, entry: string) =>
  refuse(directory, entry, `no sweep judges a directory with more than ${mostSentinels} sentinels`)

/** The name of a role's sentinel file. */
export const entryOf = Effect.fnUntraced(function* (
  directory: string,
  { role = "owner", sentinelName = SentinelName.defaultName }: Pick<RecordOptions, "role" | "sentinelName">
): Effect.fn.Return<string, MalformedSentinel> {
  const entry = SentinelName.ofRole(sentinelName, role)
  if (!isRole(role)) return yield* refuse(directory, entry, "a role is 1 to 32 letters, digits, - and _")
  if (role === SentinelName.removingRole) {
    return yield* refuse(directory, entry, "the role marks what a sweep deletes")
  }
  if (!SentinelName.isFileName(sentinelName) || !SentinelName.isFileName(SentinelName.asideOf(entry, "00000000"))) {
    return yield* refuse(
      directory,
      entry,
      "the sentinel needs a file name, with room for .old-01234567 in its 255 bytes"
    )
  }
  if (SentinelName.isAside(entry))
    return yield* refuse(directory, entry, "the name is that of a record which is being replaced")
  if (SentinelName.classify(entry, [sentinelName]) !== "read") {
    return yield* refuse(directory, entry, "no sweep reads a sentinel of that name")
  }
  if (sentinelName === SentinelName.broodBoxName && role !== "owner") {
    return yield* refuse(directory, entry, "nobody reads a role's file of brood-box's sentinel")
  }
  return entry
})

export const makeSentinel = Effect.fnUntraced(function* (
  directory: string,
  options: RecordOptions,
  held: HeldLock | undefined
): Effect.fn.Return<
  { readonly entry: string; readonly sentinel: Sentinel.Sentinel },
  IdentifyError | MalformedSentinel,
  ProcessInspector
> {
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

/** Fails if an owner of `state` is alive or unknown. Returns the right to replace the sentinels, if there are any. */
const requireGone = Effect.fnUntraced(function* (
  directory: string,
  state: DirectoryState,
  { legacy, lockState }: Required<Pick<RecordOptions, "legacy">> & Pick<LockBasis, "lockState">
) {
  const context = yield* JudgeDirectory.makeContext({ legacy })
  const probeLock = () => Effect.succeed(lockState)
  const judgement = yield* JudgeDirectory.judgeDirectory({ ...context, probeLock }, state)
  if (judgement.verdict === "alive" || judgement.verdict === "unknown") {
    const { decisive, reason, verdict } = judgement
    return yield* new AlreadyOwned({ path: directory, verdict, reason, ...ownerOf(decisive) })
  }
  return judgement.condemned
})

/**
 * The right to replace the sentinel of a role whose owner is provably gone. `undefined`: the role has no sentinel.
 * Fails if the owner is alive or unknown.
 */
export const condemnedOwner = Effect.fnUntraced(function* (
  directory: string,
  entry: string,
  { legacy = "trust" }: Pick<RecordOptions, "legacy">,
  { lock, lockState }: Omit<LockBasis, "isClaimed">
) {
  const store = yield* SentinelStore
  const found = yield* store.look(directory, contendersLayout(entry))
  // Another directory replaced the locked one under this path. The lock says nothing about the owners of the new one.
  if (lock !== undefined && !sameFile(found.id, lock.id)) {
    return yield* new Claimed({ path: directory, reason: "replaced" })
  }
  const isNew = found.sentinels.every((file) => file.entry !== entry)
  if (found.crowded !== undefined || (isNew && found.sentinels.length + found.foreign.length >= mostSentinels)) {
    return yield* refuseCrowd(directory, entry)
  }
  return yield* requireGone(directory, contenders(found, entry), { legacy, lockState })
})

/**
 * Removes the sentinel of a role if only the directory's other sentinels prove that the owner of the role is gone.
 * Returns whether it removed one.
 */
export const releaseEnded = Effect.fnUntraced(function* (
  directory: string,
  options: Pick<RecordOptions, "legacy" | "role" | "sentinelName">,
  { lock, lockState }: Omit<LockBasis, "isClaimed">
): Effect.fn.Return<boolean, Claimed | LookError | MalformedSentinel, ProcessInspector | SentinelStore> {
  const store = yield* SentinelStore
  const { legacy = "trust", sentinelName = SentinelName.defaultName } = options
  const entry = yield* entryOf(directory, options)
  const found = yield* store.look(directory, Layout.ofNames([sentinelName]))
  if (lock !== undefined && !sameFile(found.id, lock.id)) {
    return yield* new Claimed({ path: directory, reason: "replaced" })
  }
  const context = yield* JudgeDirectory.makeContext({ legacy, isThorough: true })
  const judge = (state: DirectoryState) =>
    JudgeDirectory.judgeDirectory({ ...context, probeLock: () => Effect.succeed(lockState) }, state)
  const own = contenders(found, entry)
  if ((yield* judge(own)).verdict !== "unknown") return false
  const { parts } = yield* judge(found)
  const isOver = ({ entry }: SentinelFile) =>
    parts.some(
      ({ judged, subject }) => subject.entry === entry && Result.isSuccess(judged) && judged.success.verdict === "dead"
    )
  if (own.sentinels.length === 0 || !own.sentinels.every(isOver)) return false
  for (const file of own.sentinels) {
    if (Result.isSuccess(file.content)) {
      yield* store.release(directory, { ...file, content: Result.succeed(file.content.success) })
    }
  }
  return true
})

/**
 * Publishes the record unless the present owner of the role is alive or unknown. `confirm` runs when the record has
 * appeared. A failure of `confirm` takes the record back.
 */
export const recordLocked = Effect.fnUntraced(function* (
  directory: string,
  options: RecordOptions,
  { isClaimed, ...basis }: LockBasis,
  confirm: Effect.Effect<void, Claimed> = Effect.void
): Effect.fn.Return<Recorded, RecordError, ProcessInspector | SentinelStore> {
  const store = yield* SentinelStore
  const { lock, lockState } = basis
  const { legacy = "trust" } = options
  const { entry, sentinel } = yield* makeSentinel(directory, options, isClaimed ? lock : undefined)
  const condemned = yield* condemnedOwner(directory, entry, options, basis)
  // The publication goes by path. Another directory, which the lock doesn't protect, may have replaced the locked one.
  const requireLocked = ({ id }: DirectoryState) =>
    lock === undefined || sameFile(id, lock.id)
      ? Effect.void
      : Effect.fail(new Claimed({ path: directory, reason: "replaced" }))
  const look = store.look(directory, contendersLayout(entry))
  const check = Effect.fnUntraced(function* (replaced: ReadonlyArray<string>, published: PublishedFile) {
    const found = yield* Effect.tap(look, requireLocked)
    // No record of a crowded directory was read.
    if (found.crowded !== undefined) return yield* refuseCrowd(directory, entry)
    // The locked directory may have had its path at each look, and another directory at the publication.
    const isHere = found.sentinels.some((file) => file.entry === entry && sameFile(file.id, published.id))
    if (lock !== undefined && !isHere) return yield* new Claimed({ path: directory, reason: "replaced" })
    // Another record that was moved aside left its name free for this one. Its owner was rewriting it, or another writer
    // had moved it by mistake.
    const isRival = (file: SentinelFile) => file.entry !== entry && !replaced.includes(file.entry)
    const sentinels = contenders(found, entry).sentinels.filter(isRival)
    if (sentinels.length > 0) yield* requireGone(directory, { ...found, sentinels, foreign: [] }, { legacy, lockState })
    yield* confirm
  })
  const context = yield* Effect.context<ProcessInspector | SentinelStore>()
  const file = yield* store.publish(directory, sentinel, {
    entry,
    check: (replaced, file) => Effect.provideContext(check(replaced, file), context),
    ...(condemned === undefined ? {} : { replacing: condemned })
  })
  const found = yield* Effect.option(look)
  if (Option.isSome(found)) yield* requireLocked(found.value)
  return recorded(file, found, condemned !== undefined)
})

/** Fails with `LockBusy`, which names the holders that this process can see. */
const failWithHolders = Effect.fnUntraced(function* (path: string) {
  const { lockHolders } = yield* ProcessInspector
  const found = yield* Effect.option((yield* SentinelStore).look(path, Layout.standard))
  const holders = found._tag === "None" ? [] : yield* lockHolders(found.value.id)
  return yield* new LockBusy({ path, ...(holders.length === 0 ? {} : { holders }) })
})

/** The owner's lock. `undefined`: the platform or the file system has none. */
export const lockOf = Effect.fnUntraced(function* (directory: string) {
  const store = yield* SentinelStore
  return yield* store.lock(directory).pipe(
    Effect.catchTag("LockUnsupported", () => Effect.succeed(undefined)),
    Effect.catchTag("LockBusy", () => failWithHolders(directory))
  )
})

/** Evidence of the owner's lock about other owners. `undefined`: none, since other owners may share the lock. */
export const lockEvidence = (lock: OwnerLock | undefined): LockState | undefined =>
  lock === undefined ? "unknown" : lock.wasExclusive ? "free" : undefined

const distrustOf = ({ sentinels }: DirectoryState, entry: string): Distrust | undefined => {
  const content = sentinels.find((file) => file.entry === entry)?.content
  if (content === undefined || Result.isSuccess(content)) return undefined
  if (content.failure._tag !== "UntrustedSentinel") return undefined
  const { problem, rule } = content.failure
  return { rule, problem }
}

/**
 * The published sentinel, with the distrust that a look at its directory finds. A directory that can't be read shows no
 * distrust.
 */
export const recorded = (
  file: PublishedFile,
  found: Option.Option<DirectoryState>,
  hasReplaced: boolean
): Recorded => ({
  ...file,
  hasReplaced,
  distrust: Option.isNone(found) ? undefined : distrustOf(found.value, file.entry)
})

/** Removes the sentinel that was published as `file`, and no other. */
export const release: (directory: string, file: PublishedFile) => Effect.Effect<void, LookError, SentinelStore> =
  Effect.fn("Ownership.release")((directory, file) => SentinelStore.use((store) => store.release(directory, file)))

export const basisOf = Effect.fnUntraced(function* (
  directory: string,
  options: Pick<RecordOptions, "lock" | "pid">
): Effect.fn.Return<LockBasis, LockBusy | Claimed | LookError, ProcessInspector | SentinelStore | Scope.Scope> {
  // The caller's lock keeps every sweep away. Other owners may share the lock, so it is no evidence about them. The
  // release of the lock doesn't rewrite this record. A record of the calling process therefore claims no lock.
  if (options.lock !== undefined) {
    return { lock: options.lock, isClaimed: options.pid !== undefined, lockState: undefined }
  }
  const lock = yield* lockOf(directory)
  return { lock, isClaimed: false, lockState: lockEvidence(lock) }
})
