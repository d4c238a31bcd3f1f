/** Opens the directories of a removal, each relative to the descriptor of its parent. */
import type { DirectoryCalls } from "../../DirectoryCalls.ts"
import type { RemoveTreeOptions } from "../../DiskModel.ts"
import { sameFile } from "../../FileId.ts"
import { coded } from "../../Errno.ts"
import * as Levels from "./level.ts"

/** Parent directory of a tree, and the tree's name in this parent. */
export interface Place {
  readonly parent: string
  readonly name: string
}

/**
 * Splits the path of a tree. `undefined`: the path has no slash, or its last slash is followed by nothing, `.` or `..`.
 */
export const placeOf = (path: string): Place | undefined => {
  const slash = path.lastIndexOf("/")
  const name = path.slice(slash + 1)
  if (slash < 0 || name === "" || name === "." || name === "..") return undefined
  return { parent: path.slice(0, slash) || "/", name }
}

export const open = <Name>(
  calls: DirectoryCalls<Name>,
  parent: number,
  name: Name,
  path: () => string
): Levels.Opened<Name> => {
  const fd = calls.openDirectory(parent, name)
  try {
    return { fd, name, listing: calls.list(fd, path) }
  } catch (cause) {
    calls.close(fd)
    throw cause
  }
}

export const close = <Name>(calls: DirectoryCalls<Name>, { fd, listing }: Levels.Opened<Name>): void => {
  try {
    listing.close()
  } finally {
    calls.close(fd)
  }
}

interface Top<Name> {
  readonly parent: number
  readonly top: Levels.Level<Name>
  readonly mount: string
}

/**
 * Opens the top of a tree. Throws ESTALE if the top isn't `expected`, and EXDEV if its mount isn't that of its parent.
 */
export const openTop = <Name>(
  calls: DirectoryCalls<Name>,
  path: string,
  place: Place,
  { expected }: Pick<RemoveTreeOptions, "expected">
): Top<Name> => {
  const parent = calls.openPath(place.parent)
  let opened: Levels.Opened<Name> | undefined
  try {
    opened = open(calls, parent, calls.nameOf(place.name), () => path)
    if (expected !== undefined && !sameFile(calls.idOf(opened.fd), expected)) throw coded("ESTALE", "another directory")
    const mount = calls.mount(opened.fd)
    if (mount !== calls.mount(parent)) throw coded("EXDEV", "on another mount")
    return { parent, top: Levels.top(opened), mount }
  } catch (cause) {
    if (opened !== undefined) close(calls, opened)
    calls.close(parent)
    throw cause
  }
}
