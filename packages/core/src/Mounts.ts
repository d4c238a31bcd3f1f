/**
 * The mount table, as `proc_pid_mountinfo(5)` gives it: where other file systems begin, and which are of this machine.
 *
 * @since 0.1.0
 */

/**
 * @category models
 * @since 0.1.0
 */
export interface Mount {
  readonly mountPoint: string
  readonly fileSystem: string
}

/**
 * A field as it was before it was written there: a space is `\\040`.
 *
 * @category parsing
 * @since 0.1.0
 */
export const unescape = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))

/**
 * Parses `/proc/<pid>/mountinfo`. Lines that can't be read are left out.
 *
 * @category parsing
 * @since 0.1.0
 */
export const parse = (mountinfo: string): ReadonlyArray<Mount> =>
  mountinfo.split("\n").flatMap((line) => {
    const fields = line.split(" ")
    const separator = fields.indexOf("-", 6)
    const mountPoint = fields[4]
    const fileSystem = fields[separator + 1]
    return separator < 0 || mountPoint === undefined || fileSystem === undefined
      ? []
      : [{ mountPoint: unescape(mountPoint), fileSystem }]
  })

const contains = (directory: string, path: string): boolean =>
  path === directory || path.startsWith(directory === "/" ? "/" : `${directory}/`)

/**
 * The mount that a real path lies on: the longest mount point, and of equal ones the last mounted.
 *
 * @category queries
 * @since 0.1.0
 */
export const find = (mounts: ReadonlyArray<Mount>, path: string): Mount | undefined => {
  let found: Mount | undefined
  for (const mount of mounts) {
    if (contains(mount.mountPoint, path) && mount.mountPoint.length >= (found?.mountPoint.length ?? 0)) found = mount
  }
  return found
}

/**
 * A mount point at or below a real path, if there is one.
 *
 * @category queries
 * @since 0.1.0
 */
export const inside = (mounts: ReadonlyArray<Mount>, path: string): string | undefined =>
  mounts.find((mount) => contains(path, mount.mountPoint))?.mountPoint
