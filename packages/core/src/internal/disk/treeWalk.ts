/** A walk through a tree by paths, composed of simple calls of a `Disk`. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { type DirectoryEntry, DiskError, type Stat } from "../../DiskModel.ts"

export interface Reading<S extends Stat> {
  readonly lstat: (path: string) => Effect.Effect<S, DiskError>
  readonly entries: (path: string) => Effect.Effect<ReadonlyArray<DirectoryEntry>, DiskError>
}

export const refused = (errno: string, operation: string, path: string): DiskError =>
  new DiskError({ errno, operation, path })

export interface Visitor<S> {
  /** Entries with a higher number are visited later. */
  readonly order?: (entry: DirectoryEntry) => number
  /** Whether a directory on another device than its parent is entered. Default: it isn't, and `failed` gets EXDEV. */
  readonly crosses?: (path: string) => Effect.Effect<boolean, DiskError>
  /** Paths that the walk passes over without touching them. */
  readonly untouched?: ReadonlySet<string>
  /**
   * Lists a directory. `undefined`: the walk doesn't enter the directory. The scope closes when the walk leaves the
   * directory.
   */
  readonly open?: (
    path: string,
    stat: S
  ) => Effect.Effect<ReadonlyArray<DirectoryEntry> | undefined, DiskError, Scope.Scope>
  /**
   * Called for each entry, and for a directory after all of its entries. If the result is a list of entries, the
   * directory still has these entries, and is visited again after them.
   */
  readonly visit: (path: string, stat: S) => Effect.Effect<ReadonlyArray<DirectoryEntry> | undefined, DiskError>
  readonly failed: (error: DiskError, path: string) => Effect.Effect<void, DiskError>
}

interface Open<S> {
  readonly path: string
  readonly stat: S
  names: Array<string>
  readonly scope: Scope.Closeable
}

/**
 * Visits a directory and the entries below it, by default only those on its device. The walk isn't recursive, so a deep
 * tree can't overflow the stack.
 */
export const walk = Effect.fnUntraced(
  function* <S extends Stat>(
    disk: Reading<S>,
    root: string,
    {
      crosses = () => Effect.succeed(false),
      failed,
      open = disk.entries,
      order = () => 0,
      untouched = new Set(),
      visit
    }: Visitor<S>
  ) {
    const outer = yield* Effect.scope
    const top = yield* disk.lstat(root)
    if (top.type !== "directory") return yield* refused("ENOTDIR", "walk", root)
    const pending: Array<Open<S>> = []
    // `pop` takes the last name first.
    const sorted = (list: ReadonlyArray<DirectoryEntry>): Array<string> =>
      list.toSorted((a, b) => order(b) - order(a)).map(({ entry }) => entry)
    const enter = Effect.fnUntraced(function* (path: string, stat: S) {
      const scope = yield* Scope.fork(outer)
      const list = yield* open(path, stat).pipe(
        Scope.provide(scope),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
      if (list === undefined) return yield* Scope.close(scope, Exit.void)
      pending.push({ path, stat, names: sorted(list), scope })
    })
    const meet = Effect.fnUntraced(function* (path: string, above: S) {
      const stat = yield* disk.lstat(path)
      if (stat.type !== "directory") return yield* Effect.asVoid(visit(path, stat))
      const isEntered = stat.id.dev === above.id.dev || (yield* crosses(path))
      return yield* isEntered ? enter(path, stat) : refused("EXDEV", "cross a mount", path)
    })
    yield* enter(root, top)
    for (let current = pending.at(-1); current !== undefined; current = pending.at(-1)) {
      const name = current.names.pop()
      if (name === undefined) {
        const { path, scope, stat } = current
        const left = yield* Effect.catch(visit(path, stat), (error) => Effect.as(failed(error, path), undefined))
        if (left === undefined) {
          pending.pop()
          yield* Scope.close(scope, Exit.void)
        } else current.names = sorted(left)
        continue
      }
      const path = `${current.path}/${name}`
      if (untouched.has(path)) continue
      yield* Effect.catch(meet(path, current.stat), (error) => failed(error, path))
    }
  },
  (effect) => Effect.scoped(effect)
)
