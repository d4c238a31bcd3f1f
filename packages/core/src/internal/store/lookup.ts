/** Reads the sentinels of a directory. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"

import * as Result from "effect/Result"
import type { Disk, DiskError, Peek, Principal, Scan, ScannedFile, ScanOptions, Stat } from "../../Disk.ts"
import {
  type Distrust,
  type LookError,
  MalformedSentinel,
  MountInside,
  NotFound,
  OversizedSentinel,
  type PermissionDenied,
  type SentinelError,
  type StoreFailure,
  UnsupportedVersion,
  UntrustedSentinel
} from "../../Errors.ts"
import type { DirectoryState, SentinelFile, TrustedPeek } from "../../DirectoryState.ts"
import type { Layout } from "../../Layout.ts"
import type { Mounted } from "../../Mounts.ts"
import type { Entry, Root } from "../../Root.ts"
import * as Sentinel from "../../Sentinel.ts"
import * as SentinelName from "../../SentinelName.ts"
import * as Trust from "../../Trust.ts"
import { baseName, parentOf } from "../paths.ts"
import { sameBytes } from "../sentinel/bytes.ts"
import * as Parser from "../sentinel/parser.ts"
import { isBound } from "./boundFiles.ts"
import { absolute } from "./absolute.ts"
import { mapLookError, toStoreError } from "./diskErrors.ts"
import { onErrno } from "../disk/recovery.ts"

const operation = "read sentinel"

const [stateFolder = ""] = SentinelName.goMicrovmState.split("/")

const problemOf = (path: string, problem: Sentinel.Problem): SentinelError =>
  problem._tag === "UnsupportedVersion"
    ? new UnsupportedVersion({ operation, path, version: problem.version })
    : new MalformedSentinel({ operation, path, problem: problem.problem })

const keyOf = ({ id: { dev, ino } }: Stat): string => `${dev} ${ino}`

/**
 * Maximum number of sentinels in one directory, under any name. A directory with more is kept, and none of its
 * sentinels is judged.
 */
export const mostSentinels = 64

export const optionsOf = (
  path: string,
  names: ReadonlyArray<string>,
  principal: Principal,
  mounts: ReadonlyArray<Mounted>
): ScanOptions => {
  const covered = new Set(mounts.map((mount) => mount.path))
  const sort: ScanOptions["sort"] = (entry) => {
    if (covered.size > 0 && covered.has(`${path}/${entry}`)) return "ignore"
    const kind = SentinelName.classify(entry, names)
    if (kind === "temporary") return "hint"
    if (kind === "other") return entry === stateFolder ? "note" : "ignore"
    return kind === "read" ? "read" : "note"
  }
  return {
    sort,
    isRead: (directory) => Trust.ofDirectory(directory, principal) === undefined,
    mostBytes: Sentinel.maxBytes,
    // One more than `mostSentinels`, because the scan also notes the folder of a state file.
    mostNames: mostSentinels + 1,
    mostHints: 1024,
    mostUnread: 10_000
  }
}

export type Lookup = ReturnType<typeof make>

export const make = (disk: Disk["Service"]) => {
  const parse = Parser.make()

  /**
   * Files of a scan with a second hard link that no publication explains. During a publication, the temporary name is
   * the second link.
   */
  const linkedFiles = Effect.fnUntraced(function* (path: string, { files, frame, hints }: Scan) {
    const temporaries = new Set<string>()
    for (const name of hints) {
      const found = yield* Effect.option(disk.lstat(`${path}/${name}`))
      if (found._tag === "Some") temporaries.add(keyOf(found.value))
    }
    return files.filter((file) => !isBound(frame, file) && file.stat.nlink === 2 && !temporaries.has(keyOf(file.stat)))
  })

  /**
   * Scans a directory. A rename by another writer makes a file vanish for a moment (ENOENT, ESTALE). A publication
   * gives a file a second link for a moment. In both cases the scan is repeated, at most `again` times.
   */
  const survey = (
    path: string,
    options: ScanOptions,
    again: number
  ): Effect.Effect<Scan & { readonly linked: ReadonlyArray<ScannedFile> }, DiskError> => {
    const surveyed = Effect.flatMap(disk.scan(path, options), (scan) => {
      const isPlain = scan.files.every(({ stat }) => stat.nlink !== 2) || !options.isRead(scan.stat)
      if (isPlain) return Effect.succeed({ ...scan, linked: [] })
      return Effect.flatMap(linkedFiles(path, scan), (linked) =>
        linked.length > 0 && again > 0 ? survey(path, options, again - 1) : Effect.succeed({ ...scan, linked })
      )
    })
    return again === 0 ? surveyed : onErrno(["ENOENT", "ESTALE"], () => survey(path, options, again - 1))(surveyed)
  }

  const contentOf = (path: string, bytes: Uint8Array, judged: SentinelFile | undefined): SentinelFile["content"] =>
    judged?.bytes !== undefined && Result.isSuccess(judged.content) && sameBytes(judged.bytes, bytes)
      ? judged.content
      : Result.mapError(parse(bytes), (error) => problemOf(path, error))

  const judgeFile = (
    directory: string,
    scanned: ScannedFile,
    links: number,
    directoryDistrust: Distrust | undefined,
    principal: Principal,
    judged: DirectoryState | undefined
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
    const distrust =
      directoryDistrust === undefined
        ? Trust.ofSentinel(stat, principal, links)
        : Trust.ofDirectoryAbove(directoryDistrust)
    if (distrust !== undefined) return refused(new UntrustedSentinel({ operation, path, ...distrust }))
    if (error !== undefined) return refused(toStoreError(operation, error))
    if (bytes === undefined) {
      const problem = "replaced while it was read"
      return refused(new UntrustedSentinel({ operation, path, rule: "replaced", problem }))
    }
    return {
      ...file,
      ...(stat.birth === undefined ? {} : { birth: stat.birth }),
      bytes,
      content: contentOf(
        path,
        bytes,
        judged?.sentinels.find((file) => file.entry === entry)
      )
    }
  }

  const exists = (path: string) =>
    disk.lstat(path).pipe(
      Effect.as(true),
      onErrno(["ENOENT", "ENOTDIR"], () => Effect.succeed(false)),
      // Any other error counts as existence, because the path's owner may have denied access on purpose.
      Effect.orElseSucceed(() => true)
    )

  /** The state of a scanned directory. `linked`: the files that another name makes untrusted. */
  const stateOf = (
    path: string,
    scan: Scan,
    linked: ReadonlyArray<ScannedFile>,
    names: ReadonlyArray<string>,
    principal: Principal,
    by: "owner" | "sweep",
    judged?: DirectoryState
  ): DirectoryState => {
    const { files, frame, isCrowded, noted, stat, subdirectories } = scan
    // An owner may use its home. No sweep may remove it.
    const isHome = by === "sweep" ? Trust.ofHome(stat.id, principal) : undefined
    const distrust = Trust.ofDirectory(stat, principal) ?? isHome
    const linksOf = (file: ScannedFile) =>
      file.stat.nlink !== 1 && isBound(frame, file) ? Infinity : linked.includes(file) ? 1 : 2
    const foreign = noted.filter((entry) => SentinelName.classify(entry, names) === "foreign")
    const state = { path, id: stat.id, frame, distrust, subdirectories }
    // A record and the one that it replaces count once.
    const counted = files.filter(({ entry }) => !SentinelName.isAside(entry))
    if (isCrowded || counted.length + foreign.length > mostSentinels) {
      return { ...state, sentinels: [], foreign: [], crowded: mostSentinels }
    }
    const sentinels = files.map((file) => judgeFile(path, file, linksOf(file), distrust, principal, judged))
    return { ...state, sentinels, foreign }
  }

  /** Reads a directory, except for the parts that one of `mounts` covers. */
  const lookBeside = (
    path: string,
    { sentinels: names }: Layout,
    mounts: ReadonlyArray<Mounted>,
    by: "owner" | "sweep" = "sweep"
  ): Effect.Effect<DirectoryState, LookError> =>
    Effect.flatMap(disk.principal, (principal) =>
      Effect.flatMap(mapLookError("look")(survey(path, optionsOf(path, names, principal, mounts), 2)), (scan) => {
        if (scan.stat.type !== "directory")
          return Effect.fail(new NotFound({ operation: "look", path, kind: "not-a-directory" }))
        const seen = stateOf(path, scan, scan.linked, names, principal, by)
        const state = mounts[0] === undefined ? seen : { ...seen, mount: mounts[0].mountPoint }
        if (state.sentinels.length === 0 || !scan.noted.includes(stateFolder)) return Effect.succeed(state)
        return Effect.map(exists(`${path}/${SentinelName.goMicrovmState}`), (hasState) =>
          hasState ? { ...state, foreign: [...state.foreign, SentinelName.goMicrovmState] } : state
        )
      })
    )

  /**
   * The state of a directory that a sweep has scanned. `undefined`: more calls are needed, which `look` makes. A file
   * with the bytes of the judged one isn't parsed again.
   */
  const stateOfScan = (
    path: string,
    scan: Scan,
    { sentinels: names }: Layout,
    principal: Principal,
    judged?: DirectoryState
  ): DirectoryState | undefined => {
    const isPlain = scan.files.every((file) => file.stat.nlink === 1) && !scan.noted.includes(stateFolder)
    return isPlain && scan.stat.type === "directory"
      ? stateOf(path, scan, [], names, principal, "sweep", judged)
      : undefined
  }

  const look = (path: string, layout: Layout): Effect.Effect<DirectoryState, LookError> => lookBeside(path, layout, [])
  const lookAsOwner = (path: string, layout: Layout): Effect.Effect<DirectoryState, LookError> =>
    lookBeside(path, layout, [], "owner")

  /** Resolves the links above the last name of a path. Resolved anew each time, since a link may change. */
  const settle = Effect.fnUntraced(function* (path: string) {
    const resolved = yield* absolute(disk, path)
    const parent = parentOf(resolved)
    const real = yield* Effect.orElseSucceed(disk.realPath(parent || "/"), () => parent)
    return `${real === "/" ? "" : real}/${baseName(resolved)}`
  })

  /** Whether `lstat` finds neither one of `names` nor a default name of a sentinel. */
  const showsNone = (path: string, names: ReadonlyArray<string>) =>
    Effect.map(
      Effect.forEach([...names, SentinelName.defaultName, SentinelName.broodBoxName], (name) =>
        Effect.isSuccess(disk.lstat(`${path}/${name}`))
      ),
      (seen) => !seen.includes(true)
    )

  /**
   * An unreadable directory of another user, such as `lost+found`, counts as one without sentinels if `lstat` finds
   * none.
   */
  const lookOutside = (path: string, { sentinels: names }: Layout, error: PermissionDenied) =>
    Effect.gen(function* () {
      const { uid } = yield* disk.principal
      const stat = yield* disk.lstat(path)
      const isOfOthers = uid !== undefined && stat.uid !== undefined && stat.uid !== uid
      if (!isOfOthers || stat.type !== "directory" || !(yield* showsNone(path, names))) return yield* error
      const distrust: Distrust = { rule: "unreadable", problem: `unreadable, and owned by uid ${stat.uid}` }
      const { id } = stat
      const state: DirectoryState = {
        path,
        id,
        frame: { id },
        distrust,
        subdirectories: "some",
        sentinels: [],
        foreign: []
      }
      return state
    }).pipe(Effect.mapError(() => error))

  const inspect = Effect.fnUntraced(function* (
    path: string,
    layout: Layout
  ): Effect.fn.Return<DirectoryState, LookError | MountInside> {
    const real = yield* settle(path)
    const found = yield* mapLookError("look for mounts")(disk.mountsBelow(real))
    const own = found.find((mount) => mount.path === real)
    if (own !== undefined) return yield* new MountInside({ path, mount: own.mountPoint })
    const mounts = found.map(({ mountPoint, path: at }) => ({ mountPoint, path: `${path}${at.slice(real.length)}` }))
    return yield* Effect.catchTag(lookBeside(path, layout, mounts), "PermissionDenied", (error) =>
      lookOutside(path, layout, error)
    )
  })

  const peekMany = (
    { path, principal }: Root,
    entries: Arr.NonEmptyReadonlyArray<Entry>,
    { sentinels: [primary] }: Layout
  ): Effect.Effect<ReadonlyArray<TrustedPeek | undefined>> => {
    // `Disk.peekMany` may return one shared object for equal permissions. An object that passed isn't checked again.
    let trusted: Pick<Peek, "directory" | "file"> | undefined
    const isTrusted = (peek: Peek): boolean => {
      const { directory, file } = peek
      if (directory === trusted?.directory && file === trusted.file) return true
      if (Trust.ofDirectory(directory, principal) !== undefined) return false
      if (Trust.ofSentinel(file, principal, 1) !== undefined) return false
      trusted = peek
      return true
    }
    const peekAll = (names: Arr.NonEmptyReadonlyArray<string>) =>
      Effect.map(disk.peekMany(path, names, primary, Sentinel.maxBytes), (peeks) =>
        peeks.map((peek) => (peek !== undefined && isTrusted(peek) ? peek : undefined))
      )
    /** Leaves out directories with a mount at or below them, since a mounted file system may not answer. */
    const peekBeside = Effect.fnUntraced(function* (mounted: ReadonlySet<string>) {
      const names = entries.flatMap(({ entry }) => (mounted.has(entry) ? [] : [entry]))
      const peeks = Arr.isArrayNonEmpty(names) ? yield* peekAll(names) : []
      let next = 0
      return entries.map(({ entry }) => (mounted.has(entry) ? undefined : peeks[next++]))
    })
    return disk.mountsBelow(path).pipe(
      Effect.flatMap((mounts) => {
        const mounted = new Set(mounts.map((mount) => mount.path.slice(path.length + 1).split("/", 1)[0] ?? ""))
        return mounted.size === 0 ? peekAll(Arr.map(entries, ({ entry }) => entry)) : peekBeside(mounted)
      }),
      Effect.orElseSucceed(() => entries.map(() => undefined))
    )
  }

  const usage = (path: string) => mapLookError("measure")(disk.usage(path))

  return { look, lookAsOwner, inspect, stateOfScan, peekMany, usage }
}
