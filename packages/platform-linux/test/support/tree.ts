/** Content of a directory, byte for byte. Names are decoded as latin1, so each byte is one character. */
import { createHash } from "node:crypto"
import * as Fs from "node:fs"

export type Tree = Readonly<Record<string, string>>

const bytes = (path: string): Buffer => Buffer.from(path, "latin1")

const typeOf = (stats: Fs.BigIntStats): string => {
  if (stats.isFile()) return "file"
  if (stats.isDirectory()) return "directory"
  if (stats.isSymbolicLink()) return "symlink"
  if (stats.isFIFO()) return "fifo"
  return stats.isSocket() ? "socket" : "device"
}

/**
 * Type, inode, mode, owner, modification time and, up to 16 MiB, content. The time of a directory shows whether an
 * entry was added or removed.
 */
const describe = (path: string, stats: Fs.BigIntStats): string => {
  const kept = `${typeOf(stats)} ${stats.ino} ${stats.mode.toString(8)} ${stats.uid} ${stats.mtimeNs}`
  if (stats.isFile() && stats.size <= 2n ** 24n) {
    return `${kept} ${createHash("sha256")
      .update(Fs.readFileSync(bytes(path)))
      .digest("hex")}`
  }
  return stats.isSymbolicLink() ? `${kept} ${Fs.readlinkSync(bytes(path))}` : kept
}

export const entries = (path: string): ReadonlyArray<string> =>
  Fs.readdirSync(bytes(path), { encoding: "latin1" }).sort()

/** Every entry by relative path. The directory itself has the empty path. */
export const of = (path: string): Tree => {
  const found: Record<string, string> = {}
  const pending = [""]
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const stats = Fs.lstatSync(bytes(`${path}${at}`), { bigint: true })
    found[at] = describe(`${path}${at}`, stats)
    if (stats.isDirectory()) for (const entry of entries(`${path}${at}`)) pending.push(`${at}/${entry}`)
  }
  return found
}

/** Differences between two trees, as text. Empty if they are equal. */
export const differences = (before: Tree, after: Tree): ReadonlyArray<string> =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((path) => {
    const [was, is] = [before[path], after[path]]
    if (was === is) return []
    return [`${path === "" ? "it" : path}: ${was ?? "nothing"} became ${is ?? "nothing"}`]
  })

export const descriptors = (): ReadonlyArray<string> =>
  Fs.readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [Fs.readlinkSync(`/proc/self/fd/${fd}`)]
    } catch {
      // The descriptor that listed the directory is closed by now.
      return []
    }
  })
