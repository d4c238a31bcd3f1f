/** Parts of paths. */

/** The directory above a path. `""` for a name directly in `/`. */
export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/"))

/**
 * Splits a path at its last `..`. `below`: the part before it, `""` if there is none. `undefined`: the path has no `..`.
 */
export const splitAscent = (path: string): { readonly below: string; readonly rest: string } | undefined => {
  const found = /^(.*\/)?\.\.(?:\/(.*))?$/s.exec(path)
  return found === null ? undefined : { below: found[1] ?? "", rest: found[2] ?? "" }
}

export const baseName = (path: string): string => path.slice(path.lastIndexOf("/") + 1)
