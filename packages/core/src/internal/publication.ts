/** Writing: a sentinel appears whole or not at all, and never over one whose owner isn't provably gone. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Condemned } from "../Condemned.ts"
import type { Disk, DiskError, Stat } from "../Disk.ts"
import { AlreadyOwned, Changed, Claimed, MalformedSentinel, NotFound } from "../Errors.ts"
import { restrict, sameFile, type SentinelFile } from "../Holding.ts"
import * as Sentinel from "../Sentinel.ts"
import * as SentinelName from "../SentinelName.ts"
import type { PublishError, PublishOptions } from "../SentinelStore.ts"
import { mapLookError, onErrno, toLookError } from "./diskErrors.ts"
import type { Lookup } from "./lookup.ts"
import { nonce } from "./nonce.ts"

const operation = "write sentinel"

// Not every file system has hard links; FAT and some FUSE answer so.
const noHardLinks = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EXDEV"]

export type Publication = ReturnType<typeof make>

export const make = (disk: Disk["Service"], lookup: Lookup) => {
  const appear = (temporary: string, path: string) =>
    disk.link(temporary, path).pipe(onErrno(noHardLinks, () => disk.renameNew(temporary, path)))

  const discard = (path: string) => Effect.ignore(disk.unlink(path))

  const encode = Effect.fnUntraced(function* (path: string, entry: string, sentinel: Sentinel.Sentinel) {
    const refuse = (problem: string) => new MalformedSentinel({ operation, path, problem })
    if (entry === SentinelName.broodBoxName && sentinel._tag !== "V2") {
      return yield* refuse("brood-box reads everything after line 1 as a path: only v2 is written under its name")
    }
    const bytes = Sentinel.encode(sentinel)
    if (Result.isSuccess(bytes)) return bytes.success
    return yield* refuse(bytes.failure._tag === "Malformed" ? bytes.failure.problem : "unsupported version")
  })

  /**
   * Moves the condemned sentinel to the name of a role: one writer gets it, and were it killed now, the directory
   * would still say whose it was. Moved back when it isn't what was judged.
   */
  const takeAside = Effect.fnUntraced(function* (directory: string, entry: string, replacing: Condemned, tag: string) {
    const before = restrict(yield* lookup.look(directory, [entry]), entry)
    const problem = replacing.difference(before)
    if (problem !== undefined) return yield* new Changed({ path: directory, problem })
    const [judged] = before.sentinels
    if (judged === undefined) return undefined
    const path = `${directory}/${entry}`
    const aside = `${directory}/${SentinelName.ofRole(entry, `old-${tag.slice(0, 8)}`)}`
    const vanished = () => new Changed({ path: directory, problem: `${entry} went away` })
    yield* mapLookError(operation, { ENOENT: vanished })(disk.rename(path, aside))
    const moved = yield* Effect.option(disk.lstat(aside))
    if (moved._tag === "Some" && sameFile(moved.value.id, judged.id)) return aside
    yield* Effect.ignore(disk.link(aside, path))
    yield* discard(aside)
    return yield* new AlreadyOwned({ path: directory, verdict: "unknown", reason: "replaced by another writer" })
  })

  /** Opens the directory again by its path: a sweep may have claimed it while the sentinel was being written. */
  const confirm = Effect.fnUntraced(function* (
    directory: string,
    before: Stat,
    entry: string,
    bytes: Uint8Array
  ): Effect.fn.Return<SentinelFile, PublishError> {
    const claimed = new Claimed({ path: directory })
    const gone = { ENOENT: () => claimed, ENOTDIR: () => claimed }
    const now = yield* mapLookError(operation, gone)(disk.lstat(directory))
    if (!sameFile(now.id, before.id)) return yield* claimed
    const read = yield* mapLookError(operation, gone)(disk.read(`${directory}/${entry}`, Sentinel.maxBytes))
    const parsed = Sentinel.parse(read.bytes)
    if (read.bytes.length !== bytes.length || read.bytes.some((byte, i) => byte !== bytes[i])) return yield* claimed
    if (Result.isFailure(parsed)) return yield* claimed
    return {
      entry,
      id: read.stat.id,
      size: bytes.length,
      writtenAt: read.stat.modifiedAt,
      bytes,
      content: Result.succeed(parsed.success)
    }
  })

  const publish = Effect.fn("SentinelStore.publish")(function* (
    directory: string,
    sentinel: Sentinel.Sentinel,
    options?: PublishOptions
  ): Effect.fn.Return<SentinelFile, PublishError> {
    const entry = options?.entry ?? SentinelName.defaultName
    const path = `${directory}/${entry}`
    const bytes = yield* encode(path, entry, sentinel)
    const before = yield* mapLookError(operation)(disk.lstat(directory))
    if (before.type !== "directory")
      return yield* new NotFound({ operation: "write sentinel: no directory", path: directory })
    const tag = yield* nonce
    const temporary = `${directory}/${SentinelName.temporaryPrefix}${tag}`
    const taken = () => new AlreadyOwned({ path: directory, verdict: "unknown", reason: "another sentinel is there" })
    const claimed = () => new Claimed({ path: directory })
    const failed = (error: DiskError): Effect.Effect<never, PublishError> =>
      error.errno === "ENOENT" ? claimed() : Effect.fail(toLookError(operation, error))
    const published = Effect.gen(function* () {
      yield* disk.create(temporary, bytes)
      const { replacing } = options ?? {}
      const aside = replacing === undefined ? undefined : yield* takeAside(directory, entry, replacing, tag)
      yield* mapLookError<AlreadyOwned | Claimed>(operation, { EEXIST: taken, ENOENT: claimed })(
        appear(temporary, path)
      ).pipe(
        // The old record comes back, unless another writer has published one.
        Effect.tapError(() =>
          aside === undefined ? Effect.void : Effect.ignore(Effect.andThen(disk.link(aside, path), disk.unlink(aside)))
        )
      )
      yield* discard(temporary)
      if (aside !== undefined) yield* discard(aside)
      yield* disk.syncDirectory(directory)
    }).pipe(
      Effect.onError(() => discard(temporary)),
      Effect.uninterruptible,
      Effect.catchTag("DiskError", failed)
    )
    yield* published
    return yield* confirm(directory, before, entry, bytes)
  })

  const withdraw = Effect.fn("SentinelStore.withdraw")(function* (directory: string, own: string) {
    const holding = yield* lookup.look(directory)
    const file = holding.sentinels.find(
      ({ content }) =>
        Result.isSuccess(content) && content.success._tag === "V3" && content.success.record.nonce === own
    )
    if (file === undefined) return yield* new NotFound({ operation: "withdraw sentinel", path: directory })
    const path = `${directory}/${file.entry}`
    const aside = `${directory}/${SentinelName.temporaryPrefix}${yield* nonce}`
    yield* Effect.gen(function* () {
      yield* disk.rename(path, aside)
      const moved = yield* disk.lstat(aside)
      // The next owner's, published in between: back it goes.
      if (!sameFile(moved.id, file.id)) yield* disk.link(aside, path)
      yield* disk.unlink(aside)
      yield* disk.syncDirectory(directory)
    }).pipe(Effect.uninterruptible, mapLookError("withdraw sentinel"))
  })

  return { publish, withdraw }
}
