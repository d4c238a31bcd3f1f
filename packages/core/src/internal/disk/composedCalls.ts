/** `Disk.list` and `Disk.peekMany`, composed of simpler calls. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { DirectoryEntry, DiskError, Listing, Peek, Stat } from "../../DiskModel.ts"

const byName = (a: DirectoryEntry, b: DirectoryEntry): number => (a.entry < b.entry ? -1 : 1)

const isHidden = ({ entry }: DirectoryEntry): boolean => entry.startsWith(".")

/** `Disk.list`, with both parts sorted by name. */
export const listOf =
  (entries: (path: string) => Effect.Effect<ReadonlyArray<DirectoryEntry>, DiskError>) =>
  (path: string): Effect.Effect<Listing, DiskError> =>
    Effect.map(entries(path), (found) => {
      const sorted = found.toSorted(byName)
      return { hidden: sorted.filter(isHidden), visible: Stream.fromIterable(sorted.filter((name) => !isHidden(name))) }
    })

interface Calls {
  readonly lstat: (path: string) => Effect.Effect<Stat, DiskError>
  readonly read: (
    path: string,
    limit: number
  ) => Effect.Effect<{ readonly stat: Stat; readonly bytes: Uint8Array }, DiskError>
}

const textOf = (bytes: Uint8Array): string => {
  const characters: Array<string> = []
  for (const byte of bytes) characters.push(String.fromCharCode(byte))
  return characters.join("")
}

const peek = (disk: Calls, path: string, file: string, limit: number): Effect.Effect<Peek | undefined> =>
  Effect.orElseSucceed(
    Effect.flatMap(disk.lstat(path), (directory) =>
      directory.type === "directory"
        ? Effect.map(disk.read(`${path}/${file}`, limit + 1), ({ bytes, stat }) =>
            bytes.length > limit
              ? undefined
              : { directory, file: stat, modifiedAt: stat.modifiedAt, content: textOf(bytes) }
          )
        : Effect.undefined
    ),
    () => undefined
  )

export const peekManyBy =
  (disk: Calls) => (root: string, directories: ReadonlyArray<string>, file: string, limit: number) =>
    Effect.forEach(directories, (directory) => peek(disk, `${root}/${directory}`, file, limit), { concurrency: 16 })
