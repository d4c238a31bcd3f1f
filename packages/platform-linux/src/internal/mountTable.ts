/**
 * The table of `/proc/self/mountinfo`, kept in memory, since reading it takes long. The file stays open: `poll(2)`
 * reports whether anything was mounted or unmounted since the last read, by `proc_pid_mountinfo(5)`.
 */
import { coded } from "@vm-sentinel/core/Errno"
import * as Mounts from "@vm-sentinel/core/Mounts"
import * as Fs from "node:fs"
import { decodeName } from "./bytePath.ts"
import type { Libc } from "./libc.ts"

export interface MountTable {
  /** The mount point of a mount at or below a real path. `undefined`: there is none. */
  readonly inside: (path: string) => string | undefined
  /**
   * Where a path lies on its file system: the root field of the mount with this id, which may be any directory of the
   * file system, and the path below that. ENOENT: this mount namespace has no such mount.
   */
  readonly locate: (mount: string, path: string) => string
  readonly close: () => void
}

/** Whether the table escapes a character of the path, or may. */
const isEscaped = (path: string): boolean => /[\s\\#]/.test(path) || !path.isWellFormed()

const notMounted = (mount: string) => coded("ENOENT", `there is no mount ${mount} here`)

/**
 * Reads the whole file into `room`, or into a larger buffer where `room` is too small. Returns the buffer and the
 * length.
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

const locate = (table: string, mount: string, path: string): string => {
  const line = table.split("\n").find((line) => line.startsWith(`${mount} `))
  const [, , , root, point] = line?.split(" ").map(Mounts.unescape) ?? []
  if (root === undefined || point === undefined) throw notMounted(mount)
  const above = point === "/" ? "" : point
  if (!`${path}/`.startsWith(`${above}/`)) throw notMounted(mount)
  const below = path.slice(above.length)
  if (root.endsWith(deleted) && (below === "" || below === deleted)) return root
  return `${root === "/" ? "" : root}${below === "/" ? "" : below}` || "/"
}

export const make = (native: () => Libc | undefined): MountTable => {
  let fd: number | undefined
  let table: Buffer = Buffer.allocUnsafe(65_536)
  let length = 0

  const read = (): Buffer => {
    fd ??= Fs.openSync("/proc/self/mountinfo", Fs.constants.O_RDONLY)
    ;[table, length] = readAll(fd, table)
    return table.subarray(0, length)
  }

  /**
   * The table, read again after a change that `poll(2)` reports. Renaming a directory with a mount in it changes the
   * table without a report: the delete finds that mount by itself.
   */
  const current = (): Buffer =>
    fd !== undefined && native()?.hasChanged(fd) === false ? table.subarray(0, length) : read()

  /** Mount points are file names, and file names are bytes. */
  const parse = (bytes: Buffer): ReadonlyArray<Mounts.Mount> => Mounts.parse(decodeName(bytes))

  return {
    inside: (path) => {
      const bytes = current()
      // Skips parsing a table that doesn't contain the path at all.
      return isEscaped(path) || bytes.includes(` ${path}`) ? Mounts.inside(parse(bytes), path) : undefined
    },
    locate: (mount, path) => locate(decodeName(read()), mount, path),
    close: () => {
      if (fd !== undefined) Fs.closeSync(fd)
      fd = undefined
    }
  }
}
