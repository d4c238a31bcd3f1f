/**
 * The ownership lock is `flock(2)` on the directory. Owners share the lock, and a remover holds it exclusively. The
 * kernel releases a lock when its last descriptor is closed, at the latest when the last process that has one ends.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Disk, DiskError, HeldLock, LockOptions, OwnerLock } from "../../Disk.ts"
import { Claimed, type ClaimedReason, LockBusy, LockUnsupported, type LookError } from "../../Errors.ts"
import { sameFile } from "../../FileId.ts"
import * as SentinelName from "../../SentinelName.ts"
import { mapLookError, toLookError } from "./diskErrors.ts"
import { unsupported } from "../disk/lockSupport.ts"
import { isBeingRemoved } from "./removingMark.ts"

const isBusy = ({ errno }: DiskError): boolean => errno === "EBUSY"

/**
 * An owner retries a busy lock for at least 5 s, unless a sweep has the directory. The holder may only probe the lock,
 * and may have been stopped during its probe.
 */
const ownersPatience = { schedule: Schedule.spaced("5 millis"), times: 1000 }

/** A remover retries a busy lock for at least 50 ms, since the holder may only probe the lock. */
const removersPatience = { schedule: Schedule.spaced("5 millis"), times: 10 }

/** Whether the error of a call says that `path` is missing. Without a procfs, the error names another path. */
const isGone = (error: DiskError, path: string): boolean =>
  error.path === path && ["ENOENT", "ENOTDIR", "ESTALE"].includes(error.errno)

export type Locking = ReturnType<typeof make>

export const make = (disk: Disk["Service"]) => {
  /** Whether a sweep has claimed the directory, or deletes it where it lies. */
  const isClaimed = (path: string) =>
    Effect.flatMap(disk.location(path), (location) =>
      SentinelName.liesInSweep(location) ? Effect.succeed(true) : isBeingRemoved(disk, path)
    )

  /** Whether, and how, a directory is lost to its owner: a sweep has claimed it, or it is gone. */
  const sweptOrGone = (path: string): Effect.Effect<ClaimedReason | undefined, DiskError> =>
    isClaimed(path).pipe(
      Effect.map((claimed) => (claimed ? "swept" : undefined)),
      Effect.catchIf(
        (error) => isGone(error, path),
        () => Effect.succeed("gone" as const)
      )
    )

  /**
   * How the locked directory was lost. `undefined`: `path` still names it, it is linked, and no sweep has claimed it.
   * The check is needed because the kernel also locks a directory that was removed.
   */
  const lossOf = (path: string, lock: HeldLock): Effect.Effect<ClaimedReason | undefined, DiskError> =>
    disk.lstat(path).pipe(
      Effect.flatMap(({ id, nlink }): Effect.Effect<ClaimedReason | undefined, DiskError> => {
        if (!sameFile(id, lock.id)) return Effect.succeed("replaced")
        return nlink === 0 ? Effect.succeed("gone") : sweptOrGone(path)
      }),
      Effect.catchIf(
        (error) => isGone(error, path),
        () => Effect.succeed("gone" as const)
      )
    )

  const attempt = (path: string): Effect.Effect<OwnerLock, DiskError, Scope.Scope> => {
    const lockAs = (mode: "shared" | "exclusive") =>
      Effect.map(disk.lock(path, { mode, test: true }), (held): OwnerLock => ({
        ...held,
        wasExclusive: mode === "exclusive"
      }))
    return Effect.catchIf(lockAs("exclusive"), isBusy, () => lockAs("shared"))
  }

  const lock = Effect.fn("SentinelStore.lock")(function* (
    path: string
  ): Effect.fn.Return<OwnerLock, Claimed | LockBusy | LockUnsupported | LookError, Scope.Scope> {
    // If a sweep has claimed the caller's working directory, `path` lies inside of a workspace.
    if (SentinelName.liesInSweep(path)) return yield* new Claimed({ path, reason: "swept" })
    const refused = (error: DiskError): Effect.Effect<never, Claimed | LockBusy | LockUnsupported | LookError> => {
      if (unsupported.has(error.errno)) return Effect.fail(new LockUnsupported({ path }))
      if (!isBusy(error)) return Effect.fail(toLookError("lock", error))
      return Effect.flatMap(lossWhileBusy(path), (reason) =>
        Effect.fail(reason === undefined ? new LockBusy({ path }) : new Claimed({ path, reason }))
      )
    }
    const held = yield* attempt(path).pipe(
      // A process that only probes releases the lock soon. A sweep that has claimed the directory keeps the lock.
      Effect.retry({
        while: (error) => (isBusy(error) ? Effect.map(lossWhileBusy(path), (reason) => reason === undefined) : false),
        ...ownersPatience
      }),
      Effect.catchTag("DiskError", refused)
    )
    const reason = yield* mapLookError("lock")(lossOf(path, held))
    return reason === undefined ? held : yield* new Claimed({ path, reason })
  })

  /** {@link sweptOrGone}, where an error means that the directory isn't known to be lost. */
  const lossWhileBusy = (path: string) => Effect.orElseSucceed(sweptOrGone(path), () => undefined)

  /**
   * Locks exclusively, which excludes every owner. `undefined`: the platform or the file system has no lock.
   * EBUSY: another process holds the lock.
   */
  const exclude = (
    path: string,
    options: Pick<LockOptions, "test">
  ): Effect.Effect<HeldLock | undefined, DiskError, Scope.Scope> => {
    const locked = disk.lock(path, { mode: "exclusive", ...options })
    return locked.pipe(
      // Nearly every first attempt succeeds, and needs no schedule.
      Effect.catchIf(isBusy, () => Effect.retry(locked, { while: isBusy, ...removersPatience })),
      Effect.catchIf(
        ({ errno }) => unsupported.has(errno),
        () => Effect.succeed(undefined)
      )
    )
  }

  return { lock, probeLock: disk.probeLock, exclude }
}
