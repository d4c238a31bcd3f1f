/** The records that the writer of a sentinel file has to judge. */
import type { DirectoryState } from "../../DirectoryState.ts"
import * as Layout from "../../Layout.ts"
import * as SentinelName from "../../SentinelName.ts"

/** The layout in which a writer of `entry` looks for the {@link contenders}. */
export const contendersLayout = (entry: string): Layout.Layout =>
  Layout.ofNames(entry === SentinelName.broodBoxName ? [entry, SentinelName.defaultName] : [entry])

/**
 * The part of a state that the writer of one sentinel file has to judge: the file, and each record that another writer,
 * running or killed, has moved aside to replace.
 */
export const contenders = (state: DirectoryState, entry: string): DirectoryState => ({
  ...state,
  sentinels: state.sentinels.filter((file) => SentinelName.isRecordOf(entry, file.entry)),
  foreign: []
})
