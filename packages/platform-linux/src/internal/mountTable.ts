/**
 * The table of `/proc/self/mountinfo`, kept in memory to save reads. The file stays open, because `poll(2)` reports on
 * its descriptor whether anything was mounted or unmounted since the last read (`proc_pid_mounts(5)`).
 */
import { coded } from "@vm-sentinel/core/Errno"
import * as Mounts from "@vm-sentinel/core/Mounts"
import type { Clock } from "effect/Clock"
import * as Fs from "node:fs"
import { decodeName } from "./bytePath.ts"
import { close } from "./closing.ts"
import type { Libc } from "./libc.ts"

export interface MountTable {
  /**
   * The mount point of a mount at or below a real path. `undefined`: there is none. The answer knows each mount and
   * unmount. It may be up to 1 s old for a mount whose directory another process moved, because the kernel doesn't
   * report that.
   */
  readonly inside: (path: string) => string | undefined
  /**
   * All mounts at and below a real path. The answer may be 1 ms old, and after a move by another process up to 1 s, as
   * that of `inside`.
   */
  readonly below: (path: string) => ReadonlyArray<Mounts.Mounted>
  /**
   * The path on its file system: the root field of the mount with the id `mount`, and the rest of the path below the
   * mount point. The root field may be any directory of the file system. ENOENT: this mount namespace has no such
   * mount.
   */
  readonly locate: (mount: string, path: string) => string
  /**
   * Tells that the caller has moved a real path. If the last reading showed a mount there, the next question reads the table
   * again, because a move of a directory also moves the mounts in it.
   */
  readonly moved: (path: string) => void
  readonly close: () => void
}

const notMounted = (mount: string) => coded("ENOENT", `there is no mount ${mount} here`)

/**
 * Reads the whole file into `room`, or into a larger buffer if `room` is too small. Returns the buffer and the length.
 */
const readAll = (fd: number, room: Buffer): readonly [Buffer, number] => {
  let buffer = room
  let length = 0
  for (;;) {
    const count = Fs.readSync(fd, buffer, length, buffer.length - length, length)
    if (count === 0) return [buffer, length]
    length += count
    if (length < buffer.length) continue
    const larger = Buffer.allocUnsafe(4 * length)
    buffer.copy(larger)
    buffer = larger
  }
}

/** The kernel appends this mark to the root field of a mount whose root directory was removed. */
export const deleted = "//deleted"

const locate = (table: Mounts.Table, mount: string, path: string): string => {
  const { mountPoint, root } = table.byId.get(mount) ?? {}
  if (root === undefined || mountPoint === undefined) throw notMounted(mount)
  const above = mountPoint === "/" ? "" : mountPoint
  if (!`${path}/`.startsWith(`${above}/`)) throw notMounted(mount)
  const below = path.slice(above.length)
  if (root.endsWith(deleted) && (below === "" || below === deleted)) return root
  return `${root === "/" ? "" : root}${below === "/" ? "" : below}` || "/"
}

/**
 * Nanoseconds after which the table is read again although the kernel reports no change. A move of a directory with a
 * mount in it changes the table, and the kernel doesn't report that. The deletion notices such a mount by itself.
 */
const fresh = 1_000_000_000n

/** Nanoseconds in which a look doesn't ask the kernel again. That is safe, because a look removes nothing. */
const freshForLooks = 1_000_000n

/** `clock` measures the age of the table. */
export const make = (native: () => Libc | undefined, clock: Clock): MountTable => {
  let fd: number | undefined
  let bytes: Buffer = Buffer.allocUnsafe(65_536)
  let spare: Buffer = Buffer.allocUnsafe(65_536)
  let length = 0
  let table: Mounts.Table | undefined
  /** `undefined`: the table may have changed. The kernel reports a change once. */
  let readAt: bigint | undefined
  let askedAt = 0n

  const read = (): Mounts.Table => {
    readAt = undefined
    fd ??= Fs.openSync("/proc/self/mountinfo", Fs.constants.O_RDONLY)
    const now = clock.monotonicTimeNanosUnsafe()
    const [found, count] = readAll(fd, spare)
    if (table === undefined || !found.subarray(0, count).equals(bytes.subarray(0, length))) {
      ;[spare, bytes, length] = [bytes, found, count]
      table = Mounts.parse(decodeName(bytes, 0, length))
    } else spare = found
    readAt = now
    return table
  }

  const isChanged = (now: bigint): boolean => {
    askedAt = now
    return fd === undefined || native()?.hasChanged(fd) !== false
  }

  const current = (): Mounts.Table => {
    const now = clock.monotonicTimeNanosUnsafe()
    const isKnown = readAt !== undefined && now - readAt < fresh
    return table === undefined || !isKnown || isChanged(now) ? read() : table
  }

  const recent = (): Mounts.Table =>
    table !== undefined &&
    readAt !== undefined &&
    clock.monotonicTimeNanosUnsafe() - (readAt > askedAt ? readAt : askedAt) < freshForLooks
      ? table
      : current()

  return {
    inside: (path) => Mounts.inside(current(), path),
    below: (path) => Mounts.below(recent(), path),
    locate: (mount, path) => locate(read(), mount, path),
    moved: (path) => {
      // The kernel reports a mount that is newer than the last reading.
      if (table !== undefined && Mounts.inside(table, path) !== undefined) readAt = undefined
    },
    close: () => {
      if (fd !== undefined) close(fd)
      fd = readAt = undefined
    }
  }
}
