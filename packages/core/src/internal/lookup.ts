/** Reads the sentinels of a directory. */
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { Disk, DiskError, Peek, Principal, Scan, ScannedFile, Stat } from "../Disk.ts"
import {
  type LookError,
  MalformedSentinel,
  NotFound,
  OversizedSentinel,
  type PermissionDenied,
  type SentinelError,
  type StoreFailure,
  UnsupportedVersion,
  UntrustedSentinel
} from "../Errors.ts"
import { sameFile } from "../FileId.ts"
import type { DirectoryState, SentinelFile, TrustedPeek } from "../DirectoryState.ts"
import type { Layout } from "../Layout.ts"
import type { Entry, Root } from "../Root.ts"
import * as Sentinel from "../Sentinel.ts"
import * as SentinelName from "../SentinelName.ts"
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

export type Lookup = ReturnType<typeof make>

export const make = (disk: Disk["Service"]) => {
  /** Whether the second hard link of a file is a temporary name: during its publication a sentinel has both names. */
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

  /** Files of a scan with a second hard link that no publication explains. */
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
   * Scans a directory. Another writer's rename makes a file vanish for a moment (ENOENT, ESTALE), and a publication
   * gives a file a second link for a moment. Either repeats the scan, at most `again` times.
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
      // Any other error counts as existence: the path's owner may have denied access on purpose.
      Effect.orElseSucceed(() => true)
    )

  const look = (path: string, { sentinels: names }: Layout): Effect.Effect<DirectoryState, LookError> =>
    Effect.flatMap(disk.principal, (principal) =>
      Effect.flatMap(mapLookError("look")(survey(path, names, 2)), (scan) => {
        const { files, frame, linked, noted, stat, subdirectories } = scan
        if (stat.type !== "directory") return Effect.fail(new NotFound({ operation: "look: no directory", path }))
        const distrust = Trust.ofDirectory(stat, principal)
        const sentinels = files.map((file) => judgeFile(path, file, linked.includes(file) ? 1 : 2, distrust, principal))
        const foreign = noted.filter((entry) => SentinelName.classify(entry, names) === "foreign")
        const state: DirectoryState = { path, id: stat.id, frame, distrust, subdirectories, sentinels, foreign }
        if (sentinels.length === 0 || !noted.includes(stateFolder)) return Effect.succeed(state)
        return Effect.map(exists(`${path}/${SentinelName.goMicrovmState}`), (hasState) =>
          hasState ? { ...state, foreign: [...foreign, SentinelName.goMicrovmState] } : state
        )
      })
    )

  const peekMany = (
    { path, principal }: Root,
    entries: Arr.NonEmptyReadonlyArray<Entry>,
    { sentinels: [primary] }: Layout
  ): Effect.Effect<ReadonlyArray<TrustedPeek | undefined>> => {
    // `Disk.peekMany` may return one shared object for equal permissions: each object is checked once.
    let trusted: Pick<Peek, "directory" | "file"> | undefined
    const isTrusted = (peek: Peek): boolean => {
      const { directory, file } = peek
      if (directory === trusted?.directory && file === trusted.file) return true
      if (Trust.ofDirectory(directory, principal) !== undefined) return false
      if (Trust.ofSentinel(file, principal, 1) !== undefined) return false
      trusted = peek
      return true
    }
    const trustedPeek = (peek: Peek): TrustedPeek | undefined =>
      isTrusted(peek) ? { content: peek.content, writtenAt: peek.modifiedAt } : undefined
    const [first, ...others] = entries
    return disk.peekMany(path, [first.entry, ...others.map(({ entry }) => entry)], primary, Sentinel.maxBytes).pipe(
      Effect.map((peeks) => peeks.map((peek) => (peek === undefined ? undefined : trustedPeek(peek)))),
      Effect.orElseSucceed(() => entries.map(() => undefined))
    )
  }

  /** States of the inner directories with sentinels. Fails at the first unreadable directory; skips a vanished one. */
  const ownersBelow = (
    { path, subdirectories }: DirectoryState,
    layout: Layout
  ): Stream.Stream<DirectoryState, LookError> => {
    if (subdirectories === "none") return Stream.empty
    const isWanted = (entry: string) => ["read", "foreign"].includes(SentinelName.classify(entry, layout.sentinels))
    return disk.find(path, isWanted).pipe(
      Stream.mapError((error) => toLookError("look below", error)),
      Stream.map((relative) => relative.slice(0, relative.lastIndexOf("/"))),
      Stream.changes,
      Stream.mapEffect((relative) =>
        Effect.catchTag(look(`${path}/${relative}`, layout), "NotFound", () => Effect.undefined)
      ),
      Stream.filter((found) => found !== undefined)
    )
  }

  const usage = (path: string) => mapLookError("measure")(disk.usage(path))

  return { look, peekMany, ownersBelow, usage }
}
