/**
 * Writes sentinels. A sentinel appears whole or not at all. It replaces only a file that its writer itself published,
 * or one whose owner is provably gone.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { fileToken, toRecord } from "../../DirectoryFrame.ts"
import type { Disk, DiskError, NewFile, Stat } from "../../Disk.ts"
import {
  AlreadyOwned,
  Claimed,
  type ClaimedReason,
  MalformedSentinel,
  NotFound,
  type NotFoundKind,
  type PublishNewError,
  type PublishError
} from "../../Errors.ts"
import { sameFile } from "../../FileId.ts"
import { nonceOf, type PublishedFile, sameSentinel, type SentinelFile } from "../../DirectoryState.ts"
import * as Sentinel from "../../Sentinel.ts"
import * as SentinelName from "../../SentinelName.ts"
import type { PublishOptions } from "../../Publication.ts"
import * as OldRecords from "./oldRecords.ts"
import { mapLookError, toLookError } from "./diskErrors.ts"
import { onErrno, unlessDone } from "../disk/recovery.ts"
import type { Lookup } from "./lookup.ts"
import { nonce } from "./nonce.ts"
import { isBeingRemoved } from "./removingMark.ts"
import { baseName } from "../paths.ts"

const operation = "write sentinel"

const birthOf = ({ birth }: Stat) => (birth === undefined ? {} : { birth })

/**
 * Maximum number of times that a writer looks again for the directory in which it has just published. A sweep that
 * judged the directory before the publication renames it away for a moment, sees the new record, and puts the directory
 * back.
 */
const confirmations = 200

/** The error of a directory whose path has a name that belongs to sweeps. */
export const reserved = (path: string) =>
  new MalformedSentinel({
    operation,
    path,
    problem: `a sweep may remove a directory whose name begins with ${SentinelName.workspacePrefix}: give it another name`
  })

/**
 * Whether a sentinel is the one that was published as `own`, which its writer may have rewritten since. A v1 or v2
 * record has no nonce, and must be the very file.
 */
const isPublishedAs = (found: SentinelFile, own: SentinelFile): boolean =>
  nonceOf(own) === undefined
    ? sameSentinel(found, own) && found.birth === own.birth
    : found.entry === own.entry && nonceOf(found) === nonceOf(own)

const nothingToCheck = () => Effect.void

export type Publication = ReturnType<typeof make>

export const make = (disk: Disk["Service"], lookup: Lookup) => {
  const { linkOrRename, putBack, takeAside } = OldRecords.make(disk, lookup)

  const discard = (path: string) => Effect.ignore(disk.unlink(path))

  const encode = Effect.fnUntraced(function* (path: string, entry: string, sentinel: Sentinel.Sentinel) {
    const refuse = (problem: string) => new MalformedSentinel({ operation, path, problem })
    if (entry === SentinelName.removingName) return yield* refuse("the name marks what a sweep deletes")
    if (entry === SentinelName.broodBoxName && sentinel._tag !== "V2") {
      return yield* refuse("brood-box reads everything after line 1 as a path: only v2 is written under its name")
    }
    const bytes = Sentinel.encode(sentinel)
    if (Result.isSuccess(bytes)) return bytes.success
    return yield* refuse(bytes.failure._tag === "Malformed" ? bytes.failure.problem : "unsupported version")
  })

  /**
   * How a directory was lost, which would explain an earlier error. `undefined`: it still lies at its path, or an error
   * other than ENOENT and ENOTDIR hides that.
   */
  const lossOf = (directory: string, before: Stat): Effect.Effect<ClaimedReason | undefined> =>
    Effect.match(disk.lstat(directory), {
      onSuccess: (now) => (sameFile(now.id, before.id) ? undefined : "replaced"),
      onFailure: ({ errno }) => (errno === "ENOENT" || errno === "ENOTDIR" ? "gone" : undefined)
    })

  const confirmOnce = Effect.fnUntraced(function* (
    directory: string,
    before: Stat,
    entry: string,
    bytes: Uint8Array
  ): Effect.fn.Return<PublishedFile, PublishNewError> {
    const missingAs = (reason: ClaimedReason) => {
      const claimed = () => new Claimed({ path: directory, reason })
      return mapLookError(operation, { ENOENT: claimed, ENOTDIR: claimed })
    }
    const now = yield* missingAs("gone")(disk.lstat(directory))
    if (!sameFile(now.id, before.id)) return yield* new Claimed({ path: directory, reason: "replaced" })
    const read = yield* missingAs("record-lost")(disk.read(`${directory}/${entry}`, Sentinel.maxBytes))
    const parsed = Sentinel.parse(read.bytes)
    const isOwn = read.bytes.length === bytes.length && read.bytes.every((byte, i) => byte === bytes[i])
    if (!isOwn || Result.isFailure(parsed)) return yield* new Claimed({ path: directory, reason: "record-lost" })
    return {
      entry,
      id: read.stat.id,
      size: bytes.length,
      writtenAt: read.stat.modifiedAt,
      changedAt: read.stat.changedAt,
      ...birthOf(read.stat),
      bytes,
      content: Result.succeed(parsed.success)
    }
  })

  /**
   * Reads the sentinel back by its path, because a sweep may have claimed the directory while the writer was at work.
   */
  const confirm = (directory: string, before: Stat, entry: string, bytes: Uint8Array) =>
    confirmOnce(directory, before, entry, bytes).pipe(
      Effect.tapErrorTag("Claimed", () => Effect.yieldNow),
      Effect.retry({ while: ({ _tag }) => _tag === "Claimed", times: confirmations })
    )

  /**
   * Adds to a v3 record the directory that the record is made in. `frame` runs after the creation of the file, which
   * makes overlayfs copy the directory up.
   */
  const framed = (directory: string, sentinel: Sentinel.Sentinel, file: NewFile) =>
    sentinel._tag === "V3"
      ? Effect.map(disk.frame(directory), (frame): Sentinel.Sentinel => {
          const { directory: _, ...record } = sentinel.record
          const made = toRecord(frame, fileToken(file))
          return { ...sentinel, record: made === undefined ? record : { ...record, directory: made } }
        })
      : Effect.succeed(sentinel)

  /** Refuses a directory that a sweep deletes where it lies. */
  const refuseMarked = (directory: string) =>
    Effect.flatMap(mapLookError(operation)(isBeingRemoved(disk, directory)), (isMarked) =>
      isMarked ? Effect.fail(new Claimed({ path: directory, reason: "swept" })) : Effect.void
    )

  /**
   * Refuses a directory that a sweep has claimed or marked, and one under the name of an unfinished directory, which a
   * sweep removes. A bind mount leads to a claimed directory by its old path.
   */
  const refuseInSweep = Effect.fnUntraced(function* (directory: string) {
    const location = yield* mapLookError(operation)(disk.location(directory))
    if (SentinelName.liesInSweep(location)) return yield* new Claimed({ path: directory, reason: "swept" })
    if (SentinelName.isReserved(location)) return yield* reserved(directory)
    yield* refuseMarked(directory)
  })

  /**
   * Whether `path` names the file that this writer has made. `lstat(2)` needs no descriptor, so that a shortage of
   * descriptors doesn't hide the file.
   */
  const isMade = (path: string, made: NewFile | undefined) =>
    Effect.map(disk.lstat(path), ({ birth, id }) => made !== undefined && sameFile(id, made.id) && birth === made.birth)

  /** Removes the record that this writer has just made, unless another file has its path by now. */
  const withdraw = (path: string, made: NewFile) =>
    Effect.ignore(Effect.flatMap(isMade(path, made), (isOwn) => (isOwn ? disk.unlink(path) : Effect.void)))

  /** `takeOld` makes room for the new record. */
  const publishWith = Effect.fnUntraced(function* <E>(
    directory: string,
    sentinel: Sentinel.Sentinel,
    entry: string,
    isOwn: boolean,
    takeOld: (tag: string) => Effect.Effect<OldRecords.OldRecords, E>,
    check: (replaced: ReadonlyArray<string>, file: PublishedFile) => Effect.Effect<void, E>
  ): Effect.fn.Return<PublishedFile, PublishNewError | E> {
    const path = `${directory}/${entry}`
    // A sentinel that can't be encoded is refused before any call to the disk.
    yield* encode(path, entry, sentinel)
    let bytes = new Uint8Array()
    let made: NewFile | undefined
    const bytesOf = (file: NewFile) =>
      framed(directory, sentinel, file).pipe(
        Effect.flatMap((framed) => encode(path, entry, framed)),
        Effect.tap((encoded) =>
          Effect.sync(() => {
            made = file
            bytes = new Uint8Array(encoded)
          })
        )
      )
    const before = yield* mapLookError(operation)(disk.lstat(directory))
    if (before.type !== "directory") return yield* new NotFound({ operation, path: directory, kind: "not-a-directory" })
    if (!isOwn) yield* refuseInSweep(directory)
    const tag = yield* nonce
    const temporary = `${directory}/${SentinelName.temporaryPrefix}${tag}`
    const taken = () => new AlreadyOwned({ path: directory, verdict: "unknown", reason: "other-record" })
    const lost = () => new Claimed({ path: directory, reason: "record-lost" })
    const failed = (error: DiskError) => (error.errno === "ENOENT" ? lost() : toLookError(operation, error))
    /** Says what became of the directory, if that explains the error. */
    const explained = <A, E2>(effect: Effect.Effect<A, E2>): Effect.Effect<A, E2 | Claimed> =>
      Effect.catch(effect, (error) =>
        Effect.flatMap(lossOf(directory, before), (reason) =>
          Effect.fail(reason === undefined ? error : new Claimed({ path: directory, reason }))
        )
      )
    const { aside, earlier } = yield* Effect.gen(function* () {
      yield* Effect.mapError(disk.create(temporary, bytesOf), (error) =>
        error._tag === "DiskError" ? failed(error) : error
      )
      const old = yield* takeOld(tag)
      const { aside, isOver } = old
      yield* mapLookError<AlreadyOwned | Claimed>(operation, { EEXIST: taken, ENOENT: lost })(
        unlessDone(isMade(path, made))(linkOrRename(temporary, path))
      ).pipe(
        // The old record returns to its name. If another writer has published a record, a dead owner's goes. A record of
        // this owner keeps its other name, and still counts.
        Effect.tapError((error) => {
          if (aside === undefined) return Effect.void
          return error._tag === "AlreadyOwned" && isOver ? discard(aside) : Effect.ignore(putBack(aside, path))
        })
      )
      return old
    }).pipe(
      Effect.onError(() => discard(temporary)),
      explained
    )
    const old = [...earlier, ...(aside === undefined ? [] : [aside])]
    // A failure from here on means to the caller that it owns nothing. No record of it may stay.
    const undo =
      made === undefined
        ? Effect.void
        : Effect.andThen(withdraw(path, made), aside === undefined ? Effect.void : Effect.ignore(putBack(aside, path)))
    const synced = disk.syncDirectory(directory).pipe(
      // A sweep may already have claimed the directory. `confirm` finds that out.
      onErrno(["ENOENT"], () => Effect.void),
      Effect.mapError(failed),
      explained
    )
    const file = yield* Effect.ensuring(synced, discard(temporary)).pipe(
      Effect.andThen(confirm(directory, before, entry, bytes)),
      // A sweep looks again after it has claimed or marked the directory. Either that sweep sees this record, or this
      // writer sees the claim or the mark.
      Effect.tap(isOwn ? Effect.void : refuseInSweep(directory)),
      Effect.tap((file) => check(old.map(baseName), file)),
      Effect.onError(() => undo)
    )
    yield* Effect.forEach(old, discard, { discard: true })
    return file
  }, Effect.uninterruptible)

  const replace = (directory: string, sentinel: Sentinel.Sentinel, options: PublishOptions, isOwn: boolean) => {
    const { check = nothingToCheck, entry = SentinelName.defaultName, replacing } = options
    const takeOld = (tag: string): Effect.Effect<OldRecords.OldRecords, PublishError> =>
      replacing === undefined ? OldRecords.nothingOld() : takeAside(directory, entry, replacing, tag)
    return publishWith(directory, sentinel, entry, isOwn, takeOld, check)
  }

  const publish = Effect.fn("SentinelStore.publish")(
    (directory: string, sentinel: Sentinel.Sentinel, options: PublishOptions = {}) =>
      replace(directory, sentinel, options, false)
  )

  /** Publishes into a workspace, which {@link publish} refuses. */
  const publishUnchecked = (directory: string, sentinel: Sentinel.Sentinel, options: PublishOptions = {}) =>
    replace(directory, sentinel, options, true)

  /** Publishes into an unfinished directory, which {@link publish} refuses. Replaces nothing. */
  const publishNew = (directory: string, sentinel: Sentinel.Sentinel, entry: string = SentinelName.defaultName) =>
    publishWith(directory, sentinel, entry, true, OldRecords.nothingOld, nothingToCheck)

  /**
   * Whether the file at `path` is the sentinel that was published as `own`. No trust is needed for that, so an owner can
   * take its record back where no sweep would believe it.
   */
  const isOwn = Effect.fnUntraced(function* (path: string, own: PublishedFile) {
    if ((yield* disk.lstat(path)).type !== "file") return false
    const { bytes, stat } = yield* disk.read(path, Sentinel.maxBytes)
    const { changedAt, id, modifiedAt, size } = stat
    const parsed = Sentinel.parse(bytes)
    if (size !== bytes.length || Result.isFailure(parsed)) return false
    const { entry } = own
    const content = Result.succeed(parsed.success)
    return isPublishedAs({ entry, id, size, writtenAt: modifiedAt, changedAt, ...birthOf(stat), bytes, content }, own)
  })

  const release = Effect.fn("SentinelStore.release")(function* (directory: string, own: PublishedFile) {
    const operation = "release sentinel"
    const missing = (kind: NotFoundKind) => new NotFound({ operation, path: directory, kind })
    const { type } = yield* mapLookError(operation)(disk.lstat(directory))
    if (type !== "directory") return yield* missing("not-a-directory")
    const path = `${directory}/${own.entry}`
    const aside = `${directory}/${SentinelName.asideOf(own.entry, yield* nonce)}`
    const gone = { ENOENT: () => missing("no-sentinel") }
    const isThere = SentinelName.isFileName(own.entry) && (yield* mapLookError(operation, gone)(isOwn(path, own)))
    if (!isThere) return yield* missing("no-sentinel")
    const removed = Effect.gen(function* () {
      yield* unlessDone(isOwn(aside, own))(disk.rename(path, aside))
      // Another owner may have published its record between the look and the rename.
      if (!(yield* isOwn(aside, own))) return yield* putBack(aside, path)
      yield* onErrno(["ENOENT"], () => Effect.void)(disk.unlink(aside))
    })
    yield* removed.pipe(
      Effect.onError(() => Effect.ignore(putBack(aside, path))),
      Effect.andThen(disk.syncDirectory(directory)),
      Effect.uninterruptible,
      mapLookError(operation, gone)
    )
  })

  return { publish, publishUnchecked, publishNew, refuseInSweep, release, isMade }
}
