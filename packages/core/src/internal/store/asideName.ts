/**
 * Name under which a writer keeps the old record of a sentinel file until its new one has appeared. The name is that of
 * a role, so the old record still counts.
 */
import type { DirectoryState } from "../../DirectoryState.ts"
import * as Layout from "../../Layout.ts"
import * as SentinelName from "../../SentinelName.ts"

/** `.bbox-sentinel` has no roles, so its record takes a role's name of `.vm-sentinel`. */
const asideBase = (entry: string): string => (entry === SentinelName.broodBoxName ? SentinelName.defaultName : entry)

/** `tag`: at least 8 hexadecimal digits. */
export const asideOf = (entry: string, tag: string): string =>
  SentinelName.ofRole(asideBase(entry), `old-${tag.slice(0, 8)}`)

const ending = /\.old-[0-9a-f]{8}$/

/** Whether a name is that of an old record of some sentinel file. No owner can take such a name. */
export const isAside = (name: string): boolean => ending.test(name)

/** Whether `name` is that of an old record of `entry`. */
export const isAsideOf = (entry: string, name: string): boolean =>
  isAside(name) && name.replace(ending, "") === asideBase(entry)

/** The layout in which a writer of `entry` looks for the {@link contenders}. */
export const contendersLayout = (entry: string): Layout.Layout =>
  Layout.ofNames([...new Set([entry, asideBase(entry)])])

/**
 * The part of a state that the writer of one sentinel file has to judge: the file, and each record that another writer,
 * running or killed, has moved aside to replace.
 */
export const contenders = (state: DirectoryState, entry: string): DirectoryState => ({
  ...state,
  sentinels: state.sentinels.filter((file) => file.entry === entry || isAsideOf(entry, file.entry)),
  foreign: []
})
