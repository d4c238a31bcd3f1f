/** Calls of a `Disk` on whole trees, composed of simpler calls. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import {
  type DirectoryEntry,
  DiskError,
  type HeldLock,
  type LockOptions,
  type RemoveTreeOptions,
  type Stat
} from "../DiskModel.ts"
import { sameFile } from "../FileId.ts"
import { unsupported } from "./lockSupport.ts"
import * as SentinelName from "../SentinelName.ts"

interface Reading<S extends Stat> {
  readonly lstat: (path: string) => Effect.Effect<S, DiskError>
  readonly entries: (path: string) => Effect.Effect<ReadonlyArray<DirectoryEntry>, DiskError>
}

interface Finding extends Reading<Stat> {
  readonly mountInside: (path: string) => Effect.Effect<string | undefined, DiskError>
}

interface Removing extends Finding {
  readonly unlink: (path: string) => Effect.Effect<void, DiskError>
  readonly removeDirectory: (path: string) => Effect.Effect<void, DiskError>
  readonly lock: (path: string, options: LockOptions) => Effect.Effect<HeldLock, DiskError, Scope.Scope>
}

const refused = (errno: string, operation: string, path: string) => new DiskError({ errno, operation, path })

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/"))

interface Visitor<S> {
  /** Names with a higher number are visited later. */
  readonly order?: (entry: string) => number
  /** Lists a directory. `undefined`: the walk doesn't enter it. The scope closes when the walk leaves the directory. */
  readonly open?: (
    path: string,
    stat: S
  ) => Effect.Effect<ReadonlyArray<DirectoryEntry> | undefined, DiskError, Scope.Scope>
  /** Called for each entry, and for a directory after all of its entries. */
  readonly visit: (path: string, stat: S) => Effect.Effect<void, DiskError>
  readonly failed: (error: DiskError, path: string) => Effect.Effect<void, DiskError>
}

interface Open<S> {
  readonly path: string
  readonly stat: S
  readonly names: Array<string>
  readonly scope: Scope.Closeable
}

/** Visits a directory and all entries below it on one device. No recursion: a deep tree can't overflow the stack. */
const walk = Effect.fnUntraced(
  function* <S extends Stat>(
    disk: Reading<S>,
    root: string,
    { failed, open = disk.entries, order = () => 0, visit }: Visitor<S>
  ) {
    const outer = yield* Effect.scope
    const top = yield* disk.lstat(root)
    if (top.type !== "directory") return yield* refused("ENOTDIR", "walk", root)
    const pending: Array<Open<S>> = []
    const enter = Effect.fnUntraced(function* (path: string, stat: S) {
      const scope = yield* Scope.fork(outer)
      const list = yield* open(path, stat).pipe(
        Scope.provide(scope),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
      if (list === undefined) return yield* Scope.close(scope, Exit.void)
      // `pop` takes the last name first.
      const names = list.map(({ entry }) => entry).sort((a, b) => order(b) - order(a))
      pending.push({ path, stat, names, scope })
    })
    yield* enter(root, top)
    for (let current = pending.at(-1); current !== undefined; current = pending.at(-1)) {
      const name = current.names.pop()
      if (name === undefined) {
        const { path, scope, stat } = current
        pending.pop()
        yield* Effect.catch(visit(path, stat), (error) => failed(error, path))
        yield* Scope.close(scope, Exit.void)
        continue
      }
      const path = `${current.path}/${name}`
      yield* Effect.catch(
        Effect.flatMap(disk.lstat(path), (stat) => {
          if (stat.type !== "directory") return visit(path, stat)
          return stat.id.dev === top.id.dev ? enter(path, stat) : Effect.fail(refused("EXDEV", "cross a mount", path))
        }),
        (error) => failed(error, path)
      )
    }
  },
  (effect) => Effect.scoped(effect)
)

/** Locks an inner directory. `false`: another process holds the lock. A file system without locks has no owner to exclude. */
const lockInner = (disk: Removing, path: string, { id }: Stat) =>
  disk.lock(path, { mode: "exclusive", mayStartProgram: false, test: false }).pipe(
    Effect.flatMap((held) => (sameFile(held.id, id) ? Effect.succeed(true) : refused("ESTALE", "lock", path))),
    Effect.catch((error) => {
      if (error.errno === "EBUSY") return Effect.succeed(false)
      return unsupported.has(error.errno) ? Effect.succeed(true) : Effect.fail(error)
    })
  )

export const removeTree = (disk: Removing) =>
  Effect.fnUntraced(function* (
    root: string,
    { expected, lockInner: isLocking = true, mayRemove = () => false }: RemoveTreeOptions = {}
  ): Effect.fn.Return<ReadonlyArray<string>, DiskError> {
    const { id } = yield* disk.lstat(root)
    if (expected !== undefined && !sameFile(id, expected)) return yield* refused("ESTALE", "delete", root)
    // A bind mount of the same device has the device number of its parent: `walk` can't see it.
    const mount = yield* disk.mountInside(root)
    if (mount !== undefined) return yield* refused("EXDEV", "delete", mount)
    let first: DiskError | undefined
    const staying: Array<string> = []
    // Directories in which an entry stays.
    const kept = new Set<string>()
    const keepAbove = (path: string): void => {
      for (let above = parentOf(path); above.length >= root.length && !kept.has(above); above = parentOf(above)) {
        kept.add(above)
      }
    }
    const relative = (path: string): string => path.slice(root.length + 1)

    const isRefused = (path: string) =>
      disk.lstat(path).pipe(
        Effect.map(({ id, type }) => type !== "directory" && !mayRemove(relative(path), id)),
        Effect.catch((error) => (error.errno === "ENOENT" ? Effect.succeed(false) : Effect.fail(error)))
      )
    const openInner = Effect.fnUntraced(function* (path: string, stat: Stat) {
      if (!isLocking || (yield* lockInner(disk, path, stat))) {
        const list = yield* disk.entries(path)
        const sentinels = list.filter(({ entry, type }) => type !== "directory" && SentinelName.isSentinel(entry))
        const refusals = yield* Effect.forEach(sentinels, ({ entry }) => isRefused(`${path}/${entry}`))
        if (!refusals.includes(true)) return list
      }
      staying.push(relative(path))
      keepAbove(path)
      return undefined
    })

    yield* walk(disk, root, {
      order: (entry) => (SentinelName.isSentinel(entry) ? 1 : 0),
      open: (path, stat) => (path === root ? disk.entries(path) : openInner(path, stat)),
      visit: (path, stat) => {
        if (stat.type === "directory") return kept.has(path) ? Effect.void : disk.removeDirectory(path)
        // A sentinel stays as long as anything else in its directory.
        const isLast = SentinelName.isSentinel(path.slice(path.lastIndexOf("/") + 1))
        return isLast && kept.has(parentOf(path)) ? Effect.void : disk.unlink(path)
      },
      failed: (error, path) =>
        Effect.sync(() => {
          // ENOENT is a failure for the root alone: another process has removed the tree.
          if (error.errno === "ENOENT" && path !== root) return
          first ??= error
          keepAbove(path)
        })
    })
    return first === undefined ? staying : yield* Effect.fail(first)
  })

/** Bytes that a tree takes. `occupied`: bytes of one file. An unreadable entry counts as 0 bytes. */
export const usage =
  <S extends Stat>(disk: Reading<S>, occupied: (stat: S) => number) =>
  (root: string): Effect.Effect<number, DiskError> =>
    Effect.suspend(() => {
      let total = 0
      const seen = new Set<string>()
      const add = (_: string, stat: S) =>
        Effect.sync(() => {
          if (seen.has(stat.id.ino)) return
          if (stat.nlink !== 1 && stat.type !== "directory") seen.add(stat.id.ino)
          total += occupied(stat)
        })
      return Effect.map(walk(disk, root, { visit: add, failed: () => Effect.void }), () => total)
    })

export const find =
  (disk: Finding) =>
  (root: string, wanted: (entry: string) => boolean): Stream.Stream<string, DiskError> => {
    const lookInto = (directory: string, dev: string, hasMounts: boolean, pending: Array<string>) =>
      Effect.gen(function* () {
        const at = directory === "" ? root : `${root}/${directory}`
        const found: Array<string> = []
        for (const { entry, type } of yield* disk.entries(at)) {
          const relative = directory === "" ? entry : `${directory}/${entry}`
          const isFound = directory !== "" && wanted(entry)
          const isMaybeDirectory = type === "directory" || type === "unknown"
          const stat = isMaybeDirectory ? yield* Effect.option(disk.lstat(`${root}/${relative}`)) : Option.none()
          const isDirectory = Option.isSome(stat) && stat.value.type === "directory"
          if (!isDirectory) {
            if (isFound && type !== "directory") found.push(relative)
          } else if (stat.value.id.dev === dev) {
            const isMount = hasMounts && (yield* disk.mountInside(`${root}/${relative}`)) === `${root}/${relative}`
            if (!isMount) pending.push(relative)
          }
        }
        return found
      }).pipe(
        // A directory that has vanished meanwhile holds nothing.
        Effect.catch((error) =>
          error.errno === "ENOENT" && directory !== "" ? Effect.succeed([]) : Effect.fail(error)
        )
      )
    return Stream.unwrap(
      Effect.gen(function* () {
        const top = yield* disk.lstat(root)
        const hasMounts = (yield* disk.mountInside(root)) !== undefined
        return Stream.paginate([""], (pending) =>
          Effect.map(
            Effect.suspend(() => lookInto(pending.pop() ?? "", top.id.dev, hasMounts, pending)),
            (found) => [found, pending.length === 0 ? Option.none() : Option.some(pending)] as const
          )
        )
      })
    )
  }

/** Finds a mount below a directory without a mount table, by its device: the path of the mount, or `undefined`. */
export const otherDevice =
  (disk: Reading<Stat>) =>
  (path: string): Effect.Effect<string | undefined, DiskError> =>
    walk(disk, path, { visit: () => Effect.void, failed: Effect.fail }).pipe(
      Effect.as(undefined),
      Effect.catchIf(
        (error) => error.errno === "EXDEV",
        (error) => Effect.succeed(error.path)
      )
    )
