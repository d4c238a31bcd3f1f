/** Moves the old record of a sentinel file aside, and back. */
import * as Effect from "effect/Effect"
import { Condemned } from "../../Condemned.ts"
import type { Disk } from "../../Disk.ts"
import { AlreadyOwned, Changed } from "../../Errors.ts"
import { sameFile } from "../../FileId.ts"
import { type DirectoryState, sameSentinel, type SentinelFile } from "../../DirectoryState.ts"
import * as Sentinel from "../../Sentinel.ts"
import * as SentinelName from "../../SentinelName.ts"
import { onErrno, unlessDone } from "../disk/recovery.ts"
import { contenders, contendersLayout } from "./contenders.ts"
import { mapLookError } from "./diskErrors.ts"
import type { Lookup } from "./lookup.ts"

// Errnos of `link(2)` after which a rename is tried. FAT and some FUSE file systems have no hard links.
const noHardLinks = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EXDEV"]
// A full file system may have no room for a second name of a file.
const noSecondName = [...noHardLinks, "ENOSPC", "EDQUOT"]

/** Records that give way to a new one. */
export interface OldRecords {
  /** Path of the record that was moved aside. `undefined`: there was none under the name. */
  readonly aside: string | undefined
  /** Paths of the records that earlier writers had moved aside. */
  readonly earlier: ReadonlyArray<string>
  /** The owner of `aside` is provably gone. */
  readonly isOver: boolean
}

export const nothingOld = (): Effect.Effect<OldRecords> =>
  Effect.succeed({ aside: undefined, earlier: [], isOver: false })

export const make = (disk: Disk["Service"], lookup: Lookup) => {
  const linkOrRename = (from: string, to: string, errnos: ReadonlyArray<string> = noHardLinks) =>
    disk.link(from, to).pipe(onErrno(errnos, () => disk.renameNew(from, to)))

  /**
   * Renames a record back. EEXIST: another record was published. The old one then stays under its other name, and still
   * counts.
   */
  const putBack = (aside: string, path: string) =>
    Effect.andThen(linkOrRename(aside, path, noSecondName), onErrno(["ENOENT"], () => Effect.void)(disk.unlink(aside)))

  /**
   * Whether the file at `path` is `file`, under whichever name. Many file systems reuse an inode number at once, so the
   * birth time and the bytes must be equal, too.
   */
  const isStill = (path: string, file: SentinelFile) =>
    Effect.map(disk.read(path, Sentinel.maxBytes), ({ bytes, stat }) => {
      const { entry, id, size, writtenAt } = file
      const now = { entry, id: stat.id, size: stat.size, writtenAt: stat.modifiedAt, bytes: file.bytes && bytes }
      const isReborn = stat.birth !== undefined && file.birth !== undefined && stat.birth !== file.birth
      return !isReborn && sameSentinel(now, { entry, id, size, writtenAt, bytes: file.bytes })
    })

  /**
   * Whether `found` may be the file that the writer published as `own`. A file that no sweep believes was found without
   * its bytes. `isStill` reads them.
   */
  const mayBe = (found: SentinelFile, own: SentinelFile): boolean =>
    found.bytes === undefined ? found.entry === own.entry && sameFile(found.id, own.id) : sameSentinel(found, own)

  /** The first change since the judgement, or since the writer wrote its own file. `undefined`: no change. */
  const changeOf = (replacing: Condemned | SentinelFile, before: DirectoryState): string | undefined => {
    if (Condemned.is(replacing)) return replacing.difference(before)
    const [file, ...others] = before.sentinels
    if (file === undefined || !mayBe(file, replacing)) return `${replacing.entry} is another file`
    return others.length === 0 ? undefined : "another record waits to take its place"
  }

  /**
   * Renames the sentinel under `entry`, if there is one, to the name of {@link asideOf}. Only one of several writers
   * succeeds. If that writer is killed, the directory still has a record of its owner. A sentinel that isn't the judged
   * one is renamed back. Returns the paths of all records that may be unlinked after the new sentinel has appeared.
   */
  const takeAside = Effect.fnUntraced(function* (
    directory: string,
    entry: string,
    replacing: Condemned | SentinelFile,
    tag: string
  ) {
    const before = contenders(yield* lookup.lookAsOwner(directory, contendersLayout(entry)), entry)
    const problem = changeOf(replacing, before)
    if (problem !== undefined) return yield* new Changed({ path: directory, problem })
    const earlier = before.sentinels.filter((file) => file.entry !== entry).map((file) => `${directory}/${file.entry}`)
    const found = before.sentinels.find((file) => file.entry === entry)
    if (found === undefined) return { aside: undefined, earlier, isOver: Condemned.is(replacing) }
    const judged = Condemned.is(replacing) ? found : replacing
    const path = `${directory}/${entry}`
    const aside = `${directory}/${SentinelName.asideOf(entry, tag)}`
    const vanished = () => new Changed({ path: directory, problem: `${entry} went away` })
    const isMoved = isStill(aside, judged)
    yield* disk.rename(path, aside).pipe(unlessDone(isMoved), mapLookError("write sentinel", { ENOENT: vanished }))
    if (yield* Effect.orElseSucceed(isMoved, () => false)) return { aside, earlier, isOver: Condemned.is(replacing) }
    yield* Effect.ignore(putBack(aside, path))
    return yield* new AlreadyOwned({ path: directory, verdict: "unknown", reason: "raced" })
  })

  return { linkOrRename, putBack, takeAside }
}
