/**
 * What one directory holds: the sentinels in it, read once, with enough to know them again.
 *
 * @since 0.1.0
 */
import type * as Result from "effect/Result"
import type { DirectoryFrame } from "./DirectoryFrame.ts"
import type { PermissionDenied, SentinelError, StoreFailure } from "./Errors.ts"
import { type FileId, sameFile } from "./FileId.ts"
import type { Sentinel } from "./Sentinel.ts"

/**
 * One sentinel file as it was read.
 *
 * @category models
 * @since 0.1.0
 */
export interface SentinelFile {
  /** File name inside the directory. */
  readonly entry: string
  readonly id: FileId
  /** When the file was made, nanoseconds since the epoch, in decimal digits. */
  readonly birth?: string
  /** Bytes. */
  readonly size: number
  /** Modification time, milliseconds since the epoch. */
  readonly writtenAt: number
  /** The later of mtime and ctime, milliseconds since the epoch. */
  readonly changedAt: number
  /** `undefined`: refused before it was read. */
  readonly bytes: Uint8Array | undefined
  readonly content: Result.Result<Sentinel, SentinelError | PermissionDenied | StoreFailure>
}

/**
 * A directory and its sentinels, the base name first.
 *
 * @category models
 * @since 0.1.0
 */
export interface DirectoryState {
  readonly path: string
  readonly id: FileId
  readonly frame: DirectoryFrame
  /** Why nothing in it is believed; `undefined` where it is. */
  readonly distrust: string | undefined
  /** `none`: nothing below the first level. */
  readonly subdirectories: "none" | "some"
  readonly sentinels: ReadonlyArray<SentinelFile>
  /** Names of sentinels of owners that the caller doesn't read. */
  readonly foreign: ReadonlyArray<string>
}

/**
 * What of a sentinel file tells whether it is still the same.
 *
 * @category models
 * @since 0.1.0
 */
export type FileFingerprint = Omit<SentinelFile, "content" | "changedAt" | "birth">

/**
 * What of a directory tells whether it is still as it was judged.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fingerprint extends Omit<DirectoryState, "sentinels" | "frame" | "distrust" | "subdirectories"> {
  readonly sentinels: ReadonlyArray<FileFingerprint>
}

/**
 * The primary sentinel of one directory, already trusted: enough to keep the directory, nothing to condemn it by.
 *
 * @category models
 * @since 0.1.0
 */
export interface TrustedPeek {
  /** Each byte of the file as one character, U+0000 to U+00FF. */
  readonly content: string
  /** Modification time, milliseconds since the epoch. */
  readonly writtenAt: number
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false
  return true
}

/**
 * Whether a file is still the one that was read. An inode number alone is reused at once on many file systems, and
 * bytes alone can be written twice: both must be equal. A file that was refused unread is known by its size and time.
 *
 * @category comparing
 * @since 0.1.0
 */
export const sameSentinel = (a: FileFingerprint, b: FileFingerprint): boolean =>
  a.entry === b.entry &&
  sameFile(a.id, b.id) &&
  (a.bytes !== undefined && b.bytes !== undefined
    ? sameBytes(a.bytes, b.bytes)
    : a.bytes === b.bytes && a.size === b.size && a.writtenAt === b.writtenAt)

/**
 * A short name of one sentinel file, 8 hexadecimal digits: FNV-1a of its inode and its bytes. Tells a file that was judged from
 * one that came later, not from one that was made to look like it.
 *
 * @category comparing
 * @since 0.1.0
 */
export const tagOf = ({ bytes = new Uint8Array(), id }: Pick<FileFingerprint, "bytes" | "id">): string => {
  let hash = 0x811c9dc5
  for (let index = 0; index < id.ino.length; index++) hash = Math.imul(hash ^ id.ino.charCodeAt(index), 0x01000193)
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
  return (hash >>> 0).toString(16).padStart(8, "0")
}

/**
 * What differs between a directory as it was judged and as it is now; `undefined` where nothing that was judged does.
 * The path is left out: a claim moves the directory.
 *
 * @category comparing
 * @since 0.1.0
 */
export const difference = (judged: Fingerprint, now: Fingerprint): string | undefined => {
  if (!sameFile(judged.id, now.id)) return "it is another directory"
  if (judged.sentinels.length !== now.sentinels.length) return "a sentinel appeared or went away"
  const changed = judged.sentinels.find((file, index) => {
    const other = now.sentinels[index]
    return other === undefined || !sameSentinel(file, other)
  })
  if (changed !== undefined) return `${changed.entry} is another file or has other content`
  const foreign = now.foreign.find((entry) => !judged.foreign.includes(entry))
  return foreign === undefined ? undefined : `${foreign} appeared`
}
