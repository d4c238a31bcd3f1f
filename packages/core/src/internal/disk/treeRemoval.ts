/** `Disk.removeTree`, composed of simpler calls, by paths. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type { DirectoryEntry, DiskError, HeldLock, LockOptions, RemoveTreeOptions, Stat } from "../../DiskModel.ts"
import { sameFile } from "../../FileId.ts"
import * as SentinelName from "../../SentinelName.ts"
import { permitted } from "./recovery.ts"
import { unsupported } from "./lockSupport.ts"
import { isJudged } from "../removal/judged.ts"
import * as Patience from "../removal/patience.ts"
import { type Reading, refused, walk } from "./treeWalk.ts"
import { baseName, parentOf } from "../paths.ts"

interface Removing extends Reading<Stat> {
  readonly mountInside: (path: string) => Effect.Effect<string | undefined, DiskError>
  readonly unlink: (path: string) => Effect.Effect<void, DiskError>
  readonly removeDirectory: (path: string) => Effect.Effect<void, DiskError>
  readonly lock: (path: string, options: LockOptions) => Effect.Effect<HeldLock, DiskError, Scope.Scope>
  readonly permit: (path: string) => Effect.Effect<boolean, DiskError>
}

interface Directory extends Patience.Counted {
  /** An entry was removed since the directory was listed. */
  hasProgress: boolean
}

/**
 * Locks an inner directory. `false`: the lock is busy. `true`: the lock is held, or the file system has no locks, hence
 * no owner to exclude.
 */
const lockInner = (disk: Removing, path: string, { id }: Stat) =>
  disk.lock(path, { mode: "exclusive", test: false }).pipe(
    Effect.flatMap((held) => (sameFile(held.id, id) ? Effect.succeed(true) : refused("ESTALE", "lock", path))),
    Effect.catch((error) => {
      if (error.errno === "EBUSY") return Effect.succeed(false)
      return unsupported.has(error.errno) ? Effect.succeed(true) : Effect.fail(error)
    })
  )

/**
 * Returns the same calls with one retry. If a call below the root is refused, the entry and its parent are made
 * writable. If that changes one of them, the call is repeated.
 */
const permittingBelow = (root: string, disk: Removing): Removing => {
  const retry =
    <A, B, R, Rest extends ReadonlyArray<B>>(call: (path: string, ...rest: Rest) => Effect.Effect<A, DiskError, R>) =>
    (path: string, ...rest: Rest): Effect.Effect<A, DiskError, R> =>
      path === root ? call(path, ...rest) : permitted(disk, [parentOf(path), path])(call(path, ...rest))
  return {
    ...disk,
    lstat: retry(disk.lstat),
    entries: retry(disk.entries),
    unlink: retry(disk.unlink),
    removeDirectory: retry(disk.removeDirectory),
    lock: retry(disk.lock)
  }
}

export const removeTree = (given: Removing) =>
  Effect.fnUntraced(function* (
    root: string,
    {
      expected,
      inPlace = false,
      judged,
      lockInner: isLocking = true,
      mayRemove = () => false,
      patience: time,
      sentinels = []
    }: RemoveTreeOptions = {}
  ): Effect.fn.Return<ReadonlyArray<string>, DiskError> {
    const disk = permittingBelow(root, given)
    // This check is first, since a mounted file system may not answer. `walk` can't see a bind mount, which has the
    // device number of its parent.
    const mount = yield* disk.mountInside(root)
    if (mount !== undefined) return yield* refused("EXDEV", "delete", mount)
    const { id } = yield* disk.lstat(root)
    if (expected !== undefined && !sameFile(id, expected)) return yield* refused("ESTALE", "delete", root)
    const clock = yield* Clock.Clock
    const patience = Patience.make(() => clock.currentTimeMillisUnsafe(), time)
    let first: DiskError | undefined
    const staying: Array<string> = []
    // Directories in which an entry stays.
    const kept = new Set<string>()
    // Directories that lie in place: those whose sentinels stay in this pass, and those whose sentinels are going. An
    // owner may take one of the latter.
    const guarded = new Set<string>()
    const unguarded = new Set<string>()
    const keepAbove = (path: string): void => {
      for (let above = parentOf(path); above.length >= root.length && !kept.has(above); above = parentOf(above)) {
        kept.add(above)
      }
    }
    const relative = (path: string): string => path.slice(root.length + 1)
    const stay = (path: string) =>
      Effect.sync(() => {
        staying.push(path === root ? "." : relative(path))
        kept.add(path)
        keepAbove(path)
        return undefined
      })
    // The listed directories that haven't been removed.
    const directories = new Map<string, Directory>()

    const count = (path: string, list: ReadonlyArray<DirectoryEntry>) => {
      const directory = directories.get(path) ?? {
        hasProgress: false,
        ...Patience.counted(directories.get(parentOf(path)))
      }
      Object.assign(directory, { hasProgress: false, found: list.length })
      patience.looked(directory)
      directories.set(path, directory)
      return list
    }
    const removed = (path: string) =>
      Effect.sync(() => {
        directories.delete(path)
        const above = directories.get(parentOf(path))
        if (above === undefined) return
        above.hasProgress = true
        patience.removed(above)
      })

    const hasSentinelName = (entry: string): boolean => SentinelName.isSentinel(entry, sentinels)
    const mayUnlink = (path: string, stat: Stat): boolean =>
      parentOf(path) === root
        ? judged === undefined || isJudged(judged, relative(path), stat)
        : mayRemove(relative(path), stat)
    const isRefused = (path: string) =>
      disk.lstat(path).pipe(
        Effect.map((stat) => stat.type !== "directory" && !mayUnlink(path, stat)),
        Effect.catch((error) => (error.errno === "ENOENT" ? Effect.succeed(false) : Effect.fail(error)))
      )
    /**
     * Lists a directory. Adds the type of an entry with the name of a sentinel if the listing lacks it: a directory
     * with such a name isn't a sentinel.
     */
    const typed = (path: string) =>
      Effect.flatMap(disk.entries(path), (list) =>
        Effect.forEach(list, (found) =>
          found.type === "unknown" && hasSentinelName(found.entry)
            ? Effect.map(Effect.option(disk.lstat(`${path}/${found.entry}`)), (stat) =>
                stat._tag === "Some" ? { ...found, type: stat.value.type } : found
              )
            : Effect.succeed(found)
        )
      )
    const isSentinel = ({ entry, type }: DirectoryEntry): boolean => type !== "directory" && hasSentinelName(entry)
    const list = Effect.fnUntraced(function* (path: string) {
      const found = yield* typed(path)
      if (path === root && judged === undefined) return count(path, found)
      const refusals = yield* Effect.forEach(found.filter(isSentinel), ({ entry }) => isRefused(`${path}/${entry}`))
      return refusals.includes(true) ? yield* stay(path) : count(path, found)
    })
    const openInner = Effect.fnUntraced(function* (path: string, stat: Stat) {
      return yield* !isLocking || (yield* lockInner(disk, path, stat)) ? list(path) : stay(path)
    })

    /** The highest directory that doesn't get smaller. */
    const culpritOf = (path: string): string => {
      const above = directories.get(parentOf(path))
      return above?.expected === 0 ? culpritOf(parentOf(path)) : path
    }
    /** Lists a directory again if it isn't empty after its last entry, because another process has written into it. */
    const readAgain = (error: DiskError, path: string) =>
      Effect.suspend(() => {
        const directory = directories.get(path)
        if (error.errno !== "ENOTEMPTY" || directory?.hasProgress !== true) return Effect.fail(error)
        if (patience.isUsedUp(directory)) return Effect.fail(refused("ENOTEMPTY", "rmdir", culpritOf(path)))
        // Only an owner's sentinel matters now.
        const isOver = (found: unknown) => found !== undefined && unguarded.has(path)
        return Effect.filterOrFail(list(path), Predicate.not(isOver), () => error)
      })
    const removeDirectory = (path: string) =>
      (guarded.delete(path) ? Effect.fail(refused("ENOTEMPTY", "rmdir", path)) : disk.removeDirectory(path)).pipe(
        Effect.andThen(removed(path)),
        Effect.as(undefined),
        Effect.catch((error) => readAgain(error, path))
      )

    yield* walk(disk, root, {
      // The mark of a deletion is removed last. Without the mark an owner could take the directory.
      order: (found) => (!isSentinel(found) ? 0 : found.entry === SentinelName.removingName ? 2 : 1),
      // A subvolume of btrfs is another device on the same mount.
      crosses: (path) => Effect.map(disk.mountInside(path), (mount) => mount === undefined),
      open: (path, stat) => (path === root ? list(path) : openInner(path, stat)),
      visit: (path, stat) => {
        if (stat.type === "directory") return kept.has(path) ? Effect.undefined : removeDirectory(path)
        const above = parentOf(path)
        if (hasSentinelName(baseName(path))) {
          // A sentinel stays as long as anything else in its directory stays.
          if (kept.has(above)) return Effect.undefined
          if (inPlace && !unguarded.has(above)) {
            // The sentinels go after a listing that had nothing else.
            if (directories.get(above)?.hasProgress === true) return Effect.sync(() => void guarded.add(above))
            unguarded.add(above)
          }
          // Another process may have replaced the sentinel since the listing.
          if (!mayUnlink(path, stat)) return stay(above)
        }
        return Effect.as(Effect.andThen(disk.unlink(path), removed(path)), undefined)
      },
      failed: (error, path) =>
        Effect.sync(() => {
          // ENOENT is a failure only for the root, which another process has removed.
          if (error.errno === "ENOENT" && path !== root) return
          first ??= error
          keepAbove(path)
        })
    })
    return first === undefined ? staying : yield* Effect.fail(first)
  })
