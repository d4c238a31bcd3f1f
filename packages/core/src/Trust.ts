/**
 * Whether a file can be believed, judged by the users that could have written or replaced it. Pure.
 *
 * @since 0.1.0
 */
import type { Permissions, Principal, Stat } from "./Disk.ts"
import type { Distrust, RefusedRoot } from "./Errors.ts"
import { type FileId, sameFile } from "./FileId.ts"

const worldWritable = 0o002
const groupWritable = 0o020
const sticky = 0o1000

/**
 * Why a root is refused.
 *
 * @category models
 * @since 0.1.0
 */
export type Refusal = Pick<RefusedRoot, "rule" | "problem">

const kept = (stat: Permissions, principal: Principal): (Distrust & Refusal) | undefined => {
  const { uid } = principal
  if (uid === undefined) return { rule: "no-uid", problem: "the caller has no uid to compare with" }
  if (stat.uid === undefined) return { rule: "unknown-owner", problem: "its owner can't be told" }
  if (stat.uid !== uid && stat.uid !== 0) {
    return { rule: "other-user", problem: `owned by uid ${stat.uid}, neither ours (${uid}) nor root's` }
  }
  if ((stat.mode & worldWritable) !== 0) return { rule: "world-writable", problem: "writable by everybody" }
  // On a host with a umask of 0002, each user has a private group, whose gid equals the uid. A sweep by root can't
  // assume that a group is private.
  if ((stat.mode & groupWritable) !== 0 && (uid === 0 || stat.gid !== stat.uid)) {
    return { rule: "group-writable", problem: `writable by group ${stat.gid}` }
  }
  return undefined
}

/**
 * Why a sentinel isn't believed. `undefined`: it is believed. `links`: largest number of hard links. A sentinel has 2
 * while it is being published.
 *
 * @category judging
 * @since 0.1.0
 */
export const ofSentinel = (stat: Permissions, principal: Principal, links: number): Distrust | undefined => {
  if (stat.type !== "file") return { rule: "not-a-file", problem: `a ${stat.type}, not a regular file` }
  if (stat.nlink === undefined || stat.nlink > links) {
    return { rule: "hard-linked", problem: `${stat.nlink ?? "unknown"} hard links` }
  }
  return kept(stat, principal)
}

/**
 * Why the sentinels in a directory aren't believed. `undefined`: the directory gives no reason.
 *
 * @category judging
 * @since 0.1.0
 */
export const ofDirectory = (stat: Permissions, principal: Principal): Distrust | undefined =>
  stat.type === "directory"
    ? kept(stat, principal)
    : { rule: "not-a-directory", problem: `a ${stat.type}, not a directory` }

/**
 * Why a sentinel isn't believed whose directory isn't.
 *
 * @category judging
 * @since 0.1.0
 */
export const ofDirectoryAbove = ({ problem, rule }: Distrust): Distrust => ({
  rule,
  problem: `its directory is ${problem}`
})

const home: Distrust & Refusal = { rule: "home", problem: "a home directory" }

/**
 * Why a directory is neither swept nor removed if it is a home directory. `undefined`: it isn't one.
 *
 * @category judging
 * @since 0.1.0
 */
export const ofHome = (id: FileId, { homeIds }: Pick<Principal, "homeIds">): (Distrust & Refusal) | undefined =>
  homeIds.some((home) => sameFile(home, id)) ? home : undefined

/**
 * Why `/` is refused.
 *
 * @category constants
 * @since 0.1.0
 */
export const fileSystemRoot: Refusal = { rule: "file-system-root", problem: "the root of the file system" }

/**
 * Why a directory may not be swept. `undefined`: it may be swept. `stat` comes from `lstat(2)`.
 *
 * @category judging
 * @since 0.1.0
 */
export const ofRoot = (stat: Stat, principal: Principal): Refusal | undefined => {
  if (stat.type === "symlink") {
    return { rule: "symbolic-link", problem: "a symbolic link; give the directory it points to" }
  }
  if (stat.type !== "directory") return { rule: "not-a-directory", problem: `a ${stat.type}, not a directory` }
  const isHome = ofHome(stat.id, principal)
  if (isHome !== undefined) return isHome
  if ((stat.mode & sticky) !== 0 && (stat.mode & worldWritable) !== 0) {
    return { rule: "shared", problem: "a directory shared by all users" }
  }
  return kept(stat, principal)
}

/**
 * The reason to refuse a root for its absolute path: the path is `/` or a home directory. `undefined`: no such reason.
 * Does no I/O.
 *
 * @category judging
 * @since 0.1.0
 */
export const ofRootPath = (path: string, principal: Principal): Refusal | undefined => {
  const trimmed = path.replace(/(?<=.)\/+$/, "")
  if (trimmed === "/") return fileSystemRoot
  return principal.homes.some((path) => path.replace(/(?<=.)\/+$/, "") === trimmed) ? home : undefined
}
