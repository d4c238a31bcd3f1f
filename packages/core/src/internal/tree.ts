/** What a `Disk` does with whole trees, put together from its simpler calls. */
import * as Effect from "effect/Effect"
import { type Disk, DiskError, type Stat } from "../Disk.ts"
import { type FileId, sameFile } from "../Holding.ts"
import * as SentinelName from "../SentinelName.ts"

type Service = Disk["Service"]

interface Reading<S extends Stat> {
  readonly lstat: (path: string) => Effect.Effect<S, DiskError>
  readonly entries: Service["entries"]
}

type Removing = Reading<Stat> & Pick<Service, "unlink" | "removeDirectory" | "mountInside">

const refused = (errno: string, operation: string, path: string) => new DiskError({ errno, operation, path })

interface Visitor<S> {
  /** Names of the top directory with a higher number come later. */
  readonly order: (entry: string) => number
  /** Called for a directory after all that is in it. */
  readonly visit: (path: string, stat: S) => Effect.Effect<void, DiskError>
  readonly failed: (error: DiskError) => Effect.Effect<void, DiskError>
}

/** Visits a directory and what is below it on the same device, with no recursion to overflow. */
export const walk = Effect.fnUntraced(function* <S extends Stat>(
  disk: Reading<S>,
  root: string,
  { failed, order, visit }: Visitor<S>
) {
  const top = yield* disk.lstat(root)
  if (top.type !== "directory") return yield* refused("ENOTDIR", "walk", root)
  const pending: Array<{ readonly path: string; readonly stat: S; readonly names: Array<string> }> = []
  const enter = (path: string, stat: S) =>
    Effect.map(disk.entries(path), (list) => {
      const names = list.map(({ entry }) => entry)
      if (path === root) names.sort((a, b) => order(b) - order(a))
      pending.push({ path, stat, names })
    })
  yield* enter(root, top)
  for (let current = pending.at(-1); current !== undefined; current = pending.at(-1)) {
    const name = current.names.pop()
    if (name === undefined) {
      pending.pop()
      yield* Effect.catch(visit(current.path, current.stat), failed)
      continue
    }
    const path = `${current.path}/${name}`
    yield* Effect.catch(
      Effect.flatMap(disk.lstat(path), (stat) => {
        if (stat.type !== "directory") return visit(path, stat)
        return stat.id.dev === top.id.dev ? enter(path, stat) : Effect.fail(refused("EXDEV", "cross a mount", path))
      }),
      failed
    )
  }
})

export const removeTree = (disk: Removing): Service["removeTree"] =>
  Effect.fnUntraced(function* (root: string, expected?: FileId) {
    const { id } = yield* disk.lstat(root)
    if (expected !== undefined && !sameFile(id, expected)) return yield* refused("ESTALE", "delete", root)
    // A bind mount of the same device looks like any directory.
    const mount = yield* disk.mountInside(root)
    if (mount !== undefined) return yield* refused("EXDEV", "delete", mount)
    let first: DiskError | undefined
    const isLast = (path: string) => {
      const entry = path.slice(root.length + 1)
      return !entry.includes("/") && SentinelName.isSentinel(entry)
    }
    yield* walk(disk, root, {
      order: (entry) => (SentinelName.isSentinel(entry) ? 1 : 0),
      visit: (path, stat) => {
        // What says whose the directory is stays as long as anything else does.
        if (first !== undefined && (path === root || isLast(path))) return Effect.void
        return stat.type === "directory" ? disk.removeDirectory(path) : disk.unlink(path)
      },
      failed: (error) =>
        Effect.sync(() => {
          // What goes away meanwhile is no failure, but of the whole: then somebody else has removed it.
          if (error.errno !== "ENOENT" || error.path === root) first ??= error
        })
    })
    if (first !== undefined) return yield* Effect.fail(first)
  })

/** `occupied`: bytes that a file takes. What can't be read counts nothing. */
export const usage =
  <S extends Stat>(disk: Reading<S>, occupied: (stat: S) => number): Service["usage"] =>
  (root) =>
    Effect.suspend(() => {
      let total = 0
      const seen = new Set<string>()
      const add = (_: string, stat: S) =>
        Effect.sync(() => {
          if (seen.has(stat.id.ino)) return
          if (stat.nlink !== 1 && stat.type !== "directory") seen.add(stat.id.ino)
          total += occupied(stat)
        })
      return Effect.map(walk(disk, root, { order: () => 0, visit: add, failed: () => Effect.void }), () => total)
    })
