/** Calls of a `Disk` on whole trees, composed of simpler calls. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { DiskError, FindOptions, Stat } from "../../DiskModel.ts"
import type { Mounted } from "../../Mounts.ts"
import { onErrno, permitted } from "./recovery.ts"
import { type Reading, walk } from "./treeWalk.ts"
import { parentOf } from "../paths.ts"

/**
 * Mounts below a directory. A walk that only looks touches none of them, since a mounted file system may not answer.
 */
interface Mounting {
  readonly mountsBelow: (path: string) => Effect.Effect<ReadonlyArray<Mounted>, DiskError>
}

interface Finding extends Reading<Stat>, Mounting {
  readonly mountInside: (path: string) => Effect.Effect<string | undefined, DiskError>
  readonly permit: (path: string) => Effect.Effect<boolean, DiskError>
}

/** Paths of the mounts below a directory. */
const pointsBelow = (disk: Mounting, root: string): Effect.Effect<ReadonlySet<string>, DiskError> =>
  Effect.map(disk.mountsBelow(root), (mounts) => new Set(mounts.map(({ path }) => path)))

/**
 * Bytes that a tree takes. `occupied`: bytes of one file. An unreadable entry, a mount and an inner subvolume of btrfs
 * count as 0 bytes.
 */
export const usage =
  <S extends Stat>(disk: Reading<S> & Mounting, occupied: (stat: S) => number) =>
  (root: string): Effect.Effect<number, DiskError> =>
    Effect.flatMap(pointsBelow(disk, root), (untouched) => {
      if (untouched.has(root)) return Effect.succeed(0)
      let total = 0
      const seen = new Set<string>()
      const add = (_: string, stat: S) =>
        Effect.sync(() => {
          if (seen.has(stat.id.ino)) return undefined
          if (stat.nlink !== 1 && stat.type !== "directory") seen.add(stat.id.ino)
          total += occupied(stat)
          return undefined
        })
      return Effect.map(walk(disk, root, { untouched, visit: add, failed: () => Effect.void }), () => total)
    })

interface Found {
  /** Path relative to the root, `""` for the root. */
  readonly path: string
  readonly dev: string
}

export const find =
  (disk: Finding) =>
  (root: string, wanted: (entry: string) => boolean, { permit = false }: FindOptions = {}) => {
    const retry =
      <A>(call: (path: string) => Effect.Effect<A, DiskError>) =>
      (path: string): Effect.Effect<A, DiskError> =>
        permit && path !== root ? permitted(disk, [parentOf(path), path])(call(path)) : call(path)
    const [entries, lstat] = [retry(disk.entries), retry(disk.lstat)]
    const lookInto = (directory: Found, points: ReadonlySet<string>, pending: Array<Found>) =>
      Effect.gen(function* () {
        const at = directory.path === "" ? root : `${root}/${directory.path}`
        const found: Array<string> = []
        for (const { entry, type } of yield* entries(at)) {
          const path = directory.path === "" ? entry : `${directory.path}/${entry}`
          if (points.has(`${root}/${path}`)) continue
          const isFound = directory.path !== "" && wanted(entry)
          const isMaybeDirectory = type === "directory" || type === "unknown"
          // An entry that has vanished since the listing holds nothing. Any other error ends the search, since the
          // entry may hold anything.
          const stat = isMaybeDirectory
            ? yield* lstat(`${root}/${path}`).pipe(onErrno(["ENOENT"], () => Effect.undefined))
            : undefined
          if (stat?.type !== "directory") {
            if (isFound && type !== "directory") found.push(path)
            continue
          }
          const { dev } = stat.id
          // A subvolume of btrfs is another device on the same mount.
          const isMount = dev !== directory.dev && (yield* disk.mountInside(`${root}/${path}`)) === `${root}/${path}`
          if (!isMount) pending.push({ path, dev })
        }
        return found
      }).pipe(
        // A directory that has vanished since the listing holds nothing.
        Effect.catch((error) =>
          error.errno === "ENOENT" && directory.path !== "" ? Effect.succeed([]) : Effect.fail(error)
        )
      )
    return Stream.unwrap(
      Effect.gen(function* () {
        const top = yield* disk.lstat(root)
        const points = yield* pointsBelow(disk, root)
        const start: Found = { path: "", dev: top.id.dev }
        return Stream.paginate([start], (pending) =>
          Effect.map(
            Effect.suspend(() => lookInto(pending.pop() ?? start, points, pending)),
            (found) => [found, pending.length === 0 ? Option.none() : Option.some(pending)] as const
          )
        )
      })
    )
  }

/**
 * Finds the path of a mount at or below a directory by its device, without a mount table. `undefined`: no directory is
 * on another device than its parent. A bind mount of the same file system isn't found. A subvolume of btrfs counts as a
 * mount here.
 */
export const otherDevice = (disk: Reading<Stat>) =>
  Effect.fnUntraced(function* (path: string): Effect.fn.Return<string | undefined, DiskError> {
    const [here, above] = [yield* disk.lstat(path), yield* disk.lstat(parentOf(path) || "/")]
    if (here.id.dev !== above.id.dev) return path
    return yield* walk(disk, path, { visit: () => Effect.undefined, failed: Effect.fail }).pipe(
      Effect.as(undefined),
      Effect.catchIf(
        (error) => error.errno === "EXDEV",
        (error) => Effect.succeed(error.path)
      )
    )
  })
