/** Reading: roots, their entries, and the sentinels of a directory. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type {
  DirectoryEntry,
  Disk,
  DiskError,
  Listing,
  Permissions,
  Principal,
  Scan,
  ScannedFile,
  Stat
} from "../Disk.ts"
import {
  MalformedSentinel,
  NotFound,
  OversizedSentinel,
  type PermissionDenied,
  RefusedRoot,
  type RootError,
  type SentinelError,
  type StoreFailure,
  UnsupportedVersion,
  UntrustedSentinel
} from "../Errors.ts"
import { type Holding, sameFile, type SentinelFile } from "../Holding.ts"
import * as Sentinel from "../Sentinel.ts"
import * as SentinelName from "../SentinelName.ts"
import type { Entry, Glancer, Listed, LookError, Root } from "../SentinelStore.ts"
import * as Slices from "../Slices.ts"
import * as Trust from "../Trust.ts"
import { mapLookError, onErrno, toLookError, toStoreError } from "./diskErrors.ts"

const operation = "read sentinel"

const [stateFolder = ""] = SentinelName.goMicrovmState.split("/")

const problemOf = (path: string, problem: Sentinel.Problem): SentinelError =>
  problem._tag === "UnsupportedVersion"
    ? new UnsupportedVersion({ operation, path, version: problem.version })
    : new MalformedSentinel({ operation, path, problem: problem.problem })

const readable = (directory: string, { entry, stat }: ScannedFile, bytes: Uint8Array): SentinelFile => ({
  entry,
  id: stat.id,
  size: stat.size,
  writtenAt: stat.modifiedAt,
  changedAt: stat.changedAt,
  ...(stat.birth === undefined ? {} : { birth: stat.birth }),
  bytes,
  content: Result.mapError(Sentinel.parse(bytes), (error) => problemOf(`${directory}/${entry}`, error))
})

const kindOf = (entry: string): Entry["kind"] => SentinelName.parseReap(entry)?.kind ?? "directory"

const kindOrder: Record<Entry["kind"], number> = { staged: 0, dead: 1, claimed: 2, workspace: 3, directory: 4 }

const byKind = (a: DirectoryEntry, b: DirectoryEntry): number => kindOrder[kindOf(a.entry)] - kindOrder[kindOf(b.entry)]

const byName = (a: DirectoryEntry, b: DirectoryEntry): number => (a.entry < b.entry ? -1 : 1)

/** By name. */
const listingOf = (found: ReadonlyArray<DirectoryEntry>): Listing => {
  const sorted = found.toSorted(byName)
  const isHidden = ({ entry }: DirectoryEntry) => entry.startsWith(".")
  const visible = sorted.filter((entry) => !isHidden(entry))
  return {
    hidden: sorted.filter(isHidden),
    size: visible.length,
    entry: (index) => visible[index] ?? { entry: "", type: "unknown" }
  }
}

/** Entries handed out at a time. */
const batch = 256

export type Lookup = ReturnType<typeof make>

export const make = (disk: Disk["Service"]) => {
  const openRoot = Effect.fn("SentinelStore.openRoot")(function* (given: string): Effect.fn.Return<Root, RootError> {
    if (given === "") return yield* new RefusedRoot({ path: given, problem: "an empty path" })
    const resolved = yield* disk.resolve(given)
    const principal = yield* disk.principal
    const refuse = (path: string, problem: string | undefined) =>
      problem === undefined ? Effect.void : Effect.fail(new RefusedRoot({ path, problem }))
    yield* refuse(resolved, Trust.ofRootPath(resolved, principal))
    const stat = yield* mapLookError("open root")(disk.lstat(resolved))
    yield* refuse(resolved, Trust.ofRoot(stat, principal))
    const path = yield* mapLookError("open root")(disk.realPath(resolved))
    yield* refuse(resolved, Trust.ofRootPath(path, principal))
    // A magic link of procfs, such as /proc/PID/root, leads where no path of this mount namespace does.
    const real = yield* mapLookError("open root")(disk.lstat(path))
    yield* refuse(resolved, sameFile(real.id, stat.id) ? undefined : `its real path, ${path}, is another directory`)
    return { path, id: stat.id, principal }
  })

  const openDirectory = Effect.fn("SentinelStore.openDirectory")(function* (given: string) {
    if (given === "") return yield* new RefusedRoot({ path: given, problem: "an empty path" })
    const resolved = yield* disk.resolve(given)
    const slash = resolved.lastIndexOf("/")
    const entry = resolved.slice(slash + 1)
    if (entry === "") return yield* new RefusedRoot({ path: resolved, problem: "the root of the file system" })
    const root = yield* openRoot(resolved.slice(0, slash) || "/")
    return { root, entry: { kind: kindOf(entry), entry, path: `${root.path}/${entry}` } }
  })

  const isDirectory = (path: string) =>
    Effect.orElseSucceed(
      Effect.map(disk.lstat(path), (stat) => stat.type === "directory"),
      () => false
    )

  const listByName = (path: string) => Effect.map(disk.entries(path), listingOf)
  const listing = (path: string): Effect.Effect<Listing, DiskError> =>
    disk.listing === undefined
      ? listByName(path)
      : Effect.flatMap(disk.listing(path), (found) => (found === undefined ? listByName(path) : Effect.succeed(found)))

  const list = Effect.fnUntraced(function* (root: Root): Effect.fn.Return<Listed, RootError> {
    // Each path is one string joined to another: of very many, one more for each is felt.
    const prefix = `${root.path}/`
    const entryOf = (entry: string, kind: Entry["kind"]): Entry => ({ kind, entry, path: `${prefix}${entry}` })
    const isKnownDirectory = ({ entry, type }: DirectoryEntry) =>
      type === "unknown" ? isDirectory(`${prefix}${entry}`) : Effect.succeed(type === "directory")
    const entriesOf = (found: ReadonlyArray<DirectoryEntry>) =>
      Effect.map(Effect.filter(found, isKnownDirectory), (known) =>
        known.map(({ entry }) => entryOf(entry, kindOf(entry)))
      )
    const { entry, hidden, size } = yield* mapLookError("list root")(listing(root.path))
    const left = hidden.filter((found) => kindOf(found.entry) !== "directory").sort(byKind)
    const others = hidden.filter((found) => kindOf(found.entry) === "directory")
    const all = others.length + size
    const giveWay = Slices.makeGiveWay()
    const page = (start: number) =>
      Effect.flatMap(giveWay, () => {
        const end = Math.min(start + batch, all)
        const more = end < all ? Option.some(end) : Option.none()
        const at = (index: number) => others[index] ?? entry(index - others.length)
        const entries: Array<Entry> = []
        for (let index = start; index < end; index++) {
          const found = at(index)
          if (found.type !== "directory") {
            // Seldom, so that all of them are asked for once more.
            const again = Array.from({ length: end - start }, (_, place) => at(start + place))
            return Effect.map(entriesOf(again), (entries) => [entries, more] as const)
          }
          entries.push(entryOf(found.entry, "directory"))
        }
        return Effect.succeed([entries, more] as const)
      })
    return { left: yield* entriesOf(left), directories: Stream.paginate(0, page) }
  })

  /** Whether the second link of a file is its temporary one: a sentinel has both names while it is being published. */
  const isBeingPublished = Effect.fnUntraced(function* (
    path: string,
    { id }: Stat,
    temporaries: ReadonlyArray<string>
  ) {
    for (const name of temporaries) {
      const other = yield* Effect.option(disk.lstat(`${path}/${name}`))
      if (other._tag === "Some" && sameFile(other.value.id, id)) return true
    }
    return false
  })

  /** The files of a scan with a second link that nothing explains. */
  const linkedFiles = Effect.fnUntraced(function* (path: string, { files, noted }: Scan, names: ReadonlyArray<string>) {
    const linked: Array<ScannedFile> = []
    for (const file of files) {
      if (file.stat.nlink !== 2) continue
      const temporaries = noted.filter((entry) => SentinelName.classify(entry, names) === "temporary")
      if (!(yield* isBeingPublished(path, file.stat, temporaries))) linked.push(file)
    }
    return linked
  })

  /**
   * What another writer replaces goes away for a moment, what it publishes has two names: then all is looked at anew, as
   * often as `again` says.
   */
  const survey = (
    path: string,
    names: ReadonlyArray<string>,
    again: number
  ): Effect.Effect<Scan & { readonly linked: ReadonlyArray<ScannedFile> }, DiskError> => {
    const sort = (entry: string) => {
      const kind = SentinelName.classify(entry, names)
      if (kind === "other") return entry === stateFolder ? "note" : "ignore"
      return kind === "read" ? "read" : "note"
    }
    const surveyed = Effect.flatMap(disk.scan(path, sort, Sentinel.maxBytes), (scan) => {
      if (scan.files.every(({ stat }) => stat.nlink !== 2)) return Effect.succeed({ ...scan, linked: [] })
      return Effect.flatMap(linkedFiles(path, scan, names), (linked) =>
        linked.length > 0 && again > 0 ? survey(path, names, again - 1) : Effect.succeed({ ...scan, linked })
      )
    })
    return again === 0 ? surveyed : onErrno(["ENOENT", "ESTALE"], () => survey(path, names, again - 1))(surveyed)
  }

  const judgeFile = (
    directory: string,
    scanned: ScannedFile,
    links: number,
    directoryProblem: string | undefined,
    principal: Principal
  ): SentinelFile => {
    const { bytes, entry, error, stat } = scanned
    const path = `${directory}/${entry}`
    const { changedAt, id, modifiedAt, size } = stat
    const file = { entry, id, size, writtenAt: modifiedAt, changedAt }
    const refused = (problem: SentinelError | PermissionDenied | StoreFailure): SentinelFile => ({
      ...file,
      bytes: undefined,
      content: Result.fail(problem)
    })
    if (stat.type === "file" && stat.size > Sentinel.maxBytes) {
      return refused(new OversizedSentinel({ operation, path, size: stat.size, limit: Sentinel.maxBytes }))
    }
    const problem =
      directoryProblem === undefined ? Trust.ofSentinel(stat, principal, links) : `its directory is ${directoryProblem}`
    if (problem !== undefined) return refused(new UntrustedSentinel({ operation, path, problem }))
    if (error !== undefined) return refused(toStoreError(operation, error))
    if (bytes === undefined) {
      return refused(new UntrustedSentinel({ operation, path, problem: "replaced while it was read" }))
    }
    return readable(directory, scanned, bytes)
  }

  const exists = (path: string) =>
    disk.lstat(path).pipe(
      Effect.as(true),
      onErrno(["ENOENT", "ENOTDIR"], () => Effect.succeed(false)),
      // Whoever hides it may be the owner.
      Effect.orElseSucceed(() => true)
    )

  const look = (
    path: string,
    names: ReadonlyArray<string> = [SentinelName.defaultName]
  ): Effect.Effect<Holding, LookError> =>
    Effect.flatMap(disk.principal, (principal) =>
      Effect.flatMap(mapLookError("look")(survey(path, names, 2)), (scan) => {
        const { files, frame, linked, noted, stat, subdirectories } = scan
        if (stat.type !== "directory") return Effect.fail(new NotFound({ operation: "look: no directory", path }))
        const distrust = Trust.ofDirectory(stat, principal)
        const sentinels = files.map((file) => judgeFile(path, file, linked.includes(file) ? 1 : 2, distrust, principal))
        const foreign = noted.filter((entry) => SentinelName.classify(entry, names) === "foreign")
        const holding: Holding = { path, id: stat.id, frame, distrust, subdirectories, sentinels, foreign }
        if (sentinels.length === 0 || !noted.includes(stateFolder)) return Effect.succeed(holding)
        return Effect.map(exists(`${path}/${SentinelName.goMicrovmState}`), (hasState) =>
          hasState ? { ...holding, foreign: [...foreign, SentinelName.goMicrovmState] } : holding
        )
      })
    )

  const glancer = (
    { path, principal }: Root,
    name = SentinelName.defaultName
  ): Effect.Effect<Glancer | undefined, never, Scope.Scope> =>
    disk.peeker === undefined
      ? Effect.undefined
      : disk.peeker(path, name, Sentinel.maxBytes).pipe(
          Effect.map(({ expect = () => undefined, peek }): Glancer => {
            // Of very many, nearly all are as the one before.
            let trustedDirectory: Permissions | undefined
            let trustedFile: Permissions | undefined
            const isTrusted = (directory: Permissions, file: Permissions): boolean => {
              if (Trust.ofDirectory(directory, principal) !== undefined) return false
              if (Trust.ofSentinel(file, principal, 1) !== undefined) return false
              ;[trustedDirectory, trustedFile] = [directory, file]
              return true
            }
            return {
              expect,
              glance: (entry) => {
                const seen = peek(entry)
                if (seen === undefined) return undefined
                const { directory, file } = seen
                return (directory === trustedDirectory && file === trustedFile) || isTrusted(directory, file)
                  ? seen
                  : undefined
              }
            }
          }),
          Effect.orElseSucceed(() => undefined)
        )

  /** Directories below the first level with a sentinel of any known name, relative to `path`. */
  const find = (path: string, names: ReadonlyArray<string> = [SentinelName.defaultName]) => {
    const isWanted = (entry: string) => ["read", "foreign"].includes(SentinelName.classify(entry, names))
    return disk.find(path, isWanted).pipe(
      Stream.mapError((error) => toLookError("look below", error)),
      Stream.map((relative) => relative.slice(0, relative.lastIndexOf("/"))),
      Stream.changes
    )
  }

  const read = Effect.fn("SentinelStore.read")(function* (path: string, names?: ReadonlyArray<string>) {
    const { sentinels } = yield* look(path, names)
    return yield* Effect.forEach(sentinels, ({ content }) => Effect.fromResult(content))
  })

  const usage = (path: string) => mapLookError("measure")(disk.usage(path))

  return { openRoot, openDirectory, list, look, glancer, find, read, usage }
}
