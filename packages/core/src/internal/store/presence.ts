/** Whether a directory that a sweep removes is still at its path. */
import * as Effect from "effect/Effect"
import { type Disk, DiskError } from "../../Disk.ts"
import { type FileId, sameFile } from "../../FileId.ts"
import { onErrno } from "../disk/recovery.ts"
import { parentOf } from "../paths.ts"

type Looking = Pick<Disk["Service"], "lstat">

/** Fails with ESTALE if the path names another file. */
export const requireSame = ({ lstat }: Looking, path: string, expected: FileId): Effect.Effect<void, DiskError> =>
  Effect.flatMap(lstat(path), ({ id }) =>
    sameFile(id, expected) ? Effect.void : Effect.fail(new DiskError({ errno: "ESTALE", operation: "mark", path }))
  )

/** `true`: the path is missing and its parent exists. Without the parent, a directory above may have been renamed. */
export const hasGone = ({ lstat }: Looking, path: string): Effect.Effect<boolean> =>
  lstat(path).pipe(
    Effect.as(false),
    onErrno(["ENOENT"], () => Effect.as(lstat(parentOf(path)), true)),
    Effect.orElseSucceed(() => false)
  )
