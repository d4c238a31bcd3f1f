/** The mark of a directory that a sweep deletes where it lies. */
import * as Effect from "effect/Effect"
import type { Disk, DiskError } from "../../Disk.ts"
import * as SentinelName from "../../SentinelName.ts"
import { onErrno } from "../disk/recovery.ts"

/**
 * Whether a sweep has begun to delete the directory in place, without a rename. That sweep may have been killed since.
 */
export const isBeingRemoved = (
  { lstat }: Pick<Disk["Service"], "lstat">,
  directory: string
): Effect.Effect<boolean, DiskError> =>
  lstat(`${directory}/${SentinelName.removingName}`).pipe(
    Effect.as(true),
    onErrno(["ENOENT", "ENOTDIR"], () => Effect.succeed(false))
  )
