/**
 * Collects the names that a `Disk.scan` has to read or to report, in bounded memory. For implementations of `Disk`.
 *
 * @since 0.1.0
 */
import type { ScanOptions } from "./DiskModel.ts"

/**
 * The names of one directory that were collected so far.
 *
 * @category models
 * @since 0.1.0
 */
export interface ScanNames {
  /** Takes the next name. `false`: no further name is wanted. */
  readonly add: (entry: string) => boolean
  /** The collected names, sorted. A crowded directory has none. */
  readonly end: () => {
    readonly read: ReadonlyArray<string>
    readonly noted: ReadonlyArray<string>
    readonly hints: ReadonlyArray<string>
    readonly isCrowded: boolean
  }
}

/**
 * Makes an empty collection. `isRead`: whether files are read in the directory.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = ({ mostHints, mostNames, mostUnread, sort }: ScanOptions, isRead: boolean): ScanNames => {
  const read: Array<string> = []
  const noted: Array<string> = []
  const hints: Array<string> = []
  let left = isRead ? Infinity : mostUnread
  let isCrowded = false
  const hasNames = () => read.length + noted.length > 0
  const add = (entry: string): boolean => {
    const kind = sort(entry)
    if (kind === "read") read.push(entry)
    else if (kind === "note") noted.push(entry)
    else if (kind === "hint" && hints.length < mostHints) hints.push(entry)
    left -= 1
    isCrowded = read.length + noted.length > mostNames || (left <= 0 && hasNames())
    return left > 0 && !isCrowded
  }
  return {
    add,
    end: () =>
      isCrowded
        ? { read: [], noted: [], hints: [], isCrowded }
        : { read: read.sort(), noted: noted.sort(), hints: hints.sort(), isCrowded }
  }
}
