/** Opens roots, and lists the directories in them. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Disk, DirectoryEntry, DiskError } from "../../Disk.ts"
import { RefusedRoot, type RootError } from "../../Errors.ts"
import { sameFile } from "../../FileId.ts"
import type { Layout } from "../../Layout.ts"
import type { Entry, Listing, Root } from "../../Root.ts"
import * as SentinelName from "../../SentinelName.ts"
import * as Trust from "../../Trust.ts"
import { baseName, parentOf } from "../paths.ts"
import { absolute } from "./absolute.ts"
import { mapLookError, mapStoreError, toLookError } from "./diskErrors.ts"

const kindOf = (entry: string): Entry["kind"] => SentinelName.parseReap(entry)?.kind ?? "directory"

const kindOrder: Record<Entry["kind"], number> = { staged: 0, dead: 1, claimed: 2, workspace: 3, directory: 4 }

const byKind = (a: DirectoryEntry, b: DirectoryEntry): number => kindOrder[kindOf(a.entry)] - kindOrder[kindOf(b.entry)]

const isOwners = (kind: ReturnType<typeof SentinelName.classify>): boolean => kind === "read" || kind === "foreign"

/** Number of entries in one page. */
const pageSize = 512

export const make = (disk: Disk["Service"]) => {
  const openRoot = Effect.fn("SentinelStore.openRoot")(function* (given: string): Effect.fn.Return<Root, RootError> {
    if (given === "") return yield* new RefusedRoot({ path: given, rule: "empty-path", problem: "an empty path" })
    const principal = yield* disk.principal
    const refuse = (path: string, refusal: Trust.Refusal | undefined) =>
      refusal === undefined ? Effect.void : Effect.fail(new RefusedRoot({ path, ...refusal }))
    const written = yield* mapStoreError("read working directory")(disk.resolve(given))
    yield* refuse(written, Trust.ofRootPath(written, principal))
    const resolved = yield* absolute(disk, given)
    yield* refuse(resolved, Trust.ofRootPath(resolved, principal))
    const stat = yield* mapLookError("open root")(disk.lstat(resolved))
    yield* refuse(resolved, Trust.ofRoot(stat, principal))
    const path = yield* mapLookError("open root")(disk.realPath(resolved))
    yield* refuse(resolved, Trust.ofRootPath(path, principal))
    // A magic link of procfs, such as /proc/PID/root, leads to directories without a path in this mount namespace.
    const real = yield* mapLookError("open root")(disk.lstat(path))
    const problem = `its real path, ${path}, is another directory`
    yield* refuse(resolved, sameFile(real.id, stat.id) ? undefined : { rule: "unreachable", problem })
    return { path, id: stat.id, principal }
  })

  const openDirectory = Effect.fn("SentinelStore.openDirectory")(function* (given: string) {
    if (given === "") return yield* new RefusedRoot({ path: given, rule: "empty-path", problem: "an empty path" })
    const resolved = yield* absolute(disk, given)
    const entry = baseName(resolved)
    if (entry === "") return yield* new RefusedRoot({ path: resolved, ...Trust.fileSystemRoot })
    const root = yield* openRoot(parentOf(resolved) || "/")
    return { root, entry: { kind: kindOf(entry), entry, path: `${root.path}/${entry}` } }
  })

  /**
   * Whether an entry is a directory. A mount point counts as one without a look, since a mounted file system may not
   * answer.
   */
  const isDirectory =
    (path: string, mountPoints: ReadonlySet<string>) =>
    ({ entry, type }: DirectoryEntry): Effect.Effect<boolean> =>
      type !== "unknown"
        ? Effect.succeed(type === "directory")
        : mountPoints.has(`${path}/${entry}`)
          ? Effect.succeed(true)
          : Effect.match(disk.lstat(`${path}/${entry}`), {
              onSuccess: (stat) => stat.type === "directory",
              onFailure: () => false
            })

  /**
   * Finds a sentinel in the root itself, under any known name or one of `names`. `hidden`: the root's hidden entries.
   */
  const sentinelIn = Effect.fnUntraced(function* (
    path: string,
    names: ReadonlyArray<string>,
    hidden: ReadonlyArray<DirectoryEntry>
  ) {
    const isSentinel = ({ entry, type }: DirectoryEntry) =>
      type !== "directory" && isOwners(SentinelName.classify(entry, names))
    const found = hidden.find(isSentinel)
    if (found !== undefined || names.every((name) => name.startsWith("."))) return found
    const { visible } = yield* disk.list(path)
    return Option.getOrUndefined(yield* Stream.runHead(Stream.filter(visible, isSentinel)))
  })

  const list = Effect.fnUntraced(function* (
    { path }: Root,
    { sentinels: names }: Layout
  ): Effect.fn.Return<Listing, RootError> {
    const entryOf = ({ entry }: DirectoryEntry): Entry => ({ kind: kindOf(entry), entry, path: `${path}/${entry}` })
    const ask = Effect.fnUntraced(function* (found: ReadonlyArray<DirectoryEntry>) {
      const mounts = yield* disk.mountsBelow(path)
      const known = yield* Effect.filter(found, isDirectory(path, new Set(mounts.map((mount) => mount.path))))
      return known.map(entryOf)
    })
    const entriesOf = (found: ReadonlyArray<DirectoryEntry>): Effect.Effect<ReadonlyArray<Entry>, DiskError> =>
      found.every(({ type }) => type !== "unknown")
        ? Effect.succeed(found.flatMap((each) => (each.type === "directory" ? [entryOf(each)] : [])))
        : ask(found)
    const { hidden, visible } = yield* mapLookError("list root")(disk.list(path))
    // `sweep /srv/vms/*` passes VM directories as roots. Everything in a VM directory belongs to its owner, even a
    // directory with a sentinel of its own.
    const sentinel = yield* mapLookError("list root")(sentinelIn(path, names, hidden))
    if (sentinel !== undefined) {
      const problem = `it has a sentinel, ${sentinel.entry}: a VM directory, not a directory of VM directories`
      return yield* new RefusedRoot({ path, rule: "vm-directory", problem })
    }
    const isOwn = ({ entry }: DirectoryEntry) => kindOf(entry) !== "directory"
    const directories = Stream.concat(Stream.fromIterable(hidden.filter((each) => !isOwn(each))), visible).pipe(
      Stream.rechunk(pageSize),
      Stream.chunks,
      Stream.mapEffect(entriesOf),
      Stream.filter(Arr.isReadonlyArrayNonEmpty),
      Stream.flattenArray,
      Stream.mapError((error) => toLookError("list root", error))
    )
    const leftovers = yield* mapLookError("list root")(entriesOf(hidden.filter(isOwn).sort(byKind)))
    return { leftovers, directories }
  })

  return { openRoot, openDirectory, list }
}
