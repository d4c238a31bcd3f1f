/** Records that are bound to the directory in which they lie. */
import * as Result from "effect/Result"
import { compareDirectories, type DirectoryFrame, fileToken } from "../../DirectoryFrame.ts"
import type { ScannedFile } from "../../DiskModel.ts"
import * as Sentinel from "../../Sentinel.ts"

/**
 * Whether a record names its directory and its file. Such a file may have more hard links, which a backup by `cp -al`
 * makes.
 */
export const isBound = (frame: DirectoryFrame, { bytes, stat }: ScannedFile): boolean => {
  if (bytes === undefined) return false
  const parsed = Sentinel.parse(bytes)
  if (Result.isFailure(parsed) || parsed.success._tag !== "V3") return false
  // The boot matters only on Darwin. An unknown boot gives the strictest comparison.
  return compareDirectories(parsed.success.record.directory, frame, fileToken(stat), "unknown") === "bound"
}
