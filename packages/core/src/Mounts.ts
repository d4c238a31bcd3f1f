/**
 * The mount table of `proc_pid_mountinfo(5)`: mount points and the types of their file systems.
 *
 * @since 0.1.0
 */

/**
 * One mount.
 *
 * @category models
 * @since 0.1.0
 */
export interface Mount {
  /** Path at which the file system is mounted. */
  readonly mountPoint: string
  /** Type of the file system, such as `ext4`. */
  readonly fileSystem: string
}

/**
 * Decodes a field of the mount table. The kernel writes a space as `\040`.
 *
 * @category parsing
 * @since 0.1.0
 */
export const unescape = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))

/**
 * Parses `/proc/<pid>/mountinfo`. Leaves out lines that can't be parsed.
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
 * Finds the mount that a real path lies on: the longest mount point that contains the path, and the last mounted of
 * equal ones.
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
 * Returns a mount point at or below a real path; `undefined` if there is none.
 *
 * @category queries
 * @since 0.1.0
 */
export const inside = (mounts: ReadonlyArray<Mount>, path: string): string | undefined =>
  mounts.find((mount) => contains(path, mount.mountPoint))?.mountPoint
