/** Creates a directory together with its sentinel. One rename makes both appear. */
import * as Effect from "effect/Effect"
import type { Disk } from "../../Disk.ts"
import { AlreadyOwned, Claimed, type PublishNewError } from "../../Errors.ts"
import type { PublishedFile } from "../../DirectoryState.ts"
import type { Sentinel } from "../../Sentinel.ts"
import * as SentinelName from "../../SentinelName.ts"
import { absolute } from "./absolute.ts"
import { mapLookError } from "./diskErrors.ts"
import { unlessDone } from "../disk/recovery.ts"
import { nonce } from "./nonce.ts"
import { type Publication, reserved } from "./publication.ts"
import { isBeingRemoved } from "./removingMark.ts"
import { baseName, parentOf } from "../paths.ts"

export type Creation = ReturnType<typeof make>

export const make = (disk: Disk["Service"], publication: Publication) => {
  /** Fails with `Claimed` for a directory that a sweep deletes where it lies, because its owner is gone. */
  const refused = (path: string) => (error: AlreadyOwned) =>
    Effect.flatMap(
      Effect.orElseSucceed(isBeingRemoved(disk, path), () => false),
      (isRemoved) => Effect.fail(isRemoved ? new Claimed({ path, reason: "swept" }) : error)
    )

  /**
   * Builds the directory under a staging name, then renames it to `path`. A sweep removes a staging directory that was
   * never finished. `AlreadyOwned`: something exists at `path`.
   */
  const createWithSentinel = Effect.fnUntraced(function* <E, R>(
    path: string,
    sentinelOf: (staged: string) => Effect.Effect<Sentinel, E, R>,
    options?: { readonly entry?: string; readonly subdirectories?: ReadonlyArray<string> }
  ): Effect.fn.Return<PublishedFile, PublishNewError | E, R> {
    const { entry, subdirectories = [] } = options ?? {}
    const tag = yield* nonce
    const staged = `${parentOf(path)}/${SentinelName.workspacePrefix}${tag}${SentinelName.stagedSuffix}`
    const exists = () => new AlreadyOwned({ path, verdict: "unknown", reason: "path-in-use" })
    yield* mapLookError("make directory")(disk.makeDirectory(staged))
    return yield* Effect.gen(function* () {
      for (const name of subdirectories) {
        yield* mapLookError("make directory")(disk.makeDirectory(`${staged}/${name}`))
      }
      const sentinel = yield* sentinelOf(staged)
      const file = yield* publication.publishNew(staged, sentinel, entry)
      yield* mapLookError("make directory", { EEXIST: exists, ENOTEMPTY: exists, ENOTDIR: exists })(
        unlessDone(publication.isMade(`${path}/${file.entry}`, file))(disk.renameNew(staged, path))
      ).pipe(Effect.catchTag("AlreadyOwned", refused(path)))
      // A failure means to the caller that it owns nothing.
      yield* Effect.onError(mapLookError("make directory")(disk.syncDirectory(parentOf(path))), () =>
        // Another owner may have come under `path` meanwhile. Its files keep the directory.
        Effect.ignore(Effect.andThen(publication.release(path, file), disk.removeDirectory(path)))
      )
      return file
    }).pipe(
      // `rmdir(2)` needs no descriptor, so a shortage of descriptors leaves no empty directory.
      Effect.onError(() => Effect.ignore(Effect.catch(disk.removeTree(staged, {}), () => disk.removeDirectory(staged))))
    )
  }, Effect.uninterruptible)

  const create = Effect.fnUntraced(function* <E, R>(
    path: string,
    sentinelOf: (staged: string) => Effect.Effect<Sentinel, E, R>,
    entry?: string
  ): Effect.fn.Return<PublishedFile, PublishNewError | E, R> {
    const resolved = yield* absolute(disk, path)
    if (SentinelName.isReserved(baseName(resolved))) return yield* reserved(resolved)
    yield* publication.refuseInSweep(parentOf(resolved) || "/")
    return yield* createWithSentinel(resolved, sentinelOf, entry === undefined ? {} : { entry })
  })

  return { createWithSentinel, create }
}
