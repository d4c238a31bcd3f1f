/**
 * A directory of VM directories, and the entries in it.
 *
 * @since 0.1.0
 */
import type * as Stream from "effect/Stream"
import type { Principal } from "./DiskModel.ts"
import type { RootError } from "./Errors.ts"
import type { FileId } from "./FileId.ts"

/**
 * A directory of VM directories that may be swept.
 *
 * @category models
 * @since 0.1.0
 */
export interface Root {
  /** Absolute and real. */
  readonly path: string
  readonly id: FileId
  /** The process that opened it. */
  readonly principal: Principal
}

/**
 * A directory in a root. `directory`: a VM's. The other kinds are a sweep's own: a `workspace`, one that is being made (`staged`), and
 * a VM's directory that a sweep `claimed` or marked `dead` in place.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  readonly kind: "directory" | "workspace" | "staged" | "claimed" | "dead"
  readonly entry: string
  readonly path: string
}

/**
 * The real directories in a root.
 *
 * @category models
 * @since 0.1.0
 */
export interface Listing {
  /** Directories that killed sweeps left, in the order in which they are taken up: workspaces last. */
  readonly leftovers: ReadonlyArray<Entry>
  /** All others, in chunks of at most 256, in the order of the disk. */
  readonly directories: Stream.Stream<Entry, RootError>
}
