/**
 * `/proc/self/mountinfo`, which takes long to read. Kept open, the kernel says whether anything was mounted or unmounted
 * since it was read: `poll(2)` of it, by `proc_pid_mountinfo(5)`.
 */
import { coded } from "@vm-sentinel/core/Errno"
import * as Mounts from "@vm-sentinel/core/Mounts"
import * as Fs from "node:fs"
import { decodeName } from "./bytePath.ts"
import type { Libc } from "./libc.ts"

export interface MountTable {
  /** A mount at or below a real path. */
  readonly inside: (path: string) => string | undefined
  /**
   * Where what lies at a path lies on its own file system: below the root of the mount that has this number, which may be
   * a directory of it. ENOENT: there is no such mount here.
   */
  readonly locate: (mount: string, path: string) => string
  readonly close: () => void
}

/** The table writes it otherwise, or may. */
const isEscaped = (path: string): boolean => /[\s\\#]/.test(path) || !path.isWellFormed()

const notMounted = (mount: string) => coded("ENOENT", `there is no mount ${mount} here`)

/** Into `room`, or where that doesn't do into a larger one. */
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

/** What follows the path of a directory that was removed, where it is the root of a mount. */
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

  /** Whoever moves a directory with a mount in it changes the table without a word: that is for the delete to find. */
  const current = (): Buffer =>
    fd !== undefined && native()?.hasChanged(fd) === false ? table.subarray(0, length) : read()

  /** Mount points are bytes as all names are. */
  const parse = (bytes: Buffer): ReadonlyArray<Mounts.Mount> => Mounts.parse(decodeName(bytes))

  return {
    inside: (path) => {
      const bytes = current()
      // Of a path that isn't in it at all there is nothing to parse it for.
      return isEscaped(path) || bytes.includes(` ${path}`) ? Mounts.inside(parse(bytes), path) : undefined
    },
    locate: (mount, path) => locate(decodeName(read()), mount, path),
    close: () => {
      if (fd !== undefined) Fs.closeSync(fd)
      fd = undefined
    }
  }
}
