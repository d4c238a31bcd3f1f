/**
 * A root, which is a directory of VM directories, and the entries in it.
 *
 * @since 0.1.0
 */
import type * as Stream from "effect/Stream"
import type { Principal } from "./DiskModel.ts"
import type { RootError } from "./Errors.ts"
import type { FileId } from "./FileId.ts"

/**
 * A directory of VM directories that passed the checks of `SentinelStore.openRoot` and may be swept.
 *
 * @category models
 * @since 0.1.0
 */
export interface Root {
  /** Absolute, without symbolic links: `realpath(3)`. */
  readonly path: string
  readonly id: FileId
  /** The process that opened the root. */
  readonly principal: Principal
}

/**
 * A directory in a root, classified by its name. `workspace`: a sweep's own directory. `staged`: a directory that is
 * being made, or was never finished. `claimed`, `dead`: a directory that a sweep claimed or marked by a rename within
 * the root. `directory`: every other one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  readonly kind: "directory" | "workspace" | "staged" | "claimed" | "dead"
  /** File name in the root. */
  readonly entry: string
  readonly path: string
}

/**
 * The directories in a root. Symbolic links and other files are left out.
 *
 * @category models
 * @since 0.1.0
 */
export interface Listing {
  /** Directories of every kind but `directory`, in the order in which a sweep resumes them, workspaces last. */
  readonly leftovers: ReadonlyArray<Entry>
  /** All other directories, in chunks of at most 512, in the order of `Disk.list`. */
  readonly directories: Stream.Stream<Entry, RootError>
}
