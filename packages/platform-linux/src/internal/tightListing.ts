/**
 * The names of a directory as the kernel tells them, which is in a few bytes more than they have: as text each would be an
 * object, and of very many directories there are as many at once.
 */
import type { DirectoryEntry, Listing } from "@vm-sentinel/core/Disk"
import * as Slices from "@vm-sentinel/core/Slices"
import { decodeName } from "./bytePath.ts"
import * as Dirent from "./dirent.ts"
import { inodeOrder } from "./inodeOrder.ts"

/** Some 200 names. */
const blockBytes = 8192

const entryAt = (block: Dirent.Block, at: number): DirectoryEntry => ({
  entry: decodeName(block.bytes, Dirent.nameOf(at), block.nameEnd(at)),
  type: block.type(at)
})

/** In the order of the inodes. `fill`: `getdents64(2)`. */
export function* read(fill: (into: Buffer) => number): Generator<void, Listing> {
  const hidden: Array<DirectoryEntry> = []
  const blocks: Array<Dirent.Block> = []
  /** Where the others are, in all blocks one after the other. */
  const places: Array<number> = []
  const inodes: Array<number> = []
  // A loop of its own: in a generator it would be slow for longer.
  const note = (block: Dirent.Block, filled: number) => {
    const start = blocks.length * blockBytes
    blocks.push(block)
    for (let at = 0; at < filled; at += block.length(at)) {
      if (!block.isHidden(at)) {
        places.push(start + at)
        inodes.push(block.inode(at))
      } else if (!block.isDots(at)) hidden.push(entryAt(block, at))
    }
  }
  const isSliceUsedUp = Slices.make(1)
  for (;;) {
    const block = new Dirent.Block(blockBytes)
    const filled = fill(block.bytes)
    if (filled === 0) break
    note(block, filled)
    if (isSliceUsedUp()) yield
  }
  const indexAt = yield* inodeOrder(inodes)
  return {
    hidden: hidden.sort((a, b) => (a.entry < b.entry ? -1 : 1)),
    size: places.length,
    entry: (index) => {
      const place = places[indexAt(index)] ?? -1
      const block = blocks[Math.floor(place / blockBytes)]
      return block === undefined ? { entry: "", type: "unknown" } : entryAt(block, place % blockBytes)
    }
  }
}
