/** Finds files with certain names below the first level of a directory, one directory after another, depth first. */
import type { FindOptions, Stat } from "@vm-sentinel/core/Disk"
import { coded, errnoOf, isRefusal } from "@vm-sentinel/core/Errno"
import type * as Slices from "@vm-sentinel/core/Slices"
import * as DirFd from "./dirFd.ts"
import type { Name } from "./libc.ts"
import * as Permitting from "./permitting.ts"

/**
 * Maximum number of directories open at once. A directory further up is closed, and resumed later where reading
 * stopped.
 */
const maxOpen = 32

interface Level {
  /** `""`: the top. Its own files aren't reported. */
  readonly path: string
  /** `undefined`: the directory is closed, and its listing continues at `pausedAt`. */
  open: { readonly fd: number; readonly listing: DirFd.Listing } | undefined
  pausedAt: DirFd.Place
  /**
   * Device and inode of a closed directory, as one text. A tree has one for each closed level, and one text takes less
   * memory than two.
   */
  key: string
}

interface Finder {
  /** The path of the next file, relative to the top. `undefined` at the end. Runs in slices. */
  readonly next: (isSliceUsedUp: Slices.IsUsedUp) => Generator<void, string | undefined>
  /** The absolute path that the search is at, for its errors. */
  readonly at: () => string
  readonly close: () => void
}

const moved = (): Error => coded("ESTALE", "it was moved while it was looked through")

const keyOf = ({ id }: Stat): string => `${id.dev}:${id.ino}`

/** Errnos of an entry that vanished, or was replaced, after it was listed. */
const vanished = new Set(["ENOENT", "ENOTDIR", "ELOOP"])

/**
 * `mountPoints`: paths that the search passes over without touching them, since a mounted file system may not answer.
 */
export const make = (
  calls: DirFd.DirFd,
  root: string,
  wanted: (entry: string) => boolean,
  mountPoints: ReadonlySet<string>,
  { permit = false }: FindOptions = {}
): Finder => {
  const levels: Array<Level> = []
  let isBegun = false
  let at = ""

  const shut = (level: Level): void => {
    level.open?.listing.close()
    if (level.open !== undefined) calls.close(level.open.fd)
    level.open = undefined
  }

  const push = (path: string, fd: number): void => {
    try {
      levels.push({ path, open: { fd, listing: calls.list(fd) }, pausedAt: 0n, key: "" })
    } catch (cause) {
      calls.close(fd)
      throw cause
    }
  }

  /** Closes a directory until it is needed again, which bounds the number of open descriptors at any depth. */
  const pause = (level: Level): void => {
    if (level.open === undefined) return
    const { fd, listing } = level.open
    level.key = keyOf(calls.stat(fd))
    level.open = undefined
    level.pausedAt = listing.pause()
    calls.close(fd)
  }

  const orVanished = <A>(call: () => A): A | undefined => {
    try {
      return call()
    } catch (cause) {
      if (vanished.has(errnoOf(cause))) return undefined
      throw cause
    }
  }

  const permitEntry = (fd: number, name: Name): boolean => {
    try {
      return Permitting.permit(calls, fd, name)
    } catch {
      return false
    }
  }

  /** Repeats a refused call about an entry if its directory or the entry could be made readable. */
  const permitted = <A>(fd: number, name: Name, call: () => A): A => {
    try {
      return call()
    } catch (cause) {
      if (!permit || !isRefusal(errnoOf(cause))) throw cause
      const isDirectoryChanged = Permitting.permitOpen(calls, fd)
      if (!permitEntry(fd, name) && !isDirectoryChanged) throw cause
      return call()
    }
  }

  /** Throws EXDEV at a mount that the mount table didn't show: an owner may be on it. */
  const enter = (fd: number, name: Name, path: string): void => {
    const inner = orVanished(() => permitted(fd, name, () => calls.openInside(fd, name)))
    if (inner === undefined) return
    push(path, inner)
    const outermostOpen = levels.at(-1 - maxOpen)
    if (outermostOpen !== undefined) pause(outermostOpen)
  }

  /** Opens a paused directory again, as `..` of a directory in it. Throws ESTALE if that is another directory now. */
  const reopen = (level: Level, from: number): void => {
    const fd = orVanished(() => calls.openDirectory(from, ".."))
    if (fd === undefined) throw moved()
    try {
      if (keyOf(calls.stat(fd)) !== level.key) throw moved()
      level.open = { fd, listing: calls.list(fd, level.pausedAt) }
    } catch (cause) {
      calls.close(fd)
      throw cause
    }
  }

  /** A directory below the top that was removed meanwhile has no more names. */
  const nextIn = ({ path }: Level, listing: DirFd.Listing) =>
    path === "" ? listing.next() : orVanished(() => listing.next())

  const leave = (level: Level): void => {
    levels.pop()
    const above = levels.at(-1)
    try {
      if (above !== undefined && above.open === undefined && level.open !== undefined) reopen(above, level.open.fd)
    } finally {
      shut(level)
    }
  }

  const typeIn = (fd: number, { name, type }: DirFd.Entry) =>
    type === "unknown" ? orVanished(() => permitted(fd, name, () => calls.statAt(fd, name)))?.type : type

  function* next(isSliceUsedUp: Slices.IsUsedUp): Generator<void, string | undefined> {
    if (!isBegun) push("", calls.openDirectory(DirFd.AT_FDCWD, DirFd.nameOf(root)))
    isBegun = true
    for (let level = levels.at(-1); level?.open !== undefined; level = levels.at(-1)) {
      if (isSliceUsedUp()) yield
      const { fd, listing } = level.open
      at = level.path
      const entry = nextIn(level, listing)
      if (entry === undefined) {
        leave(level)
        continue
      }
      const name = DirFd.textOf(entry.name)
      const path = level.path === "" ? name : `${level.path}/${name}`
      at = path
      if (mountPoints.size > 0 && mountPoints.has(`${root}/${path}`)) continue
      if (typeIn(fd, entry) === "directory") enter(fd, entry.name, path)
      else if (level.path !== "" && wanted(name)) return path
    }
    return undefined
  }

  return {
    next,
    at: () => (at === "" ? root : `${root}/${at}`),
    close: () => levels.splice(0).forEach(shut)
  }
}
