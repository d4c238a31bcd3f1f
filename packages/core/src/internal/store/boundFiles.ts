/** Records that are bound to the directory in which they lie. */
import * as Result from "effect/Result"
import { compareDirectories, type DirectoryFrame, fileToken } from "../../DirectoryFrame.ts"
import type { ScannedFile } from "../../DiskModel.ts"
import * as Sentinel from "../../Sentinel.ts"

/**
 * Whether a record names this very directory and this very file. The other names of such a file don't matter. A backup
 * by hard links (`cp -al`) gives every file a second name.
 */
export const isBound = (frame: DirectoryFrame, { bytes, stat }: ScannedFile): boolean => {
  if (bytes === undefined) return false
  const parsed = Sentinel.parse(bytes)
  if (Result.isFailure(parsed) || parsed.success._tag !== "V3") return false
  // The boot matters only on Darwin. An unknown boot gives the strictest comparison.
  return compareDirectories(parsed.success.record.directory, frame, fileToken(stat), "unknown") === "bound"
}
