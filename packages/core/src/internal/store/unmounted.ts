/**
 * Checks that nothing is mounted. A mounted file system may not answer, and isn't part of the directory that is
 * removed.
 */
import * as Effect from "effect/Effect"
import type { Disk } from "../../Disk.ts"
import { MountInside, type PermissionDenied, type StoreFailure, Taken } from "../../Errors.ts"
import { mapStoreError } from "./diskErrors.ts"

const operation = "look for mounts"

/** Requires that nothing is mounted at or below a directory. `origin`: the directory's path in its root. */
export const requireNoMount = (
  disk: Pick<Disk["Service"], "mountInside">,
  path: string,
  origin: string = path
): Effect.Effect<void, Taken | MountInside | PermissionDenied | StoreFailure> =>
  disk.mountInside(path).pipe(
    mapStoreError(operation, { ENOENT: () => new Taken({ path: origin }) }),
    Effect.flatMap((mount) =>
      mount === undefined ? Effect.void : Effect.fail(new MountInside({ path: origin, mount }))
    )
  )

/** Requires that a directory isn't a mount point. Reads only the mount table, and doesn't open the directory. */
export const requireNoMountPoint = (
  disk: Pick<Disk["Service"], "mountsBelow">,
  path: string
): Effect.Effect<void, MountInside | PermissionDenied | StoreFailure> =>
  Effect.flatMap(mapStoreError(operation)(disk.mountsBelow(path)), (mounts) => {
    const own = mounts.find((mount) => mount.path === path)
    return own === undefined ? Effect.void : Effect.fail(new MountInside({ path, mount: own.mountPoint }))
  })

/** Whether nothing is mounted below a directory. `false` if the mount table can't be read. */
export const isUnmountedBelow = (disk: Pick<Disk["Service"], "mountsBelow">, path: string): Effect.Effect<boolean> =>
  disk.mountsBelow(path).pipe(
    Effect.map((mounts) => mounts.every((mount) => mount.path === path)),
    Effect.orElseSucceed(() => false)
  )
