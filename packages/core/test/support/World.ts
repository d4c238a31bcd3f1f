import type { Effect, Scope } from "effect"
import type { Able } from "./able.ts"

/** Makes something that ends with the scope of the test. */
export type Making<A, R> = Effect.Effect<A, unknown, R | Scope.Scope>

/**
 * Makes files without the Disk under test. All paths are absolute. An ability that is `undefined` isn't tested. An
 * ability that is `Missing` shows as a skipped test with the reason.
 */
export interface World<R = never> {
  /** An empty directory of the Disk's own user, mode 0700. Its path has no symbolic links. */
  readonly scratch: Making<string, R>
  /** Default mode: 0700. */
  readonly directory: (path: string, mode?: number) => Making<void, R>
  /** Makes a file, default mode 0600, or replaces the content of an existing one. */
  readonly file: (path: string, content: string | Uint8Array, mode?: number) => Making<void, R>
  readonly symlink: (path: string, target: string) => Making<void, R>
  readonly hardLink: (path: string, existing: string) => Making<void, R>
  readonly fifo: (path: string) => Making<void, R>
  readonly socket: (path: string) => Making<void, R>
  /** A file of `size` bytes without blocks. */
  readonly sparse: (path: string, size: number) => Making<void, R>
  readonly move: (from: string, to: string) => Making<void, R>
  /** Removes the entry at a path and everything below. */
  readonly remove: (path: string) => Making<void, R>
  readonly setMode: (path: string, mode: number) => Making<void, R>
  /** Sets the modification time, milliseconds since the epoch. */
  readonly setTime: (path: string, modifiedAt: number) => Making<void, R>
  /**
   * Everything below a directory by relative path: the text of a file, `-> TARGET` of a symbolic link, or the name of
   * another type.
   */
  readonly tree: (path: string) => Making<Readonly<Record<string, string>>, R>

  /** A character device. */
  readonly device?: Able<(path: string) => Making<void, R>>
  readonly setOwner?: Able<(path: string, uid: number) => Making<void, R>>
  /** Whether mode 0 keeps the Disk's user from reading a file. */
  readonly permissions: Able<true> | false
  /** A `scratch` of an ordinary user, who makes the Disk's calls, and those of this world, until the scope ends. */
  readonly ordinary: Able<Making<string, R>>
  /** A directory with a file `kept` that the Disk's user can't remove. */
  readonly stubborn?: Able<(path: string) => Making<void, R>>
  /** Keeps everybody from removing a file, until the scope ends. */
  readonly frozen?: Able<(path: string) => Making<void, R>>
  /** Bind-mounts a directory on another one. Both are on one device. */
  readonly bindMount?: Able<(source: string, target: string) => Making<void, R>>
  /** Mounts a file system that doesn't answer. Each call on it waits until the file system is unmounted. */
  readonly hungMount?: Able<(target: string) => Making<void, R>>
  /** `bindMount` mounts a copy on a device of its own, because the platform has no bind mounts (macOS). */
  readonly mountsCopies?: true
  /** Shows a directory under another one through a second file system, such as overlayfs. */
  readonly otherView?: Able<(source: string, target: string) => Making<void, R>>
  /** Copies a directory like `cp -a`. */
  readonly copy?: Able<(from: string, to: string) => Making<void, R>>
  /** A directory on a file system that other machines may mount too. */
  readonly remote?: Able<Making<string, R>>
  /** A file whose name consists of these bytes. */
  readonly rawFile?: Able<(directory: string, name: Uint8Array, content: string) => Making<void, R>>
}
