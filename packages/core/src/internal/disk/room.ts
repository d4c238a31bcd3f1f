/** `Disk.room` by the owner and the mode of a directory. */
import * as Effect from "effect/Effect"
import { DiskError, type Permissions, type Principal, type Room, type Stat } from "../../DiskModel.ts"

interface Calls {
  readonly lstat: (path: string) => Effect.Effect<Stat, DiskError>
  readonly principal: Effect.Effect<Principal>
}

/** Permission to write and to search, of the owner, of the group and of all others. */
const [owner, group, others] = [0o300, 0o030, 0o003]

const refusalOf = ({ mode, uid }: Permissions, principal: Principal): string | undefined => {
  if (principal.uid === 0 || principal.uid === undefined || uid === undefined) return undefined
  // The groups of the process aren't known here, so the permission of the group or of all others suffices.
  const granting = uid === principal.uid ? [owner] : [group, others]
  return granting.some((bits) => (mode & bits) === bits) ? undefined : "EACCES"
}

/** Reports whether the mode refuses a change, but no free space. */
export const roomByMode =
  ({ lstat, principal }: Calls) =>
  (path: string): Effect.Effect<Room, DiskError> =>
    Effect.flatMap(lstat(path), (stat) =>
      stat.type === "directory"
        ? Effect.map(principal, (caller) => ({ refusal: refusalOf(stat, caller), bytes: undefined, files: undefined }))
        : Effect.fail(new DiskError({ errno: "ENOTDIR", operation: "room", path }))
    )
