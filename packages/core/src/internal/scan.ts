/** `Disk.scan`, put together from the simpler calls. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { type Disk, DiskError, type Scan, type ScannedFile } from "../Disk.ts"
import { sameFile } from "../Holding.ts"

type Calls = Pick<Disk["Service"], "lstat" | "entries" | "read">

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
    return read.failure.errno === "ENOENT" ? yield* Effect.fail(read.failure) : { entry, stat, error: read.failure }
  }
  const { bytes, stat: opened } = read.success
  if (!sameFile(opened.id, stat.id)) return yield* new DiskError({ errno: "ESTALE", operation: "scan", path })
  return bytes.length > limit ? { entry, stat: { ...opened, size: bytes.length } } : { entry, stat: opened, bytes }
})

export const scan = (disk: Calls): Disk["Service"]["scan"] =>
  Effect.fnUntraced(function* (path, sort, limit): Effect.fn.Return<Scan, DiskError> {
    const stat = yield* disk.lstat(path)
    if (stat.type !== "directory") return { stat, files: [], noted: [] }
    const names = (yield* disk.entries(path)).map(({ entry }) => entry).sort()
    const files = yield* Effect.forEach(
      names.filter((entry) => sort(entry) === "read"),
      (entry) => readFile(disk, `${path}/${entry}`, entry, limit)
    )
    return { stat, files, noted: names.filter((entry) => sort(entry) === "note") }
  })
