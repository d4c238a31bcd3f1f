/** Parts of paths. */

/** The directory above a path. `""` for a name directly in `/`. */
export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/"))

export const baseName = (path: string): string => path.slice(path.lastIndexOf("/") + 1)
