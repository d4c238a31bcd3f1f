/**
 * The sentinels of one directory, read once, and the comparisons that show whether the directory has changed since.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import type { DirectoryFrame } from "./DirectoryFrame.ts"
import type { Distrust, PermissionDenied, SentinelError, StoreFailure } from "./Errors.ts"
import type { Peek } from "./DiskModel.ts"
import { type FileId, sameFile } from "./FileId.ts"
import { sameBytes } from "./internal/sentinel/bytes.ts"
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
  /** Birth time of the file, nanoseconds since the epoch, in decimal digits. */
  readonly birth?: string
  /** Size in bytes. */
  readonly size: number
  /** Modification time, milliseconds since the epoch. */
  readonly writtenAt: number
  /** The later of mtime and ctime, milliseconds since the epoch. */
  readonly changedAt: number
  /** Content of the file. `undefined`: the file is untrusted, too large or unreadable. */
  readonly bytes: Uint8Array | undefined
  /** The parsed record, or the reason why there is none. */
  readonly content: Result.Result<Sentinel, SentinelError | PermissionDenied | StoreFailure>
}

/**
 * A sentinel file that its writer has just published and read back.
 *
 * @category models
 * @since 0.1.0
 */
export interface PublishedFile extends SentinelFile {
  /** The record. Never a failure. */
  readonly content: Result.Result<Sentinel, never>
}

/**
 * A directory and its sentinels, as they were read.
 *
 * @category models
 * @since 0.1.0
 */
export interface DirectoryState {
  readonly path: string
  readonly id: FileId
  readonly frame: DirectoryFrame
  /** Why nothing in the directory is trusted. `undefined`: the directory is trusted. */
  readonly distrust: Distrust | undefined
  /** `none`: the directory provably has no subdirectory. `some`: it may have one. */
  readonly subdirectories: "none" | "some"
  /** The sentinels, sorted by name. A base name comes before the files of its roles. */
  readonly sentinels: ReadonlyArray<SentinelFile>
  /**
   * Names of sentinels that the library knows and the caller's `Layout` lacks. Also go-microvm's state file, if the
   * directory has a sentinel.
   */
  readonly foreign: ReadonlyArray<string>
  /**
   * Maximum number of sentinels, present if the directory has more, or if it is distrusted and has a sentinel among at
   * least 10 000 names. `sentinels` and `foreign` are then empty.
   */
  readonly crowded?: number
  /** Mount point of a mount below the directory. Missing if there is none, or if the caller didn't ask for mounts. */
  readonly mount?: string
}

/**
 * Nonce of a v3 sentinel. `undefined`: the file has none, or couldn't be read.
 *
 * @category getters
 * @since 0.1.0
 */
export const nonceOf = ({ content }: Pick<SentinelFile, "content">): string | undefined =>
  Result.isSuccess(content) && content.success._tag === "V3" ? content.success.record.nonce : undefined

/**
 * The data of a sentinel file that {@link sameSentinel} compares.
 *
 * @category models
 * @since 0.1.0
 */
export type FileFingerprint = Omit<SentinelFile, "content" | "changedAt" | "birth">

/**
 * The data of a directory that {@link difference} compares.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fingerprint extends Omit<
  DirectoryState,
  "sentinels" | "frame" | "distrust" | "subdirectories" | "crowded" | "mount"
> {
  readonly sentinels: ReadonlyArray<FileFingerprint>
}

/**
 * Content of a directory's primary sentinel, which has passed the checks of `Trust`. A peek suffices to keep the
 * directory, never to condemn it.
 *
 * @category models
 * @since 0.1.0
 */
export type TrustedPeek = Pick<Peek, "content" | "modifiedAt">

/**
 * Whether a sentinel file is still the one that was read. Name, device, inode and bytes must be equal. The inode alone
 * isn't enough, because many file systems reuse an inode number at once. The bytes alone aren't enough, because two
 * files can have equal bytes. A file that was refused unread is compared by size and modification time instead of
 * bytes.
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
 * A short name of one sentinel file, 8 hexadecimal digits: FNV-1a of its inode and its bytes. Distinguishes a judged
 * file from a later one, but not from a forged one.
 *
 * @category comparing
 * @since 0.1.0
 */
export const tagOf = ({ bytes = new Uint8Array(), id }: Pick<FileFingerprint, "bytes" | "id">): string => {
  let hash = 0x811c9dc5
  for (let index = 0; index < id.ino.length; index++) hash = Math.imul(hash ^ id.ino.charCodeAt(index), 0x01000193)
  for (let index = 0; index < bytes.length; index++) hash = Math.imul(hash ^ (bytes[index] ?? 0), 0x01000193)
  return (hash >>> 0).toString(16).padStart(8, "0")
}

/**
 * Describes the first difference between a directory as it was judged and as it is now. `undefined`: there is none.
 * Ignores the path, because a claim moves the directory. Ignores foreign files that were removed. A sentinel that was
 * written again is a difference, even with equal bytes: a new owner may have the PID of the judged one, and a v1 or v2
 * record then has the same bytes.
 *
 * @category comparing
 * @since 0.1.0
 */
export const difference = (judged: Fingerprint, now: Fingerprint): string | undefined => {
  if (!sameFile(judged.id, now.id)) return "it is another directory"
  if (judged.sentinels.length !== now.sentinels.length) return "a sentinel appeared or went away"
  const changed = judged.sentinels.find((file, index) => {
    const other = now.sentinels[index]
    return other === undefined || !sameSentinel(file, other) || file.writtenAt !== other.writtenAt
  })
  if (changed !== undefined) return `${changed.entry} is another file, has other content or was written again`
  const foreign = now.foreign.find((entry) => !judged.foreign.includes(entry))
  return foreign === undefined ? undefined : `${foreign} appeared`
}
