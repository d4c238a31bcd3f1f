/** Synchronous `node:fs` calls as Effects that fail with the errno. */
import { DiskError, type FileType, type Stat } from "@vm-sentinel/core/Disk"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { BigIntStats } from "node:fs"
import * as Util from "node:util"

/** The errno name in what `node:fs` threw. */
export const errnoOf = (cause: unknown): string =>
  Predicate.hasProperty(cause, "code") && Predicate.isString(cause.code) ? cause.code : "EUNKNOWN"

/** The name of a positive errno number. */
export const errnoName = (errno: number): string => Util.getSystemErrorName(-errno)

export const failed = (operation: string, path: string, cause: unknown): DiskError =>
  new DiskError({ errno: errnoOf(cause), operation, path, cause })

export const attempt = <A>(operation: string, path: string, call: () => A): Effect.Effect<A, DiskError> =>
  Effect.try({ try: call, catch: (cause) => failed(operation, path, cause) })

const typeOf = (stats: BigIntStats): FileType => {
  if (stats.isFile()) return "file"
  if (stats.isDirectory()) return "directory"
  if (stats.isSymbolicLink()) return "symlink"
  if (stats.isFIFO()) return "fifo"
  if (stats.isSocket()) return "socket"
  return stats.isBlockDevice() || stats.isCharacterDevice() ? "device" : "unknown"
}

export const toStat = (stats: BigIntStats): Stat => ({
  type: typeOf(stats),
  id: { dev: stats.dev.toString(), ino: stats.ino.toString() },
  size: Number(stats.size),
  mode: Number(stats.mode) & 0o7777,
  uid: Number(stats.uid),
  gid: Number(stats.gid),
  nlink: Number(stats.nlink),
  modifiedAt: Number(stats.mtimeMs)
})
