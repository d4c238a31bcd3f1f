/**
 * The ownership lock is `flock(2)` on the directory. Owners share the lock, and a remover holds it exclusively. The
 * kernel releases a lock when its last descriptor is closed, at the latest when the last process that has one ends.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Disk, DiskError, HeldLock, LockOptions, OwnerLock } from "../../Disk.ts"
import { Claimed, LockBusy, LockUnsupported, type LookError } from "../../Errors.ts"
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

  /**
   * Whether `path` still names the locked directory, the directory is linked, and no sweep has claimed it. The check is
   * needed because the kernel also locks a directory that was removed.
   */
  const isStillThere = (path: string, lock: HeldLock) =>
    disk.lstat(path).pipe(
      Effect.flatMap(({ id, nlink }) =>
        sameFile(id, lock.id) && nlink !== 0
          ? Effect.map(isClaimed(path), (claimed) => !claimed)
          : Effect.succeed(false)
      ),
      Effect.catchIf(
        (error) => isGone(error, path),
        () => Effect.succeed(false)
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
    const claimed = new Claimed({ path })
    // If a sweep has claimed the caller's working directory, `path` lies inside of a workspace.
    if (SentinelName.liesInSweep(path)) return yield* claimed
    const refused = (error: DiskError): Effect.Effect<never, Claimed | LockBusy | LockUnsupported | LookError> => {
      if (unsupported.has(error.errno)) return Effect.fail(new LockUnsupported({ path }))
      if (!isBusy(error)) return Effect.fail(toLookError("lock", error))
      return Effect.flatMap(isSwept(path), (swept) => Effect.fail(swept ? claimed : new LockBusy({ path })))
    }
    const held = yield* attempt(path).pipe(
      // A process that only probes releases the lock soon. A sweep that has claimed the directory keeps the lock.
      Effect.retry({
        while: (error) => (isBusy(error) ? Effect.map(isSwept(path), (swept) => !swept) : false),
        ...ownersPatience
      }),
      Effect.catchTag("DiskError", refused)
    )
    const isThere = yield* mapLookError("lock")(isStillThere(path, held))
    return isThere ? held : yield* claimed
  })

  /** Whether the directory is gone, or a sweep has claimed it. */
  const isSwept = (path: string) => Effect.catch(isClaimed(path), (error) => Effect.succeed(isGone(error, path)))

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
