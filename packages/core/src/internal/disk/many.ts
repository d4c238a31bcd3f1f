/** The calls of `Disk` for several directories: those that do nothing, and those that are composed of calls for one. */
import type * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { sameFile } from "../../FileId.ts"
import type {
  DiskError,
  HeldLock,
  Locked,
  LockOptions,
  Move,
  Moved,
  RemoveTreeOptions,
  Scan,
  ScanOptions,
  Tree
} from "../../DiskModel.ts"

interface Calls {
  readonly scan: (path: string, options: ScanOptions) => Effect.Effect<Scan, DiskError>
  readonly lock: (path: string, options: LockOptions) => Effect.Effect<HeldLock, DiskError, Scope.Scope>
  readonly renameNew: (from: string, to: string) => Effect.Effect<void, DiskError>
  readonly removeTree: (path: string, options?: RemoveTreeOptions) => Effect.Effect<ReadonlyArray<string>, DiskError>
}

type Names = Arr.NonEmptyReadonlyArray<string>

/** Answer about a directory that wasn't locked. */
const notLocked: Locked = { scan: undefined, release: Effect.void }

/** Leaves every directory to the calls for one. */
export const none = {
  scanMany: (_root: string, directories: Names) => Effect.succeed(directories.map(() => undefined)),
  lockMany: (_root: string, directories: Names) => Effect.succeed(directories.map(() => notLocked)),
  moveMany: (_root: string, moves: Arr.NonEmptyReadonlyArray<Move>) =>
    Effect.succeed(moves.map(() => ({ isMoved: false, scan: undefined }))),
  removeMany: (trees: ReadonlyArray<Tree>) => Effect.succeed(trees.map(() => false))
}

export const composed = ({ lock, removeTree, renameNew, scan }: Calls) => {
  const scanned = (path: string, options: ScanOptions): Effect.Effect<Scan | undefined> =>
    Effect.orElseSucceed(scan(path, options), () => undefined)

  const locked = Effect.fnUntraced(function* (path: string, options: ScanOptions) {
    const scope = yield* Scope.fork(yield* Effect.scope)
    const { id } = yield* Scope.provide(lock(path, { mode: "exclusive", test: false }), scope)
    const found = yield* scanned(path, options)
    const scan = found !== undefined && sameFile(found.stat.id, id) ? found : undefined
    return { scan, release: Scope.close(scope, Exit.void) }
  })

  const moved = (root: string, { from, to }: Move, options: ScanOptions): Effect.Effect<Moved> =>
    Effect.matchEffect(renameNew(`${root}/${from}`, `${root}/${to}`), {
      onFailure: () => Effect.succeed({ isMoved: false, scan: undefined }),
      onSuccess: () => Effect.map(scanned(`${root}/${to}`, options), (scan) => ({ isMoved: true, scan }))
    })

  return {
    scanMany: (root: string, directories: Names, options: ScanOptions) =>
      Effect.forEach(directories, (entry) => scanned(`${root}/${entry}`, options)),
    lockMany: (root: string, directories: Names, options: ScanOptions) =>
      Effect.forEach(directories, (entry) =>
        Effect.orElseSucceed(locked(`${root}/${entry}`, options), () => notLocked)
      ),
    moveMany: (root: string, moves: Arr.NonEmptyReadonlyArray<Move>, options: ScanOptions) =>
      Effect.forEach(moves, (move) => moved(root, move, options)),
    removeMany: (trees: ReadonlyArray<Tree>) =>
      Effect.forEach(trees, ({ path, ...options }) =>
        Effect.match(removeTree(path, { ...options, patience: Duration.zero }), {
          onFailure: () => false,
          onSuccess: (stayed) => stayed.length === 0
        })
      )
  }
}
