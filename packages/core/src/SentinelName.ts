/**
 * The file names this library reads, writes, and recognises as somebody else's.
 *
 * @since 0.1.0
 */

/**
 * The default sentinel.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultName = ".vm-sentinel"

/**
 * brood-box's sentinel: the v2 format exactly, so a v3 record is never written under it.
 *
 * @category constants
 * @since 0.1.0
 */
export const broodBoxName = ".bbox-sentinel"

/**
 * go-microvm's state file, relative to the directory: a sign of an owner that isn't read yet.
 *
 * @category constants
 * @since 0.1.0
 */
export const goMicrovmState = "data/go-microvm-state.json"

/**
 * Prefix of a sweep's workspace in the root.
 *
 * @category constants
 * @since 0.1.0
 */
export const workspacePrefix = ".vm-sentinel-reap."

/**
 * Prefix of a sentinel that is being written.
 *
 * @category constants
 * @since 0.1.0
 */
export const temporaryPrefix = ".vm-sentinel-tmp."

/**
 * Suffix of a workspace that is being made: it never holds a claim.
 *
 * @category constants
 * @since 0.1.0
 */
export const stagedSuffix = ".new"

/**
 * The file of a role: the base name for `owner`, `<base>.<role>` for every other.
 *
 * @category naming
 * @since 0.1.0
 */
export const ofRole = (base: string, role: string): string => (role === "owner" ? base : `${base}.${role}`)

const isOf = (base: string, name: string): boolean =>
  name === base || (base !== broodBoxName && name.startsWith(`${base}.`))

/**
 * What a file in a directory is: a sentinel to `read`, one of an owner that the caller doesn't read (`foreign`), a
 * sentinel being written (`temporary`), or anything else.
 *
 * @category naming
 * @since 0.1.0
 */
export const classify = (name: string, wanted: ReadonlyArray<string>): "read" | "foreign" | "temporary" | "other" => {
  if (name.startsWith(temporaryPrefix)) return "temporary"
  if (wanted.some((base) => isOf(base, name))) return "read"
  return isSentinel(name) ? "foreign" : "other"
}

/**
 * Whether a file is a sentinel of any owner that this library knows.
 *
 * @category naming
 * @since 0.1.0
 */
export const isSentinel = (name: string): boolean => isOf(defaultName, name) || isOf(broodBoxName, name)

/**
 * What a sweep's directory in a root is, by its name. A full file system has no room for a workspace: a directory is
 * claimed by its new name alone then, `.vm-sentinel-reap.<nonce>.claimed=<name>`, and marked by the next,
 * `.vm-sentinel-reap.<nonce><tags>.dead=<name>`.
 *
 * @category models
 * @since 0.1.0
 */
export type Reap =
  | { readonly kind: "workspace" | "staged" }
  | { readonly kind: "claimed"; readonly name: string }
  | ({ readonly kind: "dead" } & Marked)

/**
 * A directory that was marked to be deleted. `tags`: one for each sentinel that was judged. Any other sentinel in it came
 * later.
 *
 * @category models
 * @since 0.1.0
 */
export interface Marked {
  readonly name: string
  readonly tags: ReadonlyArray<string>
}

const inPlace = /^([0-9a-f]+)\.(claimed|dead)=(.+)$/s

const tagsOf = (text: string): ReadonlyArray<string> => text.match(/[0-9a-f]{8}/g) ?? []

/**
 * The name of a directory that is claimed, or condemned, in place.
 *
 * @category naming
 * @since 0.1.0
 */
export const reapInPlace = (kind: "claimed" | "dead", nonce: string, name: string): string =>
  `${workspacePrefix}${nonce}.${kind}=${name}`

/**
 * Recognises a sweep's directory; `undefined` for every other.
 *
 * @category naming
 * @since 0.1.0
 */
export const parseReap = (entry: string): Reap | undefined => {
  if (!entry.startsWith(workspacePrefix)) return undefined
  const [, tag = "", kind, name] = inPlace.exec(entry.slice(workspacePrefix.length)) ?? []
  // The first 8 digits are the sweep's.
  if (name !== undefined)
    return kind === "dead" ? { kind, name, tags: tagsOf(tag).slice(1) } : { kind: "claimed", name }
  return { kind: entry.endsWith(stagedSuffix) ? "staged" : "workspace" }
}

/** A longer list of tags leaves too little room for the name. */
const mostTags = 4
/** `NAME_MAX` of `limits.h`, bytes. */
const longestName = 255

const marked = /^((?:[0-9a-f]{8}){1,4})=(.+)$/s

/**
 * The name in `dead/` of a workspace. Without tags where they don't fit: every sentinel in it has to be proved dead again.
 *
 * @category naming
 * @since 0.1.0
 */
export const markedName = ({ name, tags }: Marked): string => {
  const tagged = `${tags.join("")}=${name}`
  const isFit = tags.length > 0 && tags.length <= mostTags && new TextEncoder().encode(tagged).length <= longestName
  return isFit ? tagged : name
}

/**
 * Reads a name in `dead/`.
 *
 * @category naming
 * @since 0.1.0
 */
export const parseMarked = (entry: string): Marked => {
  const [, tags, name] = marked.exec(entry) ?? []
  return tags === undefined || name === undefined ? { name: entry, tags: [] } : { name, tags: tagsOf(tags) }
}

/**
 * Whether a path leads through a sweep's directory: what lies there is on its way out. A directory that is being made
 * (`staged`) doesn't count.
 *
 * @category predicates
 * @since 0.1.0
 */
export const liesInSweep = (path: string): boolean =>
  path.split("/").some((name) => {
    const reap = parseReap(name)
    return reap !== undefined && reap.kind !== "staged"
  })
