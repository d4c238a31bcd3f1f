/**
 * The mount table, as `proc_pid_mountinfo(5)` gives it: where other file systems begin, and where each mount lies on
 * the file system below it. Reading the table touches no mounted file system. A call to a file system that doesn't
 * answer never ends.
 *
 * @since 0.1.0
 */

/**
 * One mount. `root` is the mounted directory of the file system, `device` its `major:minor`. `parent` is the `id` of
 * the mount that it was mounted on.
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
 * A mount at or below a directory. `path`: the mount's path below the given path of the directory. `mountPoint`: its
 * path in the mount table. The two differ if a second mount leads to the directory.
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
  /** The mounts at or below each path that leads to one. */
  readonly insidePath: ReadonlyMap<string, ReadonlyArray<Mount>>
  /** The mounts at or below each place on a file system, for file systems that are mounted more than once. */
  readonly insidePlace: ReadonlyMap<string, ReadonlyArray<Mount>>
}

/**
 * Decodes the octal escapes of a field, such as `\040` for a space.
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

/** Replaces the beginning `from` of a path with `to`. */
const rebase = (path: string, from: string, to: string): string => {
  const rest = from === "/" ? path : path.slice(from.length)
  return `${to === "/" ? "" : to}${rest === "/" ? "" : rest}` || "/"
}

const placeOn = (mount: Mount, path: string): Place => ({
  device: mount.device,
  path: rebase(path, mount.mountPoint, mount.root)
})

/**
 * The place where a mount was mounted. `undefined`: the table lacks its parent, the mount is its own parent, or the
 * parent doesn't contain the mount point.
 */
const placeOf = ({ byId }: Pick<Table, "byId">, { id, mountPoint, parent }: Mount): Place | undefined => {
  const below = byId.get(parent)
  return below === undefined || parent === id || !contains(below.mountPoint, mountPoint)
    ? undefined
    : placeOn(below, mountPoint)
}

const keyOf = ({ device, path }: Place): string => `${device} ${path}`

/** A path and all directories above it, up to `/`. */
function* upwards(path: string): Generator<string> {
  for (let at = path; at.length > 1; at = at.slice(0, at.lastIndexOf("/"))) yield at
  yield "/"
}

const append = (to: Map<string, Array<Mount>>, key: string, mount: Mount): void => {
  const mounts = to.get(key)
  if (mounts === undefined) to.set(key, [mount])
  else mounts.push(mount)
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
  const insidePath = new Map<string, Array<Mount>>()
  const insidePlace = new Map<string, Array<Mount>>()
  const byDevice = Map.groupBy(mounts, ({ device }) => device)
  for (const mount of mounts) {
    for (const path of upwards(mount.mountPoint)) append(insidePath, path, mount)
    const place = placeOf({ byId }, mount)
    // A file system that is mounted once has no second path to the place.
    if (place === undefined || byDevice.get(place.device)?.length === 1) continue
    for (const path of upwards(place.path)) append(insidePlace, keyOf({ ...place, path }), mount)
  }
  return { mounts, byId, byPoint: Map.groupBy(mounts, ({ mountPoint }) => mountPoint), insidePath, insidePlace }
}

/**
 * The mount that a real path lies on. `find` follows the path from mount to mount, as the kernel does. A mount that a
 * later one covers doesn't count.
 *
 * @category queries
 * @since 0.1.0
 */
export const find = ({ byId, byPoint }: Table, path: string): Mount | undefined => {
  let found: Mount | undefined
  const isNext = ({ id, parent }: Mount): boolean => parent === id || parent === found?.id || !byId.has(parent)
  for (const at of [...upwards(path)].toReversed()) {
    // Several mounts at one point cover each other. The path leads through each of them once.
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

/** The place of a real path, if other paths may lead there, and the mounts at or below it. */
const atPlace = (table: Table, path: string): readonly [Place, ReadonlyArray<Mount>] | undefined => {
  const place = table.insidePlace.size === 0 ? undefined : locate(table, path)
  const mounts = place === undefined ? undefined : table.insidePlace.get(keyOf(place))
  return place === undefined || mounts === undefined ? undefined : [place, mounts]
}

/**
 * The mount point of a mount at or below a real path, whatever path leads to the mount. `undefined`: there is none.
 *
 * @category queries
 * @since 0.1.0
 */
export const inside = (table: Table, path: string): string | undefined =>
  (table.insidePath.get(path) ?? atPlace(table, path)?.[1])?.[0]?.mountPoint

/**
 * All mounts at or below a real path, whatever path leads to them. Those that the path itself leads to come first.
 *
 * @category queries
 * @since 0.1.0
 */
export const below = (table: Table, path: string): ReadonlyArray<Mounted> => {
  const byPath = (table.insidePath.get(path) ?? []).map(({ mountPoint }) => ({ path: mountPoint, mountPoint }))
  const [top, mounts] = atPlace(table, path) ?? []
  if (top === undefined || mounts === undefined) return byPath
  const byPlace = mounts.flatMap((mount) => {
    const { mountPoint } = mount
    const place = contains(path, mountPoint) ? undefined : placeOf(table, mount)
    return place === undefined ? [] : [{ path: rebase(place.path, top.path, path), mountPoint }]
  })
  return [...byPath, ...byPlace]
}
