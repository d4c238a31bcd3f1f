/** `Disk.scan`, composed of simpler calls. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { DirectoryFrame } from "../../DirectoryFrame.ts"
import {
  type DirectoryEntry,
  DiskError,
  type Scan,
  type ScannedFile,
  type ScanOptions,
  type Stat
} from "../../DiskModel.ts"
import { sameFile } from "../../FileId.ts"
import * as ScanNames from "../../ScanNames.ts"

interface Calls {
  readonly lstat: (path: string) => Effect.Effect<Stat, DiskError>
  readonly entries: (path: string) => Effect.Effect<ReadonlyArray<DirectoryEntry>, DiskError>
  readonly read: (
    path: string,
    limit: number
  ) => Effect.Effect<{ readonly stat: Stat; readonly bytes: Uint8Array }, DiskError>
  readonly frame: (path: string) => Effect.Effect<DirectoryFrame, DiskError>
}

const readFile = Effect.fnUntraced(function* (
  disk: Calls,
  path: string,
  entry: string,
  limit: number
): Effect.fn.Return<ScannedFile, DiskError> {
  const stat = yield* disk.lstat(path)
  if (stat.type !== "file" || stat.size > limit) return { entry, stat }
  const read = yield* Effect.result(disk.read(path, limit + 1))
  if (Result.isFailure(read)) {
    const isGone = read.failure.errno === "ENOENT" || read.failure.errno === "ESTALE"
    return isGone ? yield* Effect.fail(read.failure) : { entry, stat, error: read.failure }
  }
  const { bytes, stat: opened } = read.success
  if (!sameFile(opened.id, stat.id)) return yield* new DiskError({ errno: "ESTALE", operation: "scan", path })
  return bytes.length > limit ? { entry, stat: { ...opened, size: bytes.length } } : { entry, stat: opened, bytes }
})

/** File systems on which a directory's link count is 2 (its name, its `.`) plus 1 for the `..` of each subdirectory. */
const countingTypes: ReadonlySet<string> = new Set(["ext4", "xfs", "f2fs", "tmpfs"])

/**
 * `none`: proven by a link count of 2 on one of `countingTypes`, or by the listing. `some`: the listing has a
 * directory, or an entry of unknown type.
 */
const subdirectoriesOf = (
  { nlink }: Stat,
  { fileSystem }: DirectoryFrame,
  list: ReadonlyArray<DirectoryEntry>
): Scan["subdirectories"] => {
  if (nlink === 2 && fileSystem !== undefined && countingTypes.has(fileSystem.type)) return "none"
  return list.some(({ type }) => type === "directory" || type === "unknown") ? "some" : "none"
}

export const scan = (disk: Calls) =>
  Effect.fnUntraced(function* (path: string, options: ScanOptions): Effect.fn.Return<Scan, DiskError> {
    const stat = yield* disk.lstat(path)
    if (stat.type !== "directory") {
      return { stat, frame: { id: stat.id }, subdirectories: "none", files: [], noted: [], hints: [], isCrowded: false }
    }
    const frame = yield* disk.frame(path)
    if (!sameFile(frame.id, stat.id)) return yield* new DiskError({ errno: "ESTALE", operation: "scan", path })
    const list = yield* disk.entries(path)
    const isRead = options.isRead(stat)
    const names = ScanNames.make(options, isRead)
    // The loop ends as soon as no further name is wanted.
    list.every(({ entry }) => names.add(entry))
    const { read, ...told } = names.end()
    const files = yield* Effect.forEach(read, (entry) =>
      isRead
        ? readFile(disk, `${path}/${entry}`, entry, options.mostBytes)
        : Effect.map(disk.lstat(`${path}/${entry}`), (stat): ScannedFile => ({ entry, stat }))
    )
    return { stat, frame, subdirectories: subdirectoriesOf(stat, frame, list), files, ...told }
  })
