/** `flock(2)` in memory. A lock belongs to an open file description, which child processes inherit. */
import type { LockState } from "../../Disk.ts"
import type { Description, Process } from "./memoryCalls.ts"
import { refuse } from "./memoryInode.ts"
import type { Spot, Superblock } from "./memoryVolume.ts"

/** Locks by superblock and inode. Two superblocks that show one directory have separate locks on it. */
export type Locks = WeakMap<Superblock, WeakMap<object, Set<Description>>>

const isHeld = ({ isOpen, mode }: Description): boolean => mode !== undefined && isOpen()

const descriptionsOf = (locks: Locks, { inode, mount: { superblock } }: Spot): Set<Description> => {
  const ofSuperblock = locks.get(superblock) ?? new WeakMap<object, Set<Description>>()
  locks.set(superblock, ofSuperblock)
  const descriptions = ofSuperblock.get(inode) ?? new Set<Description>()
  ofSuperblock.set(inode, descriptions)
  for (const description of descriptions) if (!isHeld(description)) descriptions.delete(description)
  return descriptions
}

export const stateOf = (locks: Locks, spot: Spot): LockState => {
  const modes = [...descriptionsOf(locks, spot)].map(({ mode }) => mode)
  return modes.includes("exclusive") ? "exclusive" : modes.length > 0 ? "shared" : "free"
}

/**
 * Takes the lock for a description that doesn't hold it. Refuses with EBUSY if another description's lock conflicts.
 */
export const take = (locks: Locks, spot: Spot, description: Description, mode: "shared" | "exclusive"): void => {
  const state = stateOf(locks, spot)
  if (state === "exclusive" || (state === "shared" && mode === "exclusive")) refuse("EBUSY")
  description.mode = mode
  descriptionsOf(locks, spot).add(description)
  spot.inode.users.add(description)
}

export const open = (process: Process): Description => {
  const holders = new Set([process])
  const isOpen = () => [...holders].some(({ isKilled }) => !isKilled)
  const description: Description = { opener: process, holders, isOpen, mode: undefined }
  process.descriptions.add(description)
  return description
}

export const close = (process: Process, description: Description): void => {
  process.descriptions.delete(description)
  description.holders.delete(process)
}

/** Shares all open file descriptions with the child, as `fork(2)` does. */
export const inherit = (parent: Process, child: Process): void => {
  for (const description of parent.descriptions) {
    description.holders.add(child)
    child.descriptions.add(description)
  }
}

export const closeInherited = (process: Process): void => {
  for (const description of process.descriptions) if (description.opener !== process) close(process, description)
}

export const closeAll = (process: Process): void => {
  for (const description of process.descriptions) close(process, description)
}
