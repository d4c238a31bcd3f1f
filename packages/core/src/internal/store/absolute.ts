/** Makes paths absolute. */
import * as Effect from "effect/Effect"
import type { Disk } from "../../Disk.ts"
import type { NotFound, PermissionDenied, StoreFailure } from "../../Errors.ts"
import { parentOf, splitAscent } from "../paths.ts"
import { mapLookError, mapStoreError } from "./diskErrors.ts"

/**
 * Makes a path absolute. `LINK/..` is the directory above the target of the link, as for the kernel. `resolve` would take
 * it for the directory of the link.
 */
export const absolute = (
  disk: Pick<Disk["Service"], "realPath" | "resolve">,
  path: string
): Effect.Effect<string, NotFound | PermissionDenied | StoreFailure> => {
  const resolve = (path: string) => mapStoreError("read working directory")(disk.resolve(path))
  const ascent = splitAscent(path)
  if (ascent === undefined) return resolve(path)
  const { below, rest } = ascent
  // The path of the working directory has no symbolic link.
  if (below === "") return resolve(path)
  return absolute(disk, below).pipe(
    Effect.flatMap((below) => mapLookError("resolve")(disk.realPath(below))),
    Effect.flatMap((real) => resolve(`${parentOf(real)}/${rest}`))
  )
}
