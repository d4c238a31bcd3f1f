/** `Disk.scan`, put together from the simpler calls. */
import * as Effect from "effect/Effect"
import type { Disk, DiskError, Scan, ScannedFile } from "../Disk.ts"
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
  return yield* disk.read(path, limit + 1).pipe(
    Effect.map((read): ScannedFile => {
      const isSame = sameFile(read.stat.id, stat.id) && read.bytes.length <= limit
      return isSame
        ? { entry, stat: read.stat, bytes: read.bytes }
        : { entry, stat: { ...read.stat, size: read.bytes.length } }
    }),
    Effect.catchIf(
      (error) => error.errno !== "ENOENT",
      (error) => Effect.succeed({ entry, stat, error })
    )
  )
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
