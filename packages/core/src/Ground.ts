/**
 * The owner and the file system of a root, and whether the root can be changed.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { DirectoryFrame } from "./DirectoryFrame.ts"
import { Disk, type Permissions, type Room } from "./Disk.ts"
import type { RootError } from "./Errors.ts"
import { mapLookError } from "./internal/store/diskErrors.ts"
import type { Root } from "./Root.ts"

/**
 * Facts about a root: its owner, its file system, and whether it can be changed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ground {
  readonly permissions: Permissions
  readonly frame: DirectoryFrame
  readonly room: Room
  /** Mount points below the root. A sweep keeps each directory that is or contains one. */
  readonly mounts: ReadonlyArray<string>
}

/**
 * Reads the {@link Ground} of a root. Makes no entry in the root, and reads none of its entries.
 *
 * **Example** (Looking at the ground of a root)
 *
 * ```ts
 * import * as Ground from "@vm-sentinel/core/Ground"
 * import { SentinelStore } from "@vm-sentinel/core/SentinelStore"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   yield* Simulation.seed({ "/srv/vms/vm/disk": "" })
 *   const root = yield* SentinelStore.use((store) => store.openRoot("/srv/vms"))
 *   const { frame, room } = yield* Ground.of(root)
 *   assert.deepStrictEqual([frame.fileSystem?.type, room.refusal], ["xfs", undefined])
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layerWith({ fileSystem: "xfs" })))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const of: (root: Root) => Effect.Effect<Ground, RootError, Disk> = Effect.fn("Ground.of")(function* ({ path }) {
  const disk = yield* Disk
  const [{ gid, mode, nlink, type, uid }, frame, room, mounts] = yield* mapLookError("look at root")(
    Effect.all([disk.lstat(path), disk.frame(path), disk.room(path), disk.mountsBelow(path)])
  )
  const below = mounts.filter((mount) => mount.path !== path)
  return { permissions: { type, mode, uid, gid, nlink }, frame, room, mounts: below.map((mount) => mount.path) }
})
