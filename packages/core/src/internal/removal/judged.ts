/** Which sentinels of a directory its removal may unlink. */
import type { JudgedSentinel, Stat } from "../../DiskModel.ts"
import { sameFile } from "../../FileId.ts"

/**
 * Whether a sentinel is one that was judged, and wasn't written to since. The ctime isn't compared: the unlink of
 * another hard link changes it.
 */
export const isJudged = (
  judged: ReadonlyArray<JudgedSentinel>,
  entry: string,
  { id, modifiedAt, size }: Pick<Stat, "id" | "size" | "modifiedAt">
): boolean =>
  judged.some(
    ({ entry: name, file }) =>
      name === entry &&
      (file === undefined || (sameFile(file.id, id) && file.size === size && file.modifiedAt === modifiedAt))
  )
