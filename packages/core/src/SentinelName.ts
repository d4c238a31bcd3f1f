/**
 * Names of files and directories that this library reads, writes, or recognises as those of another tool.
 *
 * @since 0.1.0
 */

/**
 * Default name of a sentinel.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultName = ".vm-sentinel"

/**
 * Name of brood-box's sentinel. brood-box reads everything after line 1 as a path, so this library writes only v2 under
 * this name.
 *
 * @category constants
 * @since 0.1.0
 */
export const broodBoxName = ".bbox-sentinel"

/**
 * go-microvm's state file, relative to the directory. The file is evidence of an owner. This library doesn't read the
 * file, and keeps a directory that has one.
 *
 * @category constants
 * @since 0.1.0
 */
export const goMicrovmState = "data/go-microvm-state.json"

/**
 * Prefix of workspaces, of directories that are being made, and of directories that a sweep renames within the root.
 *
 * @category constants
 * @since 0.1.0
 */
export const workspacePrefix = ".vm-sentinel-reap."

/**
 * Prefix of the temporary file in which a sentinel is written.
 *
 * @category constants
 * @since 0.1.0
 */
export const temporaryPrefix = ".vm-sentinel-tmp."

/**
 * Suffix of a directory that is being made under {@link workspacePrefix}. Such a directory never holds a claimed
 * directory.
 *
 * @category constants
 * @since 0.1.0
 */
export const stagedSuffix = ".new"

/**
 * Role of the sentinel that marks a directory which a sweep deletes where it lies. No owner can take this role.
 *
 * @category constants
 * @since 0.1.0
 */
export const removingRole = "removing"

/**
 * Name of the sentinel that marks a directory which a sweep deletes where it lies. The sweep renames one of the
 * sentinels that it judged to this name. Every later sweep reads and judges this sentinel, whatever names it reads
 * otherwise. Every owner refuses the directory.
 *
 * @category constants
 * @since 0.1.0
 */
export const removingName = `${defaultName}.${removingRole}`

/**
 * File name of a role's sentinel: the base name for `owner`, `<base>.<role>` for every other role.
 *
 * **Example** (Naming the sentinels of two owners)
 *
 * ```ts
 * import * as SentinelName from "@vm-sentinel/core/SentinelName"
 * import * as assert from "node:assert"
 *
 * assert.strictEqual(SentinelName.ofRole(".vm-sentinel", "owner"), ".vm-sentinel")
 * assert.strictEqual(SentinelName.ofRole(".vm-sentinel", "supervisor"), ".vm-sentinel.supervisor")
 * ```
 *
 * @category naming
 * @since 0.1.0
 */
export const ofRole = (base: string, role: string): string => (role === "owner" ? base : `${base}.${role}`)

/** `.bbox-sentinel` has no roles, so its old record takes a role's name of `.vm-sentinel`. */
const asideBase = (name: string): string => (name === broodBoxName ? defaultName : name)

const asideEnding = /\.old-[0-9a-f]{8}$/

/**
 * Name under which a writer keeps the old record of the sentinel `name` until the new one has appeared. The name is that
 * of a role, so the old record still counts. `tag`: at least 8 hexadecimal digits.
 *
 * @category naming
 * @since 0.1.0
 */
export const asideOf = (name: string, tag: string): string => ofRole(asideBase(name), `old-${tag.slice(0, 8)}`)

/**
 * Whether a name is one that {@link asideOf} makes. No owner can take such a name.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isAside = (entry: string): boolean => asideEnding.test(entry)

/**
 * Whether the file `entry` is the sentinel `name`, or the old record that a writer keeps while it replaces that
 * sentinel. A killed writer leaves such a record, which counts.
 *
 * **Example** (Recognising the record of a role)
 *
 * ```ts
 * import * as SentinelName from "@vm-sentinel/core/SentinelName"
 * import * as assert from "node:assert"
 *
 * assert.ok(SentinelName.isRecordOf(".vm-sentinel", ".vm-sentinel"))
 * assert.ok(SentinelName.isRecordOf(".vm-sentinel", ".vm-sentinel.old-0123abcd"))
 * assert.ok(!SentinelName.isRecordOf(".vm-sentinel", ".vm-sentinel.supervisor"))
 * ```
 *
 * @category predicates
 * @since 0.1.0
 */
export const isRecordOf = (name: string, entry: string): boolean =>
  entry === name || (isAside(entry) && entry.replace(asideEnding, "") === asideBase(name))

/** `NAME_MAX` of `limits.h`, in bytes. */
const longestName = 255

const isShort = (name: string): boolean => new TextEncoder().encode(name).length <= longestName

/**
 * Whether a file can have a name: it isn't empty, `.` or `..`, has no slash and no NUL, and has at most 255 bytes.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isFileName = (name: string): boolean =>
  name !== "" && name !== "." && name !== ".." && !name.includes("/") && !name.includes("\0") && isShort(name)

const isOf = (base: string, name: string): boolean =>
  name === base || (base !== broodBoxName && name.startsWith(`${base}.`))

/**
 * Classifies a file by its name. `read`: a sentinel under one of the `wanted` base names, or {@link removingName}.
 * `foreign`: a sentinel under another known base name. `temporary`: a sentinel that is being written. `other`: anything
 * else.
 *
 * **Example** (Classifying the files of a directory)
 *
 * ```ts
 * import * as SentinelName from "@vm-sentinel/core/SentinelName"
 * import * as assert from "node:assert"
 *
 * const wanted = [SentinelName.defaultName]
 * assert.strictEqual(SentinelName.classify(".vm-sentinel", wanted), "read")
 * assert.strictEqual(SentinelName.classify(".vm-sentinel.supervisor", wanted), "read")
 * assert.strictEqual(SentinelName.classify(".bbox-sentinel", wanted), "foreign")
 * assert.strictEqual(SentinelName.classify("disk.qcow2", wanted), "other")
 * ```
 *
 * @category naming
 * @since 0.1.0
 */
export const classify = (name: string, wanted: ReadonlyArray<string>): "read" | "foreign" | "temporary" | "other" => {
  if (name.startsWith(temporaryPrefix)) return "temporary"
  if (name === removingName || wanted.some((base) => isOf(base, name))) return "read"
  return isSentinel(name) ? "foreign" : "other"
}

/**
 * Whether a name is that of a sentinel: of this library, of brood-box, or under one of `others`, which are base names.
 *
 * @category naming
 * @since 0.1.0
 */
export const isSentinel = (name: string, others: ReadonlyArray<string> = []): boolean =>
  isOf(defaultName, name) || isOf(broodBoxName, name) || others.some((base) => isOf(base, name))

/**
 * Meaning of the name of a sweep's directory in a root. A full file system has no room for a workspace. On such a file
 * system, a sweep claims a directory in place, by a rename to `.vm-sentinel-reap.<nonce>.claimed=<name>`, and marks the
 * directory by a rename to `.vm-sentinel-reap.<nonce><tags>.dead=<name>`.
 *
 * @category models
 * @since 0.1.0
 */
export type Reap =
  | { readonly kind: "workspace" | "staged" }
  | { readonly kind: "claimed"; readonly name: string }
  | ({ readonly kind: "dead" } & Marked)

/**
 * Name and tags of a directory that a sweep marked for deletion. `tags` has one `DirectoryState.tagOf` for each judged
 * sentinel, or is empty if the tags don't fit into the name. A sentinel with another tag may have come later.
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
 * The name of a directory that is claimed (`claimed`) or marked (`dead`) in place.
 *
 * @category naming
 * @since 0.1.0
 */
export const reapInPlace = (kind: "claimed" | "dead", nonce: string, name: string): string =>
  `${workspacePrefix}${nonce}.${kind}=${name}`

/**
 * Parses the name of a sweep's directory. `undefined`: the name is another one.
 *
 * @category naming
 * @since 0.1.0
 */
export const parseReap = (entry: string): Reap | undefined => {
  if (!entry.startsWith(workspacePrefix)) return undefined
  const [, tag = "", kind, name] = inPlace.exec(entry.slice(workspacePrefix.length)) ?? []
  // The first 8 hexadecimal digits are a nonce, and the rest are the tags.
  if (name !== undefined)
    return kind === "dead" ? { kind, name, tags: tagsOf(tag).slice(1) } : { kind: "claimed", name }
  return { kind: entry.endsWith(stagedSuffix) ? "staged" : "workspace" }
}

/** Maximum number of tags. More tags would leave too little of the 255 bytes for the name. */
const mostTags = 4
const isFit = (tagged: string, tags: ReadonlyArray<string>): boolean =>
  tags.length > 0 && tags.length <= mostTags && isShort(tagged)

const marked = /^((?:[0-9a-f]{8}){0,4})=(.+)$/s

/**
 * The name of a marked directory in `dead/` of a workspace. If the tags don't fit, all are left out, and the next sweep
 * has to prove again that the owner of every sentinel is gone. Without tags, a name that itself looks marked gets a `=`
 * before it. Such a name of 255 bytes has no room for the `=`, and is misread.
 *
 * @category naming
 * @since 0.1.0
 */
export const markedName = ({ name, tags }: Marked): string => {
  const tagged = `${tags.join("")}=${name}`
  if (isFit(tagged, tags)) return tagged
  return marked.test(name) && isShort(`=${name}`) ? `=${name}` : name
}

/**
 * The name of a directory that is marked in place. Tags that don't fit are left out, as by `markedName`. The name
 * without tags is shorter than the name under which the directory was claimed.
 *
 * @category naming
 * @since 0.1.0
 */
export const markedInPlace = (nonce: string, { name, tags }: Marked): string => {
  const tagged = reapInPlace("dead", `${nonce}${tags.join("")}`, name)
  return isFit(tagged, tags) ? tagged : reapInPlace("dead", nonce, name)
}

/**
 * Parses a name in `dead/` of a workspace.
 *
 * @category naming
 * @since 0.1.0
 */
export const parseMarked = (entry: string): Marked => {
  const [, tags, name] = marked.exec(entry) ?? []
  return tags === undefined || name === undefined ? { name: entry, tags: [] } : { name, tags: tagsOf(tags) }
}

/**
 * Whether a path has a name that belongs to sweeps: that of a workspace, of a directory that is being made, or of one
 * that a sweep has renamed. A sweep may remove such a directory.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isReserved = (path: string): boolean => path.split("/").some((name) => parseReap(name) !== undefined)

/**
 * Whether a path leads through a directory in which a sweep claims or deletes. A directory that is being made
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
