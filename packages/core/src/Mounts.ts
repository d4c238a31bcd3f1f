/**
 * The mount table, as `proc_pid_mountinfo(5)` gives it: where other file systems begin, and where each mount lies on the file system
 * below it. A mount is told without being touched: a file system that doesn't answer holds up whoever looks at it.
 *
 * @since 0.1.0
 */

/**
 * One mount. `root` is the directory of the file system that is mounted, `device` its `major:minor`. `parent` is the `id` of the mount
 * that it lies on.
 *
 * @category models
 * @since 0.1.0
 */
export interface Mount {
  readonly id: string
  readonly parent: string
  readonly device: string
  readonly root: string
  readonly mountPoint: string
  readonly fileSystem: string
}

/**
 * A mount at or below a directory. `path`: where the directory's own path reaches it. `mountPoint`: where it was mounted, which is another
 * path where the directory is reached by a second bind mount.
 *
 * @category models
 * @since 0.1.0
 */
export interface Mounted {
  readonly path: string
  readonly mountPoint: string
}

/** Where a directory lies on its file system, whatever path leads to it. */
interface Place {
  readonly device: string
  readonly path: string
}

/**
 * A table that was parsed, prepared for questions.
 *
 * @category models
 * @since 0.1.0
 */
export interface Table {
  readonly mounts: ReadonlyArray<Mount>
  readonly byId: ReadonlyMap<string, Mount>
  readonly byPoint: ReadonlyMap<string, ReadonlyArray<Mount>>
  /** The first mount at or below each path that leads to one. */
  readonly insidePath: ReadonlyMap<string, Mount>
  /** Likewise, by the place on the file system. */
  readonly insidePlace: ReadonlyMap<string, Mount>
}

/**
 * A field as it was before it was written into the table: a space is written as `\\040`.
 *
 * @category parsing
 * @since 0.1.0
 */
export const unescape = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))

const parseLine = (line: string): ReadonlyArray<Mount> => {
  const fields = line.split(" ")
  const separator = fields.indexOf("-", 6)
  const [id, parent, device, root, mountPoint] = fields
  const fileSystem = fields[separator + 1]
  return separator < 0 ||
    id === undefined ||
    parent === undefined ||
    device === undefined ||
    root === undefined ||
    mountPoint === undefined ||
    fileSystem === undefined
    ? []
    : [{ id, parent, device, root: unescape(root), mountPoint: unescape(mountPoint), fileSystem }]
}

const contains = (directory: string, path: string): boolean =>
  path === directory || path.startsWith(directory === "/" ? "/" : `${directory}/`)

/** The path of what lies at `path` below `from`, once `from` is `to`. */
const rebase = (path: string, from: string, to: string): string => {
  const rest = from === "/" ? path : path.slice(from.length)
  return `${to === "/" ? "" : to}${rest === "/" ? "" : rest}` || "/"
}

const placeOn = (mount: Mount, path: string): Place => ({
  device: mount.device,
  path: rebase(path, mount.mountPoint, mount.root)
})

/** Where a mount was mounted. `undefined`: the table doesn't have what it lies on. */
const placeOf = ({ byId }: Pick<Table, "byId">, { id, mountPoint, parent }: Mount): Place | undefined => {
  const below = byId.get(parent)
  return below === undefined || parent === id || !contains(below.mountPoint, mountPoint)
    ? undefined
    : placeOn(below, mountPoint)
}

const keyOf = ({ device, path }: Place): string => `${device} ${path}`

/** A path, and all that lead to it, up to `/`. */
function* upwards(path: string): Generator<string> {
  for (let at = path; at.length > 1; at = at.slice(0, at.lastIndexOf("/"))) yield at
  yield "/"
}

/**
 * Parses `/proc/<pid>/mountinfo`. Lines that can't be read are left out.
 *
 * @category parsing
 * @since 0.1.0
 */
export const parse = (mountinfo: string): Table => {
  const mounts = mountinfo.split("\n").flatMap(parseLine)
  const byId = new Map(mounts.map((mount) => [mount.id, mount]))
  const insidePath = new Map<string, Mount>()
  const insidePlace = new Map<string, Mount>()
  for (const mount of mounts) {
    for (const path of upwards(mount.mountPoint)) if (!insidePath.has(path)) insidePath.set(path, mount)
    const place = placeOf({ byId }, mount)
    if (place === undefined) continue
    for (const path of upwards(place.path)) {
      const key = keyOf({ ...place, path })
      if (!insidePlace.has(key)) insidePlace.set(key, mount)
    }
  }
  return { mounts, byId, byPoint: Map.groupBy(mounts, ({ mountPoint }) => mountPoint), insidePath, insidePlace }
}

/**
 * The mount that a real path lies on: followed from mount to mount, as the kernel does. A mount that a later one covers doesn't count.
 *
 * @category queries
 * @since 0.1.0
 */
export const find = ({ byId, byPoint }: Table, path: string): Mount | undefined => {
  let found: Mount | undefined
  const isNext = ({ id, parent }: Mount): boolean => parent === id || parent === found?.id || !byId.has(parent)
  for (const at of [...upwards(path)].toReversed()) {
    // One mount covers another at the same point. Each is followed once.
    const points = [...(byPoint.get(at) ?? [])]
    for (let index = points.findLastIndex(isNext); index >= 0; index = points.findLastIndex(isNext)) {
      found = points.splice(index, 1)[0]
    }
  }
  return found
}

/** Where a real path lies on its file system. */
const locate = (table: Table, path: string): Place | undefined => {
  const mount = find(table, path)
  return mount === undefined ? undefined : placeOn(mount, path)
}

/**
 * The mount point of a mount at or below a real path, if there is one: by this path, or by any other that leads to the same directory.
 *
 * @category queries
 * @since 0.1.0
 */
export const inside = (table: Table, path: string): string | undefined => {
  const byPath = table.insidePath.get(path)
  if (byPath !== undefined) return byPath.mountPoint
  const place = locate(table, path)
  return place === undefined ? undefined : table.insidePlace.get(keyOf(place))?.mountPoint
}

/**
 * All mounts at and below a real path, likewise.
 *
 * @category queries
 * @since 0.1.0
 */
export const below = (table: Table, path: string): ReadonlyArray<Mounted> => {
  if (inside(table, path) === undefined) return []
  const top = locate(table, path)
  return table.mounts.flatMap((mount) => {
    const { mountPoint } = mount
    if (contains(path, mountPoint)) return [{ path: mountPoint, mountPoint }]
    const place = placeOf(table, mount)
    return top !== undefined && place?.device === top.device && contains(top.path, place.path)
      ? [{ path: rebase(place.path, top.path, path), mountPoint }]
      : []
  })
}
