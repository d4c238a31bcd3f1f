/**
 * Whether a file can be believed, judged by the users that could have written or replaced it. Pure.
 *
 * @since 0.1.0
 */
import type { Permissions, Principal, Stat } from "./Disk.ts"
import { sameFile } from "./FileId.ts"

const worldWritable = 0o002
const groupWritable = 0o020
const sticky = 0o1000

const kept = (stat: Permissions, principal: Principal): string | undefined => {
  const { uid } = principal
  if (uid === undefined) return "the caller has no uid to compare with"
  if (stat.uid === undefined) return "its owner can't be told"
  if (stat.uid !== uid && stat.uid !== 0) return `owned by uid ${stat.uid}, neither ours (${uid}) nor root's`
  if ((stat.mode & worldWritable) !== 0) return "writable by everybody"
  // On a host with a umask of 0002, each user has a private group, whose gid equals the uid. A sweep by root can't
  // assume that a group is private.
  if ((stat.mode & groupWritable) !== 0 && (uid === 0 || stat.gid !== stat.uid)) return `writable by group ${stat.gid}`
  return undefined
}

/**
 * Why a sentinel isn't believed. `undefined`: it is believed. `links`: largest number of hard links. A sentinel has 2
 * while it is being published.
 *
 * @category judging
 * @since 0.1.0
 */
export const ofSentinel = (stat: Permissions, principal: Principal, links: number): string | undefined => {
  if (stat.type !== "file") return `a ${stat.type}, not a regular file`
  if (stat.nlink === undefined || stat.nlink > links) return `${stat.nlink ?? "unknown"} hard links`
  return kept(stat, principal)
}

/**
 * Why the sentinels in a directory aren't believed. `undefined`: the directory gives no reason.
 *
 * @category judging
 * @since 0.1.0
 */
export const ofDirectory = (stat: Permissions, principal: Principal): string | undefined =>
  stat.type === "directory" ? kept(stat, principal) : `a ${stat.type}, not a directory`

/**
 * Why a directory may not be swept. `undefined`: it may be swept. `stat` comes from `lstat(2)`.
 *
 * @category judging
 * @since 0.1.0
 */
export const ofRoot = (stat: Stat, principal: Principal): string | undefined => {
  if (stat.type === "symlink") return "a symbolic link; give the directory it points to"
  if (stat.type !== "directory") return `a ${stat.type}, not a directory`
  if (principal.homeIds.some((home) => sameFile(home, stat.id))) return "a home directory"
  if ((stat.mode & sticky) !== 0 && (stat.mode & worldWritable) !== 0) return "a directory shared by all users"
  return kept(stat, principal)
}

/**
 * The reason to refuse a root for its absolute path: the path is `/` or a home directory. `undefined`: no such reason.
 * Does no I/O.
 *
 * @category judging
 * @since 0.1.0
 */
export const ofRootPath = (path: string, principal: Principal): string | undefined => {
  const trimmed = path.replace(/(?<=.)\/+$/, "")
  if (trimmed === "/") return "the root of the file system"
  return principal.homes.some((home) => home.replace(/(?<=.)\/+$/, "") === trimmed) ? "a home directory" : undefined
}
