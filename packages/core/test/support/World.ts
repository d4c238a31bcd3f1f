import type { Effect, Scope } from "effect"
import type { Able } from "./able.ts"

/** Something a world makes. What it made ends with the scope of the test. */
export type Making<A, R> = Effect.Effect<A, unknown, R | Scope.Scope>

/**
 * The ways of making what a `Disk` under test then finds, without using that Disk. All paths are absolute. What a world
 * can't make isn't tested in it; what it could make elsewhere shows as skipped, with the reason.
 */
export interface World<R = never> {
  /** An empty directory, mode 0700, of the Disk's own user; its path is real. */
  readonly scratch: Making<string, R>
  /** Mode 0700 unless given. */
  readonly directory: (path: string, mode?: number) => Making<void, R>
  /** A new file, mode 0600 unless given, or other content in the file that is there. */
  readonly file: (path: string, content: string | Uint8Array, mode?: number) => Making<void, R>
  readonly symlink: (path: string, target: string) => Making<void, R>
  readonly hardLink: (path: string, existing: string) => Making<void, R>
  readonly fifo: (path: string) => Making<void, R>
  readonly socket: (path: string) => Making<void, R>
  /** A file of `size` bytes that takes no space. */
  readonly sparse: (path: string, size: number) => Making<void, R>
  readonly move: (from: string, to: string) => Making<void, R>
  /** Removes what lies at and below a path. */
  readonly remove: (path: string) => Making<void, R>
  readonly setMode: (path: string, mode: number) => Making<void, R>
  /** Sets the modification time, milliseconds since the epoch. */
  readonly setTime: (path: string, modifiedAt: number) => Making<void, R>
  /** What lies below a directory, by relative path: the text of a file, `-> target`, or another type's name. */
  readonly tree: (path: string) => Making<Readonly<Record<string, string>>, R>

  /** A character device. */
  readonly device?: Able<(path: string) => Making<void, R>>
  readonly setOwner?: Able<(path: string, uid: number) => Making<void, R>>
  /** What a mode of 0 keeps the Disk's user from reading. */
  readonly permissions: Able<true> | false
  /** A directory with a file in it, `kept`, that the Disk's user can't remove. */
  readonly stubborn?: Able<(path: string) => Making<void, R>>
  /** Mounts a directory on another one of the same device. */
  readonly bindMount?: Able<(source: string, target: string) => Making<void, R>>
  /** What `bindMount` mounts is a copy on a device of its own: there are no bind mounts (macOS). */
  readonly mountsCopies?: true
  /** Shows a directory under another one by a file system of its own, as overlayfs does. */
  readonly otherView?: Able<(source: string, target: string) => Making<void, R>>
  /** `cp -a`. */
  readonly copy?: Able<(from: string, to: string) => Making<void, R>>
  /** A directory on a file system that isn't one of this machine alone. */
  readonly remote?: Able<Making<string, R>>
  /** A file whose name is these bytes. */
  readonly rawFile?: Able<(directory: string, name: Uint8Array, content: string) => Making<void, R>>
}
